"""Trainings that events start: each event once, whoever looks and however often it was sent."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import httpx
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter
from prefect.events.schemas.events import ReceivedEvent
from prefect.exceptions import ObjectNotFound

from infra.entries import storable
from infra.ledger import Entry, Kind, Ledger
from infra.runs import start
from infra.steps import step
from infra.turns import turn
from tasks.governance.events import Heard, heard
from tasks.governance.policy import BudgetSpec
from tasks.governance.reviews import reachable_prefect
from tasks.governance.spending import held_by_budget
from tasks.governance.trainings import going_on
from tasks.governance.triggers import EventTrigger
from tasks.references import Cause

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_KEPT: Final = timedelta(days=7)
"""How long Prefect's server keeps events. Source: Prefect 3.8, server.events.retention_period."""

_AHEAD: Final = timedelta(days=365)
"""By how much a sender's clock may be ahead, for its event to be found all the same."""

_PAGES: Final = 20
_WRITTEN_S: Final = 30.0
"""An event wakes us before it is written: Prefect's server writes them every five seconds."""

_LONGEST: Final = 2000


@step(moving=True)
def heed_events(
    model: str,
    triggers: tuple[EventTrigger, ...],
    frozen: str | None,
    woken_by: str = "",
    budget: BudgetSpec | None = None,
) -> tuple[str, ...]:
    """What was made of the events that came, a sentence for each; empty where none is new.

    Those that came together start one training. They wait beside one that goes on, within the
    cooldown, beyond the budget and on frozen days: whoever looks later finds them.

    Args:
        model: its name.
        triggers: the events that count.
        frozen: why no training may start now, if there is a reason.
        woken_by: id of an event that is known to have come.
        budget: what the policy declares.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of ``train``.
    """
    with turn("heed", model):
        return tuple(_heeded(model, _new(model, triggers, woken_by), frozen, budget))


def _heeded(
    model: str, new: Sequence[Heard], frozen: str | None, budget: BudgetSpec | None
) -> Iterator[str]:
    for each in new:
        if each.fault:
            _record(model, each, "", each.fault)
            yield f"{each.event.event} of {each.event.resource.id} asks for nothing: {each.fault}"
    asked = [each for each in new if not each.fault]
    if not asked:
        return
    as_of = max(each.as_of for each in asked)
    wait = _wait(model, asked[0], frozen)
    if budget and not wait:
        wait = held_by_budget(model, budget, as_of).rstrip(".")
    if wait:
        yield f"{len(asked)} events ask for a training, which waits: {wait}."
        return
    # By the oldest: a look that was cut off before it wrote finds the training that it started.
    because = (Cause.EVENT.value, asked[0].id)
    run = start("train", model, because=because, cause=Cause.EVENT, as_of=as_of)
    asked = [each for each in asked if each is asked[0] or _came_before(each, run)]
    names = ", ".join(sorted({each.event.event for each in asked}))
    said = f"A training of {model} was asked for by {names}."
    for each in asked:
        _record(model, each, run, said)
    yield said


def _wait(model: str, first: Heard, frozen: str | None) -> str:
    if frozen:
        return frozen
    if not Ledger().last(model, Kind.GATE):
        return "the first training of all is a person's"
    others = going_on(model)
    if others:
        return f"{others[0].name} goes on"
    cooldown = first.trigger.cooldown
    started = [e.at for e in Ledger().entries(model, Kind.EVENT) if e.payload["run"]]
    if started and datetime.now(UTC) - max(started) < cooldown:
        return f"the last for an event was asked for at {max(started):%Y-%m-%d %H:%M}"
    return ""


def _new(model: str, triggers: tuple[EventTrigger, ...], woken_by: str) -> list[Heard]:
    """The events that nothing was made of yet, oldest first."""
    names = sorted({each.event for each in triggers})
    until = time.monotonic() + _WRITTEN_S
    with reachable_prefect() as client:
        since = max(_declared(client, model), datetime.now(UTC) - _KEPT)
        events = _events(client, names, since)
        while woken_by and woken_by not in {str(each.id) for each in events}:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
            events = _events(client, names, since)
    known = {each.subject for each in Ledger().entries(model, Kind.EVENT)}
    return [each for each in heard(events, triggers) if each.id not in known]


def _declared(client: "SyncPrefectClient", model: str) -> datetime:
    """From when events count: since `heed` of the model was deployed; before it none does."""
    try:
        there = client.read_deployment_by_name(f"heed/{model}")
    except ObjectNotFound:
        return datetime.now(UTC)
    return there.created or datetime.now(UTC)


def _events(client: "SyncPrefectClient", names: list[str], since: datetime) -> list[ReceivedEvent]:
    """The events of some names that the server received since a time, by its own clock."""
    occurred = EventOccurredFilter(since=since - _KEPT, until=datetime.now(UTC) + _AHEAD)
    asked = EventFilter(occurred=occurred, event=EventNameFilter(name=names))
    body = {"filter": asked.model_dump(mode="json"), "limit": 50}
    page = client.request("POST", "/events/filter", json=body).json()
    found = list(page["events"])
    for _ in range(_PAGES):
        if not page["next_page"]:
            break
        token = {"page-token": httpx.URL(page["next_page"]).params["page-token"]}
        page = client.request("GET", "/events/filter/next", params=token).json()
        found += page["events"]
    received = map(ReceivedEvent.model_validate, found)
    return [each for each in received if each.received >= since]


def _came_before(each: Heard, run: str) -> bool:
    with reachable_prefect() as client:
        created = client.read_flow_run(UUID(run)).created
    return created is None or each.event.received <= created


def _record(model: str, each: Heard, run: str, reason: str) -> None:
    event = each.event
    said = event.model_dump_json(include={"payload"})
    Ledger().append(
        Entry(
            kind=Kind.EVENT,
            model=model,
            as_of=each.as_of,
            subject=each.id,
            actor=event.resource.id[:200],
            reason=reason,
            payload={
                "event": event.event,
                "occurred": event.occurred.isoformat(),
                "received": event.received.isoformat(),
                "payload": storable(said[:_LONGEST]),
                "run": run,
            },
            key=f"{Kind.EVENT}:{model}:{each.id}",
        )
    )

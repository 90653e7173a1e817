"""Trainings that events start: each event once, whoever looks and however often it was sent."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import httpx
from prefect.events.filters import (
    EventFilter,
    EventIDFilter,
    EventNameFilter,
    EventOccurredFilter,
)
from prefect.events.schemas.events import ReceivedEvent
from prefect.exceptions import ObjectNotFound
from pydantic import JsonValue

from infra.entries import storable
from infra.ledger import Entry, Kind, Ledger
from infra.runs import found, start
from infra.steps import step
from infra.turns import turn
from tasks.governance.events import WAITING, Heard, heard, in_order, remembered
from tasks.governance.policy_spec import BudgetSpec
from tasks.governance.reviews import reachable_prefect
from tasks.governance.spending import held_by_budget
from tasks.governance.trainings import deciding, going_on
from tasks.governance.triggers import EventTrigger
from tasks.references import Cause

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_KEPT: Final = timedelta(days=7)
"""How long Prefect's server keeps events. Source: Prefect 3.8, server.events.retention_period."""

_WHENEVER: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""When an event may have occurred: that is its sender's clock, which may say anything."""

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

    Those that came together start one training. Beside one that goes on, within the cooldown,
    beyond the budget and on frozen days they wait, on record: Prefect's server forgets them after
    a week, we do not.

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
        records = Ledger().entries(model, Kind.EVENT)
        known = {each.subject for each in records}
        sent = _sent(model, triggers, "" if woken_by in known else woken_by)
        fresh = [each for each in sent if each.id not in known]
        waiting = remembered(records, triggers)
        with deciding(model):
            said = tuple(_heeded(model, fresh, waiting, frozen, budget or BudgetSpec()))
        return said or ((_standing(model, woken_by),) if woken_by else ())


def _standing(model: str, event: str) -> str:
    """What became of an event before, or why nothing does."""
    record = Ledger().find(_key(model, event))
    if record is not None:
        return f"The event was looked at before: {record.reason}"
    return (
        f"Nothing is made of the event {event}: Prefect's server does not hold it, or no trigger "
        f"of {model} names it."
    )


def _heeded(
    model: str,
    fresh: Sequence[Heard],
    waiting: Sequence[Heard],
    frozen: str | None,
    budget: BudgetSpec,
) -> Iterator[str]:
    for each in fresh:
        if each.fault:
            _record(model, each, each.fault)
            yield f"{each.event} of {each.resource} asks for nothing: {each.fault}"
    new = {each.id for each in fresh}
    asked = in_order([*waiting, *(each for each in fresh if not each.fault)])
    wait = (_wait(model, frozen) or _spent(model, asked, budget)) if asked else ""
    put_off = {each.id: wait or _cooling(model, each) for each in asked}
    for each in asked:
        if put_off[each.id] and each.id in new:
            _record(model, each, put_off[each.id], state=WAITING)
    for why in dict.fromkeys(filter(None, put_off.values())):
        count = sum(each == why for each in put_off.values())
        what = "1 event asks" if count == 1 else f"{count} events ask"
        yield f"{what} for a training, which waits: {why}."
    ready = [each for each in asked if not put_off[each.id]]
    if ready:
        yield _trained(model, ready)


def _trained(model: str, asked: Sequence[Heard]) -> str:
    """Start one training for some events, and put each of them on record with it."""
    # By the oldest: a look that was cut off before it wrote finds the training that it started.
    as_of = max(each.as_of for each in asked)
    run = start("train", model, because=_because(asked[0]), cause=Cause.EVENT, as_of=as_of)
    asked = [each for each in asked if each is asked[0] or _came_before(each, run)]
    names = ", ".join(sorted({each.event for each in asked}))
    said = f"A training of {model} was asked for by {names}."
    for each in asked:
        _record(model, each, said, run=run)
    return said


def _wait(model: str, frozen: str | None) -> str:
    """Why no event may start a training now."""
    if frozen:
        return frozen
    if not Ledger().last(model, Kind.GATE):
        return "the first training of all is a person's"
    others = going_on(model)
    return f"{others[0].name} goes on" if others else ""


def _spent(model: str, asked: Sequence[Heard], budget: BudgetSpec) -> str:
    """Why the budget lets no training start for some events; one that they began does not count."""
    if budget == BudgetSpec():
        return ""
    with reachable_prefect():
        begun = found("train", model, [_because(each) for each in asked])
    own = [str(each.id) for each in begun]
    return held_by_budget(model, budget, Ledger().now(), own).rstrip(".")


def _because(oldest: Heard) -> object:
    return (Cause.EVENT.value, oldest.id)


def _cooling(model: str, each: Heard) -> str:
    """Why an event's own trigger starts none yet."""
    started = [e.at for e in Ledger().entries(model, Kind.EVENT) if e.payload["run"]]
    if started and Ledger().now() - max(started) < each.trigger.cooldown:
        return f"the last for an event was asked for at {max(started):%Y-%m-%d %H:%M}"
    return ""


def _sent(model: str, triggers: tuple[EventTrigger, ...], woken_by: str) -> tuple[Heard, ...]:
    """The events for some triggers that the server holds, and the one that has woken us."""
    names = sorted({each.event for each in triggers})
    until = time.monotonic() + _WRITTEN_S
    with reachable_prefect() as client:
        since = max(_declared(client, model), datetime.now(UTC) - _KEPT)
        events = _events(client, names, since)
        while woken_by and woken_by not in {str(each.id) for each in events}:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
            events = [*_events(client, names, since), *_with_id(client, woken_by)]
    return heard(events, triggers)


def _declared(client: "SyncPrefectClient", model: str) -> datetime:
    """From when events count: since `heed` of the model was deployed; before it none does."""
    try:
        there = client.read_deployment_by_name(f"heed/{model}")
    except ObjectNotFound:
        return datetime.now(UTC)
    return there.created or datetime.now(UTC)


def _events(client: "SyncPrefectClient", names: list[str], since: datetime) -> list[ReceivedEvent]:
    """The events of some names that the server received since a time, by its own clock."""
    found = _filtered(client, EventFilter(occurred=_occurred(), event=EventNameFilter(name=names)))
    return [each for each in found if each.received >= since]


def _with_id(client: "SyncPrefectClient", event: str) -> list[ReceivedEvent]:
    try:
        wanted = EventIDFilter(id=[UUID(event)])
    except ValueError:
        return []
    return _filtered(client, EventFilter(occurred=_occurred(), id=wanted))


def _occurred() -> EventOccurredFilter:
    return EventOccurredFilter(since=_WHENEVER[0], until=_WHENEVER[1])


def _filtered(client: "SyncPrefectClient", asked: EventFilter) -> list[ReceivedEvent]:
    body = {"filter": asked.model_dump(mode="json"), "limit": 50}
    page = client.request("POST", "/events/filter", json=body).json()
    found = list(page["events"])
    for _ in range(_PAGES):
        if not page["next_page"]:
            break
        token = {"page-token": httpx.URL(page["next_page"]).params["page-token"]}
        page = client.request("GET", "/events/filter/next", params=token).json()
        found += page["events"]
    return [ReceivedEvent.model_validate(each) for each in found]


def _came_before(each: Heard, run: str) -> bool:
    with reachable_prefect() as client:
        created = client.read_flow_run(UUID(run)).created
    return created is None or each.received <= created


def _record(model: str, each: Heard, reason: str, run: str = "", state: str = "") -> None:
    """Put on record what became of an event, or that it waits."""
    payload: dict[str, JsonValue] = {
        "event": each.event,
        "resource": storable(each.resource),
        "occurred": each.occurred.isoformat(),
        "received": each.received.isoformat(),
        "payload": storable(each.payload[:_LONGEST]),
        "run": run,
    }
    Ledger().append(
        Entry(
            kind=Kind.EVENT,
            model=model,
            as_of=each.as_of,
            subject=each.id,
            actor=each.resource[:200],
            reason=reason,
            payload={**payload, "state": state} if state else payload,
            key=_key(model, each.id) + (f":{state}" if state else ""),
        )
    )


def _key(model: str, event: str) -> str:
    return f"{Kind.EVENT}:{model}:{event}"

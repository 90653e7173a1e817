"""What an event of an application asks for: pure, from what the server or the ledger holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prefect.events.schemas.events import ReceivedEvent
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from infra.entries import Recorded
from tasks.governance.triggers import EventTrigger

_TIME = TypeAdapter(AwareDatetime)

WAITING: Final = "waiting"
"""The state on record of an event that was heard and whose training waits."""


@dataclass(frozen=True)
class Heard:
    """An event that a trigger names, and what it asks for.

    Attributes:
        id: its own, by which it counts once however often it is sent.
        event: its name.
        resource: id of what it is about.
        occurred: when it happened, by its sender's clock.
        received: when Prefect's server received it.
        payload: what it says, as JSON.
        trigger: the first that names it.
        as_of: the time to train for: what the event's payload says, or when the server received
            it; a sender's clock may be wrong.
        fault: why nothing can be made of it; empty where something can.
    """

    id: str
    event: str
    resource: str
    occurred: datetime
    received: datetime
    payload: str
    trigger: EventTrigger
    as_of: datetime
    fault: str = ""


def heard(events: Iterable[ReceivedEvent], triggers: Iterable[EventTrigger]) -> tuple[Heard, ...]:
    """The events that a trigger names, in the order in which the server received them."""
    triggers, found = tuple(triggers), {}
    for event in events:
        trigger = _names(triggers, event.event, event.resource.id)
        if trigger is not None:
            found[event.id] = _understood(event, trigger)
    return in_order(found.values())


def remembered(records: Iterable[Recorded], triggers: Iterable[EventTrigger]) -> tuple[Heard, ...]:
    """The events on record that wait and that a trigger still names, in the order of receipt.

    Args:
        records: of the ledger, of kind ``event``.
        triggers: as declared now.
    """
    triggers, records = tuple(triggers), tuple(records)
    done = {each.subject for each in records if not is_waiting(each)}
    found = []
    for each in records:
        said = {name: str(value) for name, value in each.payload.items()}
        trigger = _names(triggers, said["event"], said.get("resource", ""))
        if is_waiting(each) and each.subject not in done and trigger is not None:
            found.append(
                Heard(
                    id=each.subject,
                    event=said["event"],
                    resource=said["resource"],
                    occurred=datetime.fromisoformat(said["occurred"]),
                    received=datetime.fromisoformat(said["received"]),
                    payload=said["payload"],
                    trigger=trigger,
                    as_of=each.as_of,
                )
            )
    return in_order(found)


def is_waiting(record: Recorded) -> bool:
    """Whether a record says that an event was heard, and nothing yet of what became of it."""
    return record.payload.get("state") == WAITING


def in_order(events: Iterable[Heard]) -> tuple[Heard, ...]:
    """Events in the order in which Prefect's server received them."""
    return tuple(sorted(events, key=lambda each: (each.received, each.id)))


def _names(triggers: Iterable[EventTrigger], event: str, resource: str) -> EventTrigger | None:
    """The first trigger that names an event."""
    fitting = (each for each in triggers if each.event == event and _is_of(each.resource, resource))
    return next(fitting, None)


def _is_of(pattern: str, resource: str) -> bool:
    return resource.startswith(pattern[:-1]) if pattern.endswith("*") else resource == pattern


def _understood(event: ReceivedEvent, trigger: EventTrigger) -> Heard:
    as_of, fault = _asked(event)
    return Heard(
        id=str(event.id),
        event=event.event,
        resource=event.resource.id,
        occurred=event.occurred,
        received=event.received,
        payload=event.model_dump_json(include={"payload"}),
        trigger=trigger,
        as_of=as_of,
        fault=fault,
    )


def _asked(event: ReceivedEvent) -> tuple[datetime, str]:
    """The time to train for, and why it cannot be used."""
    received, said = event.received, event.payload.get("as_of")
    if said is None:
        return received, ""
    try:
        as_of = _TIME.validate_python(said) if isinstance(said, str) else None
    except ValidationError:
        as_of = None
    if as_of is None:
        zoned = "no time with a zone such as 2026-11-23T06:00:00Z."
        return received, f"as_of is {str(said)[:40]!r}, {zoned}"
    if as_of > received:
        return received, f"as_of is {as_of.isoformat()}, after the event was received."
    return as_of, ""

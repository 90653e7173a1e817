"""What an event of an application asks for: pure, from what Prefect's server holds of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prefect.events.schemas.events import ReceivedEvent
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from tasks.governance.triggers import EventTrigger

_TIME = TypeAdapter(AwareDatetime)


@dataclass(frozen=True)
class Heard:
    """An event that a trigger names, and what it asks for.

    Attributes:
        event: as the server holds it.
        trigger: the first that names it.
        as_of: the time to train for: what the event's payload says, or when the server received
            it; a sender's clock may be wrong.
        fault: why nothing can be made of it; empty where something can.
    """

    event: ReceivedEvent
    trigger: EventTrigger
    as_of: datetime
    fault: str = ""

    @property
    def id(self) -> str:
        """The event's own id, by which it counts once however often it is sent."""
        return str(self.event.id)


def heard(events: Iterable[ReceivedEvent], triggers: Iterable[EventTrigger]) -> tuple[Heard, ...]:
    """The events that a trigger names, in the order in which the server received them."""
    triggers = tuple(triggers)
    found = {
        event.id: _understood(event, trigger)
        for event in events
        for trigger in reversed(triggers)
        if event.event == trigger.event and _is_of(trigger.resource, event.resource.id)
    }
    return tuple(sorted(found.values(), key=lambda each: (each.event.received, each.id)))


def _is_of(pattern: str, resource: str) -> bool:
    return resource.startswith(pattern[:-1]) if pattern.endswith("*") else resource == pattern


def _understood(event: ReceivedEvent, trigger: EventTrigger) -> Heard:
    received = event.received
    said = event.payload.get("as_of")
    if said is None:
        return Heard(event, trigger, received)
    try:
        as_of = _TIME.validate_python(said) if isinstance(said, str) else None
    except ValidationError:
        as_of = None
    if as_of is None:
        fault = f"as_of is {str(said)[:40]!r}, no time with a zone such as 2026-11-23T06:00:00Z."
        return Heard(event, trigger, received, fault)
    if as_of > received:
        fault = f"as_of is {as_of.isoformat()}, after the event was received."
        return Heard(event, trigger, received, fault)
    return Heard(event, trigger, as_of)

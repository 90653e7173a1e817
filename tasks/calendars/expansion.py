"""The events of an iCalendar in a stretch of time; run as a process it is held to its bounds.

``python -m tasks.calendars.expansion FIRST LAST SECONDS`` reads an iCalendar from its input and
prints the events as JSON. A calendar comes from somebody else: a rule that names no day keeps
dateutil busy for minutes, one of every second fills the memory, so the process has so many seconds
and bytes.
"""

import resource
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    from icalendar import Component

MOST_EVENTS: Final = 5000
"""Events in a stretch: more is no calendar that people keep, but a rule without measure."""

_MOST_BYTES: Final = 1 << 30
_MARK: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \r\n\t"


class Event(BaseModel):
    """One event: of local days where it has no time of its own, else from moment to moment.

    A time without a zone is local wherever it is read; an end is no longer part of the event.
    """

    model_config = ConfigDict(frozen=True)

    summary: str
    begins: date | datetime
    ends: date | datetime


Events: Final = TypeAdapter(tuple[Event, ...])


def expand(content: bytes, first: date, last: date) -> tuple[Event, ...]:
    """The events that touch a stretch of days, recurring ones at each of their times, in order.

    Args:
        content: the iCalendar.
        first: first day.
        last: last day, itself in the stretch.

    Raises:
        ValueError: it is no iCalendar, names a time zone that is nowhere, or holds more than
            `MOST_EVENTS` events in the stretch. The libraries raise other errors too.
    """
    import recurring_ical_events
    from icalendar import Calendar

    text = content.removeprefix(_MARK).lstrip(_BLANK)
    if not text[:15].upper().startswith(b"BEGIN:VCALENDAR"):
        raise ValueError("it does not begin with BEGIN:VCALENDAR")
    calendar = Calendar.from_ical(text)
    for component in calendar.walk("VEVENT"):
        _refuse_unknown_zone(component)
    found = recurring_ical_events.of(calendar).between(first, last + timedelta(days=1))
    if len(found) > MOST_EVENTS:
        raise ValueError(f"it has {len(found):,} events between {first} and {last}")
    held = (each for each in found if str(each.get("STATUS", "")).upper() != "CANCELLED")
    events = [
        Event(summary=str(each.get("SUMMARY", "")), begins=each.start, ends=each.end)
        for each in held
    ]
    return tuple(sorted(events, key=lambda event: (event.begins.isoformat(), event.summary)))


def _refuse_unknown_zone(component: "Component") -> None:
    """Icalendar reads a time of an unknown zone as one without: hours off, and no word of it."""
    for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
        held = component.get(name)
        zone = getattr(held, "params", {}).get("TZID")
        moment = getattr(held, "dt", None)
        if zone and isinstance(moment, datetime) and moment.tzinfo is None:
            raise ValueError(f"there is no time zone {str(zone)!r}, and it describes none")


def _bounded(seconds: int, work: Callable[[], bytes]) -> bytes:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    return work()


def _main(first: str, last: str, seconds: str) -> int:
    content = sys.stdin.buffer.read()
    days = date.fromisoformat(first), date.fromisoformat(last)
    try:
        found = _bounded(int(seconds), lambda: Events.dump_json(expand(content, *days)))
    except Exception as error:  # noqa: BLE001 - whatever its libraries raise of somebody's text
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

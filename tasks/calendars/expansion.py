"""The events of an iCalendar in a stretch of time; run as a process it is held to its bounds.

``python -m tasks.calendars.expansion FIRST LAST SECONDS`` reads an iCalendar from its input and
prints the events as JSON. A calendar comes from somebody else: a rule that names no day keeps
dateutil busy for minutes, one of every second fills the memory, so the process has so many seconds
and bytes.
"""

import re
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from icalendar import Calendar, Component
    from icalendar import Event as Occurring

MOST_EVENTS: Final = 5000
"""Events in a stretch: more is no calendar that people keep, but a rule without measure."""

_MOST_BYTES: Final = 1 << 30
_TIMES: Final = (
    *("DTSTART", "DTEND", "DURATION", "RECURRENCE-ID"),
    *("RRULE", "RDATE", "EXDATE", "EXRULE"),
)
_BEGIN: Final = re.compile(rb"^BEGIN:VCALENDAR\s*$", re.IGNORECASE | re.MULTILINE)
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


class Broken(BaseModel):
    """An event that is no use: what it is called, and why; it concerns whoever means it."""

    model_config = ConfigDict(frozen=True)

    summary: str
    uid: str
    why: str


class Expanded(BaseModel):
    """The events of an iCalendar that touch a stretch of days, in order, and those of no use."""

    model_config = ConfigDict(frozen=True)

    events: tuple[Event, ...]
    broken: tuple[Broken, ...] = ()


def expand(content: bytes, first: date, last: date) -> Expanded:
    """The events that touch a stretch of days, recurring ones at each of their times.

    One text may hold several calendars (RFC 5545, 3.4).

    Args:
        content: the iCalendar.
        first: first day.
        last: last day, itself in the stretch.

    Raises:
        ValueError: it is no iCalendar, or holds more than `MOST_EVENTS` events in the stretch. The
            libraries raise other errors too.
    """
    found: list[Occurring] = []
    broken: list[Broken] = []
    for calendar in _calendars(content.removeprefix(_MARK).lstrip(_BLANK)):
        sound = list(_sound(calendar, broken))
        try:
            found += _between(calendar, chain(*sound), first, last)
        except Exception:  # noqa: BLE001 - whatever a library raises of one of them, look which
            for event in sound:
                try:
                    found += _between(calendar, event, first, last)
                except Exception as error:  # noqa: BLE001 - the event is told with it
                    broken.append(_broken(event, str(error)))
    if len(found) > MOST_EVENTS:
        raise ValueError(f"it has {len(found):,} events between {first} and {last}")
    held = (each for each in found if str(each.get("STATUS", "")).upper() != "CANCELLED")
    events = [
        Event(summary=str(each.get("SUMMARY", "")), begins=each.start, ends=each.end)
        for each in held
    ]
    ordered = sorted(events, key=lambda event: (event.begins.isoformat(), event.summary))
    return Expanded(events=tuple(ordered), broken=tuple(broken))


def _calendars(text: bytes) -> list["Calendar"]:
    from icalendar import Calendar

    if not text[:15].upper().startswith(b"BEGIN:VCALENDAR"):
        raise ValueError("it does not begin with BEGIN:VCALENDAR")
    found = Calendar.from_ical(text, multiple=True)
    if len(found) < len(_BEGIN.findall(text)):
        raise ValueError("it ends before END:VCALENDAR")
    return found


def _sound(calendar: "Component", broken: list[Broken]) -> Iterator[list["Component"]]:
    """The events of a calendar, each with its exceptions; what is broken goes to a list."""
    events: dict[str, list[Component]] = {}
    for place, component in enumerate(calendar.walk("VEVENT")):
        events.setdefault(str(component.get("UID", f"at place {place + 1}")), []).append(component)
    for event in events.values():
        why = next(filter(None, map(_fault, event)), "")
        if why:
            broken.append(_broken(event, why))
        else:
            yield event


def _between(
    calendar: "Component", events: Iterable["Component"], first: date, last: date
) -> list["Occurring"]:
    """The times of some events of a calendar, by its own zones."""
    import recurring_ical_events

    calendar.subcomponents = [
        *(each for each in calendar.subcomponents if each.name != "VEVENT"),
        *events,
    ]
    found: list[Occurring] = recurring_ical_events.of(calendar).between(
        first, last + timedelta(days=1)
    )
    return found


def _broken(event: list["Component"], why: str) -> Broken:
    summaries = (str(each.get("SUMMARY", "")) for each in event)
    return Broken(
        summary=next(filter(None, summaries), ""),
        uid=str(event[0].get("UID", "")),
        why=" ".join(why.split())[:200],
    )


def _fault(component: "Component") -> str:
    """Why an event cannot be read; empty where it can."""
    for name, error in component.errors:
        if name in _TIMES:
            return f"{name}: {error}"
    if "DTSTART" not in component:
        return "it has no DTSTART"
    return next(filter(None, map(_unknown_zone, _held(component))), "")


def _held(component: "Component") -> Iterator[object]:
    """The properties of an event that say times."""
    for name in _TIMES:
        held = component.get(name)
        yield from held if isinstance(held, list) else [held]


def _unknown_zone(held: object) -> str:
    """Icalendar reads a time of an unknown zone as one without: hours off, and no word of it."""
    zone = getattr(held, "params", {}).get("TZID")
    listed = getattr(held, "dts", None) or [held]
    moments = [getattr(each, "dt", None) for each in listed]
    begins = [each[0] if isinstance(each, tuple) else each for each in moments]
    local = any(isinstance(each, datetime) and each.tzinfo is None for each in begins)
    return f"there is no time zone {str(zone)!r}, and it describes none" if zone and local else ""


def _bounded(seconds: int, work: Callable[[], bytes]) -> bytes:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    return work()


def _main(first: str, last: str, seconds: str) -> int:
    content = sys.stdin.buffer.read()
    days = date.fromisoformat(first), date.fromisoformat(last)
    try:
        found = _bounded(int(seconds), lambda: expand(content, *days).model_dump_json().encode())
    except Exception as error:  # noqa: BLE001 - whatever its libraries raise of somebody's text
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

"""Calendars that others keep: fetched, read apart from us, kept as they were last read."""

import os
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from infra import store
from infra.errors import BackendError, ConfigError, DataError, PerennialError
from infra.files import read_file, shown
from tasks.calendars.apart import read_apart
from tasks.calendars.expansion import Event, Expanded
from tasks.calendars.moments import moment_of
from tasks.calendars.rules import place
from tasks.schedules import CalendarSpec, EventsSpec, ScheduleSpec

if TYPE_CHECKING:
    import httpx

_MOST_BYTES: Final = 4 << 20
"""A team's calendar of ten years has 1 MiB."""

_PATIENCE_S: Final = 10.0
_NETWORK: Final = {"http": "http", "https": "https", "webcal": "https", "webcals": "https"}
"""Schemes of addresses, and what they are fetched by: webcal names a calendar, and no protocol."""

_DAY: Final = timedelta(days=1)


class Feed(BaseModel):
    """The events of a calendar, as it was last read."""

    model_config = ConfigDict(frozen=True)

    read_at: datetime
    first: date
    last: date
    events: tuple[Event, ...]


def sources(schedules: Iterable[ScheduleSpec], calendar: CalendarSpec) -> tuple[str, ...]:
    """The calendars of others that a declaration names, each once."""
    return tuple(dict.fromkeys(each.source for each in named_events(schedules, calendar)))


def named_events(
    schedules: Iterable[ScheduleSpec], calendar: CalendarSpec
) -> tuple[EventsSpec, ...]:
    """What a declaration says of calendars of others: which events count, and as what."""
    declared: list[EventsSpec | None] = [each.events for each in schedules]
    declared += [calendar.events_off, *(each.events for each in calendar.freezes)]
    return tuple(each for each in declared if each is not None)


def read_feed(
    source: str, folder: Path, first: date, last: date, meant: Collection[EventsSpec] = ()
) -> Feed:
    """The events of a calendar as it is now; a copy is kept for `kept_feed`.

    Args:
        source: as declared.
        folder: the model's.
        first: first day of interest.
        last: last day of interest.
        meant: which of its events count; all of them if left out. Others may be broken.

    Raises:
        ConfigError: a file is not there, an environment variable is not set, or what was read is
            no iCalendar, has events without measure, or one that counts is broken.
        BackendError: the address does not answer, or not with a calendar.
    """
    where = _resolved(source)
    address = _address(where)
    content = _fetched(address, source) if address else _file(folder / where)
    found = _expanded(content, source, first, last)
    for each in found.broken:
        if not meant or any(_means(one, each.summary) for one in meant):
            named = f"its event {shown(each.summary)!r} (UID {shown(each.uid)})"
            raise _useless(source, f"{named} is broken: {shown(each.why)}")
    feed = Feed(read_at=datetime.now(UTC), first=first, last=last, events=found.events)
    store.put_bytes(_place(source, folder), feed.model_dump_json().encode())
    return feed


def kept_feed(source: str, folder: Path) -> Feed | None:
    """A calendar as it was last read, by whichever machine; None where it never was."""
    kept = _place(source, folder)
    if not store.exists(kept):
        return None
    try:
        return Feed.model_validate_json(store.get_bytes(kept))
    except ValidationError:
        return None  # of another version of ours: it is read again by the next deploy


def moments(feed: Feed, declared: EventsSpec, zone: ZoneInfo) -> Iterator[datetime]:
    """When the events that are meant begin, in UTC."""
    for event in _meant(feed, declared):
        if not isinstance(event.begins, datetime):
            yield moment_of(event.begins, declared.at, zone)
        elif event.begins.tzinfo is None:
            yield moment_of(event.begins.date(), event.begins.time(), zone)
        else:
            yield event.begins.astimezone(UTC)


def stretches(feed: Feed, declared: EventsSpec, zone: ZoneInfo) -> Iterator[tuple[date, date, str]]:
    """First and last local day of each event that is meant, and what it is called."""
    for event in _meant(feed, declared):
        begin, end = _day(event.begins, zone), _day(event.ends, zone, end=True)
        yield begin, max(begin, end), shown(event.summary) or "event"


def is_met(feed: Feed, declared: EventsSpec) -> bool:
    """Whether a calendar has an event that is meant."""
    return next(_meant(feed, declared), None) is not None


def _meant(feed: Feed, declared: EventsSpec) -> Iterator[Event]:
    return (event for event in feed.events if _means(declared, event.summary))


def _means(declared: EventsSpec, summary: str) -> bool:
    return (declared.matching or "").casefold() in summary.casefold()


def _address(where: str) -> str:
    """The address that a calendar is fetched from; empty for a file."""
    scheme, mark, rest = where.partition("://")
    fetched = _NETWORK.get(scheme.lower())
    return f"{fetched}://{rest}" if mark and fetched else ""


def _day(moment: date | datetime, zone: ZoneInfo, *, end: bool = False) -> date:
    """The local day of a moment; of an end the last day that the event still has."""
    if not isinstance(moment, datetime):
        return moment - _DAY if end else moment
    local = moment if moment.tzinfo is None else moment.astimezone(zone)
    return (local - timedelta(microseconds=1) if end else local).date()


def _resolved(source: str) -> str:
    if not source.startswith("$"):
        return source
    held = os.environ.get(source[1:])
    if not held:
        raise ConfigError(
            f"The calendar {source} is not there: the environment has no {source[1:]}.",
            hint=f"Set {source[1:]} to its address, where `perennial` runs.",
        )
    return held


def _file(path: Path) -> bytes:
    try:
        return read_file(path, _MOST_BYTES)
    except DataError as error:
        raise ConfigError(
            f"The calendar is not readable: {error.args[0]}",
            hint="Its path in model.yaml counts from the model's folder.",
        ) from error


def _fetched(address: str, source: str) -> bytes:
    import httpx

    try:
        with (
            httpx.Client(timeout=_PATIENCE_S, follow_redirects=True, max_redirects=3) as client,
            client.stream("GET", address) as answer,
        ):
            answer.raise_for_status()
            return _body(answer, source)
    except httpx.HTTPStatusError as error:
        raise _away(source, f"answers {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise _away(source, f"does not answer ({type(error).__name__})") from error


def _body(answer: "httpx.Response", source: str) -> bytes:
    content, began = bytearray(), datetime.now(UTC)
    for part in answer.iter_bytes():
        content += part
        if len(content) > _MOST_BYTES:
            raise _away(source, f"sends more than {_MOST_BYTES >> 20} MiB")
        if datetime.now(UTC) - began > timedelta(seconds=3 * _PATIENCE_S):
            raise _away(source, f"takes more than {3 * _PATIENCE_S:.0f} s to send it")
    return bytes(content)


def _away(source: str, what: str) -> PerennialError:
    return BackendError(
        f"The calendar at {place(source)} {what}.",
        hint="What Prefect holds of it stays as it is. Open the address, and run this again.",
    )


def _expanded(content: bytes, source: str, first: date, last: date) -> Expanded:
    try:
        return read_apart(content, first, last)
    except ConfigError as error:
        raise _useless(source, str(error.args[0])) from error


def _useless(source: str, why: str) -> PerennialError:
    return ConfigError(
        f"The calendar at {place(source)} cannot be used: {why.rstrip('.')}.",
        hint="It must be an iCalendar (RFC 5545) with at most 5,000 events a year; ask who keeps "
        "it.",
    )


def _place(source: str, folder: Path) -> str:
    """In the store, where the workers of all machines see it: a freeze holds on each of them."""
    return store.uri("calendars", folder.name, f"{sha256(source.encode()).hexdigest()[:16]}.json")

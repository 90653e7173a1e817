"""What Prefect itself can say: its schedules of a declaration, and the times it makes of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from infra.durations import exactly
from infra.errors import ConfigError, fault
from tasks.calendars.moments import local_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prefect.client.schemas.schedules import SCHEDULE_TYPES

    from tasks.schedules import ScheduleSpec

_ANCHOR: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Intervals count from here, so that a deployment made anew keeps its times."""

MOST_DATES: Final = 400
"""Dates that one rule can list: Prefect 3.8 takes 6500 characters of it, each date has 16."""

_AT_ONCE: Final = 1000
"""Times that Prefect works out in one call, at most. Source: ``MAX_ITERATIONS`` of Prefect 3.8."""

_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


def rule(declared: ScheduleSpec) -> SCHEDULE_TYPES:
    """Prefect's schedule of a cron line, an interval or an RRule.

    Raises:
        ConfigError: Prefect does not take it.
    """
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

    try:
        if declared.cron is not None:
            return CronSchedule(cron=declared.cron, timezone=declared.timezone)
        if declared.interval is not None:
            return IntervalSchedule(
                interval=declared.interval, anchor_date=_ANCHOR, timezone=declared.timezone
            )
        return RRuleSchedule(rrule=declared.local_rrule, timezone=declared.timezone)
    except (ValidationError, ValueError) as error:
        found = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(
            f"Prefect does not take the schedule {words(declared)!r}: {fault('', found)}.",
            hint="Correct it in schedules of model.yaml; docs/schedules.md shows each kind.",
        ) from error


def listed(moments: Iterable[datetime]) -> SCHEDULE_TYPES:
    """Prefect's schedule that has exactly these moments, the first `MOST_DATES` of them.

    In UTC: what the clocks of a zone do is settled before. Without moments it never runs.
    """
    from prefect.client.schemas.schedules import RRuleSchedule

    dates = sorted({each.astimezone(UTC) for each in moments})[:MOST_DATES] or [_LONG_AGO]
    text = ",".join(f"{each:%Y%m%dT%H%M%S}" for each in dates)
    return RRuleSchedule(rrule=f"RDATE:{text}", timezone="UTC")


def times(schedule: SCHEDULE_TYPES, first: datetime, last: datetime) -> Iterator[datetime]:
    """The moments at which Prefect's server starts a schedule's runs, both ends among them, in UTC.

    By the server's own code: what is foretold is what it does.

    Raises:
        ConfigError: the rule names no time at all.
    """
    return (moment for moment, _ in keyed_times(schedule, first, last))


def keyed_times(
    schedule: SCHEDULE_TYPES, first: datetime, last: datetime
) -> Iterator[tuple[datetime, str]]:
    """The same moments, each as the server writes it in the key of its run.

    Raises:
        ConfigError: the rule names no time at all.
    """
    from prefect.server.schemas import schedules as served

    kind = getattr(served, type(schedule).__name__)
    held = kind.model_validate(schedule.model_dump())
    while True:
        try:
            found = asyncio.run(held.get_dates(_AT_ONCE, start=first, end=last))
        except (ValueError, OverflowError) as error:
            raise ConfigError(f"The schedule {schedule} names no time: {error}.") from error
        yield from ((datetime.fromtimestamp(each.timestamp(), UTC), str(each)) for each in found)
        if len(found) < _AT_ONCE:
            return
        first = found[-1] + timedelta(microseconds=1)


def local_times(declared: ScheduleSpec, first: date, last: date) -> Iterator[datetime]:
    """The times that a rule names from one local day to another, in its zone, as they are meant.

    A cron line and an RRule name times of a clock on the wall: each is found without a zone and
    given its own afterwards, so that one which the clock skips is still known by its name, and one
    that it shows twice is the first of the two. An interval is what the server makes of it.

    Raises:
        ConfigError: Prefect does not take the rule, or it names no time at all.
    """
    zone = declared.zone
    begin, end = local_of(first, time(0), zone), local_of(last, time(0), zone)
    if declared.interval is not None:
        yield from (each.astimezone(zone) for each in times(rule(declared), begin, end))
        return
    ends = declared.local_rrule or None
    wall = rule(declared.model_copy(update={"timezone": "UTC", "rrule": ends}))
    for each in times(wall, begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC)):
        yield each.replace(tzinfo=zone)


def words(declared: ScheduleSpec) -> str:
    """What a schedule is, in a line: ``0 6 * * * UTC, on days off next``."""
    day, events = declared.business_day, declared.events
    if day is not None:
        times_of = f"business day {day.nth} of each {day.of} {day.at:%H:%M}"
    elif events is not None:
        matching = f" {events.matching!r}" if events.matching else ""
        times_of = f"events{matching} of {place(events.source)}"
    elif declared.interval is not None:
        times_of = f"every {exactly(declared.interval)}"
    else:
        times_of = declared.cron or declared.rrule or ""
    off = "" if declared.day_off == "run" else f", days off: {declared.day_off}"
    return f"{' '.join(times_of.split())} {declared.timezone}{off}"


def place(source: str) -> str:
    """An address that may be shown: of one in the network the host, for the path may be a secret.

    >>> place("https://example.com/private-0f3a/team.ics"), place("team.ics")
    ('https://example.com/...', 'team.ics')
    """
    scheme, mark, rest = source.partition("://")
    if not mark:
        return source
    host = rest.partition("/")[0].rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host}/..."

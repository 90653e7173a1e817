"""What a declaration means for the days to come, and what Prefect is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from infra.errors import ConfigError, few
from tasks.calendars.feeds import Feed, moments, stretches
from tasks.calendars.freezing import Freeze, declared_freezes
from tasks.calendars.periods import business_days
from tasks.calendars.rules import listed, local_times, rule, times, words
from tasks.calendars.settling import Occurrence, first_concerned, settle
from tasks.calendars.workdays import Workdays

if TYPE_CHECKING:
    from prefect.client.schemas.schedules import SCHEDULE_TYPES

    from tasks.schedules import CalendarSpec, EventsSpec, ScheduleSpec

HORIZON: Final = timedelta(days=400)
"""So far ahead a schedule is listed that Prefect cannot say by a rule: a year and a month."""

_YEARS: Final = 5 * HORIZON
"""So far ahead somebody looks who wants to say that a schedule never runs."""

_MARGIN: Final = timedelta(days=62)
"""What is due so long before a stretch may still be moved into it by days off in a row."""

_NONE: Final[Mapping[str, Feed]] = {}


def stretch(now: datetime, calendar: CalendarSpec) -> tuple[date, date]:
    """First and last day that matter of a shared calendar: what moves to the horizon is around it.

    Freezes that adjoin put a run off for as long as all of them together.
    """
    frozen = [each for each in calendar.freezes if each.then == "after"]
    lengths = [each.last - each.first for each in frozen if each.first and each.last]
    lengths += [HORIZON / 4 for each in frozen if each.events is not None]
    around = _MARGIN + sum(lengths, timedelta(0))
    return (now - around).date(), (now + HORIZON + around).date()


def by_rule(schedule: ScheduleSpec, calendar: CalendarSpec) -> bool:
    """Whether Prefect itself can say a schedule: a rule that no day off and no freeze touches."""
    ruled = schedule.business_day is None and schedule.events is None
    free = all(schedule.flow not in each.flows for each in calendar.freezes)
    return ruled and free and schedule.day_off == "run"


def occurrences(
    schedule: ScheduleSpec,
    calendar: CalendarSpec,
    first: datetime,
    last: datetime,
    feeds: Mapping[str, Feed] = _NONE,
) -> tuple[Occurrence, ...]:
    """What is due or runs from one moment to another, in the order of when it is due.

    Args:
        schedule: as declared.
        calendar: as declared beside it.
        first: from here on.
        last: up to here.
        feeds: calendars of others, by their sources.

    Raises:
        ConfigError: Prefect does not take the rule, or a calendar has not been read.
    """
    if by_rule(schedule, calendar):
        return tuple(Occurrence(due=at, at=at) for at in times(rule(schedule), first, last))
    end = stretch(last - HORIZON, calendar)[1]
    workdays = Workdays(calendar, _events_off(calendar, schedule, feeds))
    freezes = (
        *declared_freezes(calendar, date.min, end),
        *_freezes_of_events(calendar, schedule, feeds),
    )
    begin = first_concerned(first.date(), schedule, workdays, freezes) - _MARGIN
    settled = settle(_due(schedule, workdays, begin, end, feeds), schedule, workdays, freezes)
    return tuple(each for each in settled if first <= (each.at or each.due) <= last)


def told(
    schedule: ScheduleSpec,
    calendar: CalendarSpec,
    now: datetime,
    feeds: Mapping[str, Feed] = _NONE,
) -> SCHEDULE_TYPES:
    """The schedule that Prefect is to hold: its own rule, or the list of moments of the horizon.

    Raises:
        ConfigError: Prefect does not take the rule, a calendar has not been read, or days off
            and freezes leave nothing of a schedule.
    """
    if by_rule(schedule, calendar):
        return rule(schedule)
    found = occurrences(schedule, calendar, now, now + HORIZON, feeds)
    runs = [each.at for each in found if each.at is not None]
    if found and not runs:
        runs = _runs_far_ahead(schedule, calendar, now, feeds)
    return listed(runs)


def _runs_far_ahead(
    schedule: ScheduleSpec, calendar: CalendarSpec, now: datetime, feeds: Mapping[str, Feed]
) -> list[datetime]:
    """What runs in the years to come of a schedule that does not within the horizon."""
    found = occurrences(schedule, calendar, now, now + _YEARS, feeds)
    runs = [each.at for each in found if each.at is not None]
    if not runs:
        raise ConfigError(
            f"The schedule {words(schedule)!r} of {schedule.flow} never runs: whenever it is due "
            f"until {now + _YEARS:%Y}, it is left out by "
            f"{few(sorted({each.why for each in found}), 3)}.",
            hint="Its days off and freezes contradict it: change one of them in model.yaml.",
        )
    return runs


def _due(
    schedule: ScheduleSpec,
    workdays: Workdays,
    first: date,
    last: date,
    feeds: Mapping[str, Feed],
) -> Iterator[datetime]:
    """The moments that a schedule names by itself."""
    if schedule.business_day is not None:
        return business_days(schedule.business_day, schedule.zone, workdays, first, last)
    if schedule.events is not None:
        return moments(_feed(schedule.events, feeds), schedule.events, schedule.zone)
    return local_times(schedule, first, last)


def _events_off(
    calendar: CalendarSpec, schedule: ScheduleSpec, feeds: Mapping[str, Feed]
) -> dict[date, str]:
    declared = calendar.events_off
    if declared is None:
        return {}
    return {
        begin + timedelta(days=each): named
        for begin, end, named in stretches(_feed(declared, feeds), declared, schedule.zone)
        for each in range((end - begin).days + 1)
    }


def _freezes_of_events(
    calendar: CalendarSpec, schedule: ScheduleSpec, feeds: Mapping[str, Feed]
) -> Sequence[Freeze]:
    return [
        Freeze(first=begin, last=end, why=f"{each.why} ({named})", flows=each.flows, then=each.then)
        for each in calendar.freezes
        if each.events is not None
        for begin, end, named in stretches(_feed(each.events, feeds), each.events, schedule.zone)
    ]


def _feed(declared: EventsSpec, feeds: Mapping[str, Feed]) -> Feed:
    if declared.source not in feeds:
        raise ConfigError(
            "A calendar that the schedules name was not read yet.",
            hint="`perennial deploy` reads it.",
        )
    return feeds[declared.source]

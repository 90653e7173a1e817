"""From the times that a schedule names to those at which it runs, each with its reason."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from tasks.calendars.freezing import Freeze, freeze_of
from tasks.calendars.moments import moment_of
from tasks.calendars.workdays import Workdays
from tasks.schedules import ScheduleSpec

_DAY: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=800)
"""So long a run waits at most, over freezes that adjoin."""

_HOPS: Final = 100
"""Freezes that may follow each other without a day between them."""


class Occurrence(BaseModel):
    """One time of a schedule: when it was due by its rule, when it runs, and why that differs."""

    model_config = ConfigDict(frozen=True)

    due: datetime = Field(description="By the rule alone, in UTC.")
    at: datetime | None = Field(description="When it runs, in UTC; null where it is left out.")
    why: str = Field("", description="Why it was moved or left out.")

    @property
    def moved(self) -> bool:
        """Whether it runs at another time than its rule says."""
        return self.at is not None and self.at != self.due


def settle(
    due: Iterable[datetime],
    schedule: ScheduleSpec,
    workdays: Workdays,
    freezes: Sequence[Freeze],
) -> tuple[Occurrence, ...]:
    """What becomes of each time, in the order of what is due.

    Days off come first, then freezes. Two times that end at one moment are one run: the one that
    was due there, else the earliest that was moved there.

    Args:
        due: moments by the rule, in any order; where the clock skips a time, in the schedule's
            own zone, so that it is still known by its name.
        schedule: whose they are.
        workdays: what is a business day.
        freezes: of all flows.
    """
    # By the moment: in one zone Python takes the two hours that a clock shows twice for one.
    moments = {each.astimezone(UTC): each.astimezone(schedule.zone) for each in due}
    settled = [_settled(moments[each], schedule, workdays, freezes) for each in sorted(moments)]
    own = {each.due for each in settled if each.at == each.due}
    taken: set[datetime] = set()
    found = []
    for each in settled:
        if each.at is None:
            found.append(each)
        elif each.at in taken or (each.moved and each.at in own):
            there = each.at.astimezone(schedule.zone)
            why = f"{each.why}; the run of {there:%a} {there.day} {there:%b} stands for it"
            found.append(Occurrence(due=each.due, at=None, why=why))
        else:
            taken.add(each.at)
            found.append(each)
    return tuple(found)


def first_concerned(
    first: date, schedule: ScheduleSpec, workdays: Workdays, freezes: Sequence[Freeze]
) -> date:
    """The first day whose times may run on a day or later: a freeze puts them off until its end.

    Args:
        first: the day.
        schedule: whose times they are.
        workdays: what is a business day.
        freezes: of all flows, those that are over too.
    """
    found = first
    for each in freezes:
        waits = each.then == "after" and schedule.flow in each.flows
        if waits and first - _LONGEST < each.last and each.first < found:
            thawed = _thawed(each.last, schedule, workdays, freezes, [])
            found = each.first if thawed is not None and thawed >= first else found
    return found


def _settled(
    local: datetime, schedule: ScheduleSpec, workdays: Workdays, freezes: Sequence[Freeze]
) -> Occurrence:
    due = local.astimezone(UTC)
    day, reasons = workdays.shifted(local.date(), schedule.day_off), []
    if day is None or day != local.date():
        reasons.append(str(workdays.off(local.date())))
    day = _thawed(day, schedule, workdays, freezes, reasons)
    if day is None:
        return Occurrence(due=due, at=None, why=", then ".join(reasons))
    at = due if day == local.date() else moment_of(day, local.time(), schedule.zone)
    return Occurrence(due=due, at=at, why=", then ".join(reasons))


def _thawed(
    day: date | None,
    schedule: ScheduleSpec,
    workdays: Workdays,
    freezes: Sequence[Freeze],
    reasons: list[str],
) -> date | None:
    """The day past all freezes, None where one of them leaves the run out; adds the reasons."""
    for _ in range(_HOPS):
        held = None if day is None else freeze_of(freezes, schedule.flow, day)
        if held is None:
            return day
        reasons.append(held.words)
        if held.then == "skip":
            return None
        day = workdays.next(held.last + _DAY)
    reasons.append("no end of it")
    return None

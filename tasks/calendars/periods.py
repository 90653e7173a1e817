"""Business days of months, quarters and years: the times of a ``business_day``."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tasks.calendars.moments import local_of
from tasks.calendars.workdays import Workdays
from tasks.schedules import BusinessDaySpec

_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}


def business_days(
    declared: BusinessDaySpec, zone: ZoneInfo, workdays: Workdays, first: date, last: date
) -> Iterator[datetime]:
    """The local times of a business day in every period that touches a stretch of days.

    A period with too few business days has none.
    """
    for days in _periods(_MONTHS[declared.of], first, last):
        day = workdays.nth(days, declared.nth)
        if day is not None and first <= day <= last:
            yield local_of(day, declared.at, zone)


def _periods(months: int, first: date, last: date) -> Iterator[list[date]]:
    begin = date(first.year, (first.month - 1) // months * months + 1, 1)
    while begin <= last:
        end = date(begin.year + (begin.month + months > 12), (begin.month + months - 1) % 12 + 1, 1)  # noqa: PLR2004 - months of a year
        yield [begin + timedelta(days=each) for each in range((end - begin).days)]
        begin = end

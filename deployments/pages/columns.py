"""The columns that all pictures of a page share: one for each window, oldest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tasks.windows import EVERYTHING, end_day, first_day, grain_of, window_at

MOST: Final = 60
"""Columns of a page at most: five years of months, two months of days."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One window, or one look at a table that has a single one.

    Attributes:
        name: of the window.
        start: its first moment.
        end: the first moment after it.
        label: what stands below it.
        above: what stands below that where it changes: the year, the month.
    """

    name: str
    start: datetime
    end: datetime
    label: str
    above: str


def columns_of(looks: Iterable[tuple[str, datetime]], timezone: str) -> tuple[Column, ...]:
    """The newest windows of those that were judged, and those between them that were not.

    Args:
        looks: window and time of each judgement, oldest first.
        timezone: in which the windows' days begin.
    """
    judged = list(looks)
    if any(name == EVERYTHING for name, _ in judged):
        return _of_looks([at for name, at in judged if name == EVERYTHING])
    names = sorted({name for name, _ in judged}, key=lambda name: (first_day(name), end_day(name)))
    return tuple(_of_window(name, ZoneInfo(timezone)) for name in _filled(names[-MOST:])[-MOST:])


def _filled(names: list[str]) -> list[str]:
    """The windows and the gaps between them, in windows of the same length."""
    found: list[str] = []
    for name in names:
        grain = grain_of(name)
        while found and grain_of(found[-1]) == grain and end_day(found[-1]) < first_day(name):
            found.append(window_at(end_day(found[-1]), grain))
        found.append(name)
    return found


def _of_window(name: str, zone: ZoneInfo) -> Column:
    first, last = first_day(name), end_day(name)
    label, above = {
        "year": (f"{first.year}", ""),
        "month": (_MONTHS[first.month - 1], f"{first.year}"),
        "day": (f"{first.day}", f"{_MONTHS[first.month - 1]} {first.year}"),
    }[grain_of(name)]
    midnight = time()
    return Column(
        name=name,
        start=datetime.combine(first, midnight, zone),
        end=datetime.combine(last, midnight, zone),
        label=label,
        above=above,
    )


def _of_looks(times: list[datetime]) -> tuple[Column, ...]:
    """A table without time has one window: each look at it is a column."""
    newest = sorted(set(times))[-MOST:]
    ends = [*newest[1:], *(at + timedelta(days=1) for at in newest[-1:])]
    return tuple(
        Column(
            name=f"{at:%Y-%m-%d %H:%M}",
            start=at,
            end=end,
            label=f"{at.day}",
            above=f"{_MONTHS[at.month - 1]} {at.year}",
        )
        for at, end in zip(newest, ends, strict=True)
    )

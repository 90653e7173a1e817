"""Lengths of time in the words of people."""

from datetime import timedelta
from typing import Final

_UNITS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_FROM: Final = {"day": 48 * 3600, "hour": 2 * 3600, "minute": 60, "second": 0}
"""From how many seconds on people count in a unit: 36 hours say more than two days."""


def spoken(length: timedelta) -> str:
    """About how long, as people say it: a whole number of one unit.

    >>> spoken(timedelta(days=2.96)), spoken(timedelta(hours=36)), spoken(timedelta(minutes=1.38))
    ('3 days', '36 hours', '1 minute')
    """
    seconds = length.total_seconds()
    for unit, size in _UNITS:
        if round(seconds) >= _FROM[unit]:
            return _counted(round(seconds / size), unit)
    return f"-{spoken(-length)}"


def exactly(length: timedelta) -> str:
    """How long to the second, in as many units as it takes: for what somebody has declared.

    >>> exactly(timedelta(hours=36)), exactly(timedelta(seconds=90)), exactly(timedelta(0))
    ('1 day 12 hours', '1 minute 30 seconds', '0 seconds')
    """
    left, parts = round(length.total_seconds()), []
    for unit, size in _UNITS[:-1]:
        count, left = divmod(left, size)
        if count:
            parts.append(_counted(count, unit))
    if left or not parts:
        parts.append(_counted(left, "second"))
    return " ".join(parts)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"

"""Windows of time: what one batch of a feed covers."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from infra.errors import ConfigError

EVERYTHING: Final = "all"
"""The one window of a table whose rows carry no time: each delivery replaces it."""

_SHAPES: Final = {
    "year": re.compile(r"\d{4}"),
    "month": re.compile(r"\d{4}-\d{2}"),
    "day": re.compile(r"\d{4}-\d{2}-\d{2}"),
}


def grain_of(window: str) -> str:
    """Which length a window has: ``year``, ``month``, ``day`` or ``all``.

    >>> grain_of("2013-07")
    'month'

    Raises:
        ConfigError: it is no window.
    """
    if window == EVERYTHING:
        return EVERYTHING
    for grain, shape in _SHAPES.items():
        if shape.fullmatch(window):
            return grain
    raise ConfigError(
        f"{window!r} is no window.",
        hint="Write a year, a month or a day: 2013, 2013-07, 2013-07-10.",
    )


def first_day(window: str) -> date:
    """The first local day of a window.

    Raises:
        ConfigError: it is no window, or no such day exists.
    """
    if grain_of(window) == EVERYTHING:
        return date.min
    year, month, day = ([int(part) for part in window.split("-")] + [1, 1])[:3]
    try:
        return date(year, month, day)
    except ValueError as error:
        raise ConfigError(f"There is no day {window!r}: {error}.") from error


def end_day(window: str) -> date:
    """The first local day after a window.

    >>> end_day("2013-12")
    datetime.date(2014, 1, 1)
    """
    start, grain = first_day(window), grain_of(window)
    if grain == EVERYTHING:
        return date.max
    if grain == "day":
        return start + timedelta(days=1)
    if grain == "month":
        return (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    return start.replace(year=start.year + 1)


def window_at(day: date, grain: str) -> str:
    """The window of a grain that holds a day.

    >>> window_at(date(2013, 7, 10), "month")
    '2013-07'
    """
    if grain == EVERYTHING:
        return EVERYTHING
    return day.isoformat()[: {"year": 4, "month": 7, "day": 10}[grain]]


def window_before(day: date, grain: str) -> str:
    """The newest window of a grain that was over when the day began.

    >>> window_before(date(2013, 5, 1), "month")
    '2013-04'
    """
    if grain == EVERYTHING:
        return EVERYTHING
    return window_at(first_day(window_at(day, grain)) - timedelta(days=1), grain)


def latest_window(as_of: datetime, grain: str, timezone: str) -> str:
    """The newest window that was over at a time, by the calendar of a time zone.

    >>> from datetime import UTC
    >>> latest_window(datetime(2013, 5, 1, 3, tzinfo=UTC), "month", "America/New_York")
    '2013-03'
    """
    return window_before(as_of.astimezone(ZoneInfo(timezone)).date(), grain)


def ends_at(window: str, timezone: str) -> datetime | None:
    """When a window is over, by the calendar of a time zone; None for rows without time.

    >>> ends_at("2013-12", "America/New_York").isoformat()
    '2014-01-01T05:00:00+00:00'
    """
    if window == EVERYTHING:
        return None
    return midnight(end_day(window), timezone)


def require_grain(window: str, grain: str) -> None:
    """Nothing, where a window is as long as those of a feed.

    Raises:
        ConfigError: it is not.
    """
    if grain_of(window) != grain:
        raise ConfigError(
            f"{window} is no window of this feed, whose grain is {grain}.",
            hint="Write a year, a month or a day, as its grain says: 2013, 2013-07, 2013-07-10.",
        )


def require_begun(window: str, as_of: datetime, timezone: str) -> None:
    """Nothing, where a window has begun by a time.

    Raises:
        ConfigError: it lies in the future.
    """
    if window != EVERYTHING and as_of < (start := midnight(first_day(window), timezone)):
        raise ConfigError(
            f"{window} has not begun as of {as_of:%Y-%m-%d %H:%M %Z}: it does on "
            f"{start:%Y-%m-%d %H:%M %Z}.",
            hint="Name a window that is over, or one that goes on.",
        )


def midnight(day: date, timezone: str) -> datetime:
    """When a day begins, by the calendar of a time zone.

    >>> midnight(date(2013, 7, 1), "America/New_York").isoformat()
    '2013-07-01T04:00:00+00:00'
    """
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def overlap(one: str, other: str) -> bool:
    """Whether two windows share a day.

    >>> overlap("2013-07", "2013-07-10")
    True
    """
    return first_day(one) < end_day(other) and first_day(other) < end_day(one)


def _checked(window: str) -> str:
    try:
        first_day(window)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return window


WindowName = Annotated[str, AfterValidator(_checked)]
"""A window as people write it: ``2013``, ``2013-07``, ``2013-07-10`` or ``all``."""

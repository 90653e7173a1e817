"""From a local day and time to the one moment that is meant, where clocks are changed too."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def moment_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The moment of a local time, in UTC.

    A time that the clock skips is read by the offset before the gap, one that it shows twice is
    the first of the two: each local time is exactly one moment, so that nothing starts twice.

    >>> moment_of(date(2007, 3, 11), time(2, 30), ZoneInfo("America/New_York")).isoformat()
    '2007-03-11T07:30:00+00:00'

    Source:
        RFC 5545, section 3.3.5: what is skipped takes the offset before the gap, what is
        repeated is its first occurrence. ``fold=0`` of PEP 495 is both.
    """
    return local_of(day, at, zone).astimezone(UTC)


def local_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time as it was meant, in its zone: also one that the clock skips."""
    return datetime.combine(day, at.replace(tzinfo=None, fold=0), tzinfo=zone)

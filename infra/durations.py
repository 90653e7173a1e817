"""Lengths of time in the words of people."""

from datetime import timedelta
from typing import Final

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


def spoken(length: timedelta) -> str:
    """A length in its largest unit, to three digits.

    >>> spoken(timedelta(hours=7)), spoken(timedelta(seconds=90)), spoken(timedelta(seconds=5))
    ('7 h', '1.5 min', '5 s')
    """
    seconds = length.total_seconds()
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"

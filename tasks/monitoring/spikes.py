"""Values that broke: one single value that took the place of many, names that are spelt otherwise.

A sensor that stands still for half of a month, or says -999, moves its feature as far as any drift
does. What tells it from the world is that so many rows have one and the same value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.monitoring.sketches.categories import Names
from tasks.monitoring.sketches.columns import CategoryColumn, Column, NumberColumn
from tasks.monitoring.sketches.grid import Array
from tasks.monitoring.sketches.numeric import Numbers

_CANDIDATES: Final = 5
"""Most frequent values of a window that are looked at: a usual one may be before a broken one."""

_HALF: Final = 0.5
_SURE: Final = 5.0
"""Standard errors that chance exceeds once in three million columns."""

_FEWEST: Final = 30
"""Rows that have it: of fewer an even share of a window of hardly any is beyond the limit."""

_MEASURED: Final = 30
"""Distinct numbers from which on a column is taken for measured, and no longer for a code."""

_FAR: Final = 10
"""Ranges of all values beyond which one is none of them, but stands for a missing one."""

_NEARLY_ALL: Final = 0.9


@dataclass(frozen=True)
class Spike:
    """A single value that more rows have than chance explains.

    Attributes:
        name: of the column.
        value: that they have.
        share: of the known values.
        before: likewise, of the reference; at most, where its sketch does not know exactly.
        of_rows: share of the rows, those without a value among them.
    """

    name: str
    value: float
    share: float
    before: float
    of_rows: float = 1.0

    @property
    def rise(self) -> float:
        """By how much of the rows it became more frequent, and not because others are missing."""
        return min(self.share - self.before, self.of_rows)


@dataclass(frozen=True)
class Far:
    """Values of a feature that lie where no world takes them.

    Attributes:
        name: of the feature.
        share: of the rows.
        example: the most frequent of them.
    """

    name: str
    share: float
    example: float


@dataclass(frozen=True)
class Renaming:
    """Names of a window that the reference has not, by their spelling alone.

    Attributes:
        name: of the column.
        share: of the rows with a name.
        pairs: those that are known names written otherwise, each with the one that is meant.
    """

    name: str
    share: float
    pairs: tuple[str, ...]


def spike(name: str, column: Column, values: Array) -> Spike | None:
    """The single value that rose most, of those that may not; None where chance explains it.

    A number that is a code, such as a flag or a month, becomes more frequent as the world goes,
    and so does what half of the rows had before, such as no rain. Of a code only a value far
    beyond all others counts.

    Args:
        name: of the column.
        column: of the reference.
        values: of a window, or of a sample of its rows, shape (n_rows,); NaN is a missing one.
    """
    if not isinstance(column, NumberColumn) or not column.reference.known:
        return None
    known = values[~np.isnan(values)]
    held, times = np.unique(known, return_counts=True)
    found = [
        Spike(name, value, rows / len(known), _share(column, value), rows / len(values))
        for value, rows in _most_frequent(held, times)
        if rows >= _FEWEST
    ]
    risen = [
        each
        for each in found
        if _may_not_rise(column, each)
        and _sure(column, each, len(known) if _is_far(column, each) else len(held))
    ]
    return max(risen, key=lambda each: each.rise, default=None)


def far(name: str, column: Column, values: Array) -> Far | None:
    """Values beyond all that was learned by many times its range; None for hardly any.

    They stand for a missing one, or are in a unit of their own.

    Args:
        name: of the column.
        column: of the reference.
        values: of a window, or of a sample of its rows, shape (n_rows,); NaN is a missing one.
    """
    if not isinstance(column, NumberColumn) or not column.reference.known:
        return None
    infinite = int(column.reference.counts[0] + column.reference.counts[-1])
    known = values[np.isfinite(values) if infinite else ~np.isnan(values)]
    found = known[_beyond(column, known)]
    if len(found) < _FEWEST:
        return None
    held, times = np.unique(found, return_counts=True)
    return Far(name, len(found) / len(values), float(held[times.argmax()]))


def renaming(name: str, column: Column, current: Names | Numbers) -> Renaming | None:
    """Names that are known ones written otherwise, or nearly all new at once; None for neither.

    Args:
        name: of the column.
        column: of the reference.
        current: the sketch of a window.
    """
    if not (isinstance(column, CategoryColumn) and isinstance(current, Names)):
        return None
    before = {each for each, rows in column.reference.counts.items() if rows}
    if column.reference.rest or len(before) < 2 or not current.known:  # noqa: PLR2004 - else a code
        return None
    meant = {_plain(each): each for each in before}
    new = {each: rows for each, rows in current.counts.items() if rows and each not in before}
    known = {each: rows for each, rows in new.items() if _plain(each) in meant}
    pairs = tuple(f"{each!r} for {meant[_plain(each)]!r}" for each in known)
    share = (sum(new.values()) + current.rest) / current.known
    if share >= _NEARLY_ALL:
        return Renaming(name, share, pairs)
    return Renaming(name, sum(known.values()) / current.known, pairs) if known else None


def _plain(name: str) -> str:
    """A name without what a change of system does to it: case, spaces, digits that became text."""
    return name.strip().casefold().removesuffix(".0")


def _most_frequent(held: Array, times: npt.NDArray[np.intp]) -> Iterator[tuple[float, int]]:
    for place in np.argsort(-times, kind="stable")[:_CANDIDATES]:
        yield float(held[place]), int(times[place])


def _share(column: NumberColumn, value: float) -> float:
    """The share of the reference that has a value: of the bin in which it lies, thus at most."""
    reference = column.reference
    place = int(np.searchsorted(column.grid.edges, value, side="right"))
    within = 0 < place < len(reference.counts) - 1
    if within and not reference.least[place - 1] <= value <= reference.most[place - 1]:
        return 0.0
    return int(reference.counts[place]) / reference.known


def _may_not_rise(column: NumberColumn, found: Spike) -> bool:
    if column.reference.distinct >= _MEASURED:
        return found.before <= _HALF
    return _is_far(column, found)


def _is_far(column: NumberColumn, found: Spike) -> bool:
    return bool(_beyond(column, np.array([found.value]))[0])


def _beyond(column: NumberColumn, values: Array) -> npt.NDArray[np.bool_]:
    """Which values lie far beyond all of the reference, shape (n_values,)."""
    least, most = float(column.reference.least.min()), float(column.reference.most.max())
    if not most > least:
        return np.zeros(len(values), dtype=bool)
    return np.maximum(least - values, values - most) > _FAR * (most - least)


def _sure(column: NumberColumn, found: Spike, independent: int) -> bool:
    """Whether it rose by more than chance makes of so many rows, each with a value of its own.

    Rows that share a report of the weather are as many as there are reports: of a day hardly a
    hundred, whatever flies. So no more are taken to be independent than there are distinct values,
    but for a value that no world has.
    """
    then = found.before * (1 - found.before) / column.reference.known
    now = found.share * (1 - found.share) / independent
    return bool(found.rise > _SURE * np.sqrt(then + now))

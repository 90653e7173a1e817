"""How many distinct values there are, told from the smallest of their hashes.

The smallest hashes of two samples are among those of each. So what is kept of them adds up to
what would have been kept of both, in any order, to the last bit.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT: Final = 1024
"""Hashes that are kept: up to so many distinct values are counted, of more the error is 3 %."""

_SPACE: Final = 2.0**64

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Distinct:
    """The smallest hashes of some values; the sum of two is that of the values of both.

    Attributes:
        hashes: ascending, each once, shape (n_hashes,), at most `KEPT`.
    """

    hashes: Hashes

    def __add__(self, other: "Distinct") -> "Distinct":
        """What is kept of the values of both."""
        return Distinct(np.unique(np.concatenate([self.hashes, other.hashes]))[:KEPT])

    @property
    def count(self) -> float:
        """Distinct values: exact below `KEPT`, else with a standard error of 1/sqrt(KEPT - 2).

        Source:
            Beyer et al., On Synopses for Distinct-Value Estimation Under Multiset Operations
            (2007): the unbiased estimator of the smallest hashes.
        """
        if len(self.hashes) < KEPT:
            return float(len(self.hashes))
        return (KEPT - 1) * _SPACE / float(self.hashes[-1])


NOTHING: Final = Distinct(np.zeros(0, dtype=np.uint64))
"""Of no value, and of a profile that was stored before this was kept."""


def between(before: float, rows_before: int, rows: int) -> tuple[float, float]:
    """Fewest and most distinct values to be expected of rows if nothing changed.

    More rows have more of them, but never more than in proportion: what parts of the rows have adds
    up to no less than what the whole has. So it is, however rows that are alike lie together.

    Args:
        before: distinct values of the reference.
        rows_before: rows that have them, at least one.
        rows: how many rows are asked about.
    """
    share = rows / rows_before
    return before * min(share, 1.0), before * max(share, 1.0)


def distinct_numbers(ordered: npt.NDArray[np.float64]) -> Distinct:
    """What is kept of sorted numbers, shape (n_rows,), none of them NaN."""
    if not len(ordered):
        return NOTHING
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return _smallest(ordered[first] + 0.0)  # -0.0 equals 0.0, and must have its hash


def distinct_names(names: "Sequence[str]") -> Distinct:
    """What is kept of names, each given once."""
    return _smallest(np.array(names, dtype=object))


def hashes_of(names: "Sequence[str]") -> Hashes:
    """A hash of each name, the same wherever it is met, shape (n_names,)."""
    return _hashes(np.array(names, dtype=object))


def _hashes(values: npt.NDArray[Any]) -> Hashes:
    from pandas.util import hash_array

    return hash_array(values, categorize=False)


def _smallest(values: npt.NDArray[Any]) -> Distinct:
    hashes = _hashes(values)
    if len(hashes) > KEPT:
        hashes = np.partition(hashes, KEPT - 1)[:KEPT]
    return Distinct(np.unique(hashes))

"""Numbers counted on a grid: one sort of a batch, and what lies between the edges."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tasks.monitoring.sketches.cardinality import Distinct, distinct_numbers
from tasks.monitoring.sketches.grid import Array, NumberGrid

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Numbers:
    """A sketch of some values; the sum of two is that of the values of both.

    Attributes:
        counts: of minus infinity, of each bin, and of infinity, shape (n_edges + 1,).
        sums: of the distances to the grid's center in each bin, shape (n_edges - 1,).
        least: smallest value of each bin, infinity where it is empty, shape (n_edges - 1,).
        most: largest value likewise, minus infinity where it is empty.
        square: sum of the squares of the distances to the center.
        missing: how many values were none.
        hashes: the smallest of the known values.
    """

    counts: Counts
    sums: Array
    least: Array
    most: Array
    square: float
    missing: int
    hashes: Distinct

    def __add__(self, other: "Numbers") -> "Numbers":
        """The sketch of the values of both."""
        return Numbers(
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            least=np.minimum(self.least, other.least),
            most=np.maximum(self.most, other.most),
            square=self.square + other.square,
            missing=self.missing + other.missing,
            hashes=self.hashes + other.hashes,
        )

    @cached_property
    def known(self) -> int:
        """How many values there are, infinite ones among them."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """How many values were counted, those that are missing among them."""
        return self.known + self.missing

    @cached_property
    def finite(self) -> int:
        """How many values are finite."""
        return int(self.counts[1:-1].sum())

    @cached_property
    def below(self) -> Array:
        """Share of the known values below each edge, shape (n_edges,)."""
        found: Array = np.cumsum(self.counts)[:-1] / max(self.known, 1)
        return found

    @property
    def distinct(self) -> float:
        """How many distinct values there are, infinite ones among them."""
        return self.hashes.count

    @property
    def deviation(self) -> float:
        """Standard deviation of the finite values; 0 for none."""
        rows = max(self.finite, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sqrt(max(self.square / rows - (self.sums.sum() / rows) ** 2, 0.0)))


def tally_numbers(grid: NumberGrid, values: Array) -> Numbers:
    """The sketch of some values, shape (n_rows,); NaN is a missing value.

    Values are sorted, because that is what costs least: 5 ns a value, of which no search for the
    bin of each would take less than ten times as much.
    """
    ordered = np.sort(values)  # NaN comes last
    places = np.searchsorted(ordered, grid.edges)
    known = int(np.searchsorted(ordered, np.nan))
    counts = np.diff(places, prepend=0, append=known)
    filled = counts[1:-1] > 0
    starts, ends = places[:-1][filled], places[1:][filled]
    sums, least, most = (np.full(len(filled), empty) for empty in (0.0, np.inf, -np.inf))
    least[filled], most[filled] = ordered[starts], ordered[ends - 1]
    square = 0.0
    if len(starts):
        with np.errstate(over="ignore", invalid="ignore"):  # the ends of what a float holds
            distances = ordered[places[0] : places[-1]] - grid.center
            sums[filled] = np.add.reduceat(distances, starts - places[0])
            # The product of two vectors would be left to threads, which add in any order.
            square = float(np.einsum("i,i->", distances, distances))
    hashes = distinct_numbers(ordered[:known])
    return Numbers(counts, sums, least, most, square, len(values) - known, hashes)


def no_numbers(grid: NumberGrid) -> Numbers:
    """The sketch of no value."""
    return tally_numbers(grid, np.zeros(0))

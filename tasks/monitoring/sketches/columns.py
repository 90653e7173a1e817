"""One column of a profile: where it is counted, and how far others lie from the reference."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tasks.monitoring.sketches import distances
from tasks.monitoring.sketches.categories import Names, tally_names
from tasks.monitoring.sketches.chance import chance_of_psi
from tasks.monitoring.sketches.grid import NumberGrid
from tasks.monitoring.sketches.numeric import Numbers, no_numbers, tally_numbers
from tasks.monitoring.sketches.survey import numbers_of

if TYPE_CHECKING:
    import pyarrow as pa

_ERROR = 0.05

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Distances:
    """How far a column moved; KS and Wasserstein are of numbers alone, and of known ones.

    `chance` is the PSI that chance alone exceeds with the probability that was asked for.
    """

    psi: float
    jensen_shannon: float
    ks: float | None = None
    wasserstein: float | None = None
    chance: float = 0.0


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: where they are counted, and the reference's counts."""

    grid: NumberGrid
    reference: Numbers

    def tally(self, column: "pa.Array") -> tuple[Numbers, Mask]:
        """The sketch of a column of a batch, and which rows lie beyond the reference."""
        values = numbers_of(column)
        outside = (values < self.grid.low) | (values > self.grid.high)
        return tally_numbers(self.grid, values), outside

    def nothing(self) -> Numbers:
        """The sketch of no row."""
        return no_numbers(self.grid)

    def distances(self, current: Numbers, error: float = _ERROR) -> Distances:
        """How far a sketch lies from the reference.

        Raises:
            DataError: one of them has no rows.
        """
        before, after = (
            distances.number_shares(self.grid, each) for each in (self.reference, current)
        )
        compared = self.reference.known and current.known
        finite = self.reference.finite and current.finite
        return Distances(
            psi=distances.psi(before, after),
            jensen_shannon=distances.jensen_shannon(before, after),
            ks=distances.ks(self.reference, current) if compared else None,
            wasserstein=(
                distances.wasserstein(self.grid, self.reference, current) if finite else None
            ),
            chance=chance_of_psi(
                distances.number_counts(self.grid, self.reference), current.rows, error
            ),
        )


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, with the reference's counts."""

    reference: Names

    def tally(self, column: "pa.Array") -> tuple[Names, Mask]:
        """The sketch of a column of a batch, and which rows have a name that is new.

        Where the reference had more names than are kept, none is known to be new, and all that
        are not kept are counted together.
        """
        found, names, places = tally_names(column)
        known = self.reference.counts
        if self.reference.rest:
            kept = {name: rows for name, rows in found.counts.items() if name in known}
            rest = found.rest + sum(found.counts.values()) - sum(kept.values())
            sketch = replace(found, counts=kept, rest=rest)
            return sketch, np.zeros(len(column), dtype=bool)
        new = np.array([*(name not in known for name in names.to_pylist()), False], dtype=bool)
        return found, new[places]

    def nothing(self) -> Names:
        """The sketch of no row."""
        return Names({})

    def distances(self, current: Names, error: float = _ERROR) -> Distances:
        """How far a sketch lies from the reference; a new category is a bin of its own.

        Raises:
            DataError: one of them has no rows.
        """
        before, after = distances.name_shares(self.reference, current)
        counts = distances.name_counts(self.reference)
        rows = min(self.reference.rows, current.rows)
        floors, known = (distances.name_floors(len(each) - 2, rows) for each in (before, counts))
        return Distances(
            psi=distances.psi(before, after, floors),
            jensen_shannon=distances.jensen_shannon(before, after),
            chance=chance_of_psi(counts, current.rows, error, known),
        )


Column = NumberColumn | CategoryColumn

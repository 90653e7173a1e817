"""Categories counted by name, up to a number of names that memory is sure to hold."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tasks.monitoring.sketches.cardinality import NOTHING, Distinct, distinct_names, hashes_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NAMES: Final = 10_000
"""Names that are counted one by one; the rows of the rarest beyond it are counted together."""


@dataclass(frozen=True)
class Names:
    """A sketch of some categories; the sum of two is that of the rows of both.

    Attributes:
        counts: rows of each name.
        missing: rows without one.
        rest: rows of names beyond the bound.
        hashes: the smallest of all names, those beyond the bound among them.
    """

    counts: Mapping[str, int]
    missing: int = 0
    rest: int = 0
    hashes: Distinct = field(default=NOTHING, compare=False)

    def __add__(self, other: "Names") -> "Names":
        """The sketch of the rows of both."""
        counts = dict(self.counts)
        for name, rows in other.counts.items():
            counts[name] = counts.get(name, 0) + rows
        return Names(
            counts,
            self.missing + other.missing,
            self.rest + other.rest,
            self.hashes + other.hashes,
        )

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return sum(self.counts.values()) + self.missing + self.rest

    @property
    def known(self) -> int:
        """Rows with a name."""
        return self.rows - self.missing

    @property
    def distinct(self) -> float:
        """How many names there are: exact while all of them are counted."""
        return self.hashes.count if self.rest else float(sum(map(bool, self.counts.values())))

    @property
    def unseen(self) -> float:
        """Share of further rows whose name will be one that these have not: 0 to 1.

        Source:
            Good, The Population Frequencies of Species (1953): the share of names seen once.
        """
        if self.rest:  # none is called new
            return 0.0
        return sum(rows == 1 for rows in self.counts.values()) / max(self.rows, 1)

    def bounded(self) -> "Names":
        """The same with the most frequent names."""
        if len(self.counts) <= MOST_NAMES:
            return self
        return self._without(
            sorted(self.counts, key=lambda name: (-self.counts[name], name))[MOST_NAMES:]
        )

    def sampled(self, known: Collection[str]) -> "Names":
        """The same with the names that are known, and of the others those of the smallest hashes.

        Which they are depends on the names alone: so parts that are added in any order keep the
        same ones, and of each that is kept every row was counted.
        """
        others = [name for name in self.counts if name not in known]
        if len(others) <= MOST_NAMES:
            return self
        largest = np.argsort(hashes_of(others), kind="stable")[MOST_NAMES:]
        return self._without([others[place] for place in largest])

    def _without(self, gone: Iterable[str]) -> "Names":
        """The same with some names counted together."""
        counts = dict(self.counts)
        rest = self.rest + sum(counts.pop(name) for name in gone)
        return replace(self, counts=counts, rest=rest)


def tally_names(column: "pa.Array") -> tuple[Names, "pa.Array", npt.NDArray[np.int64]]:
    """The sketch of a column of a batch, its distinct names, and for each row the place of its own.

    A row without a name has the place after the last.
    """
    import pyarrow as pa

    texts = column if pa.types.is_dictionary(column.type) else column.cast(pa.string())
    coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    names = coded.dictionary.cast(pa.string())
    places = coded.indices.fill_null(len(names)).to_numpy().astype(np.int64, copy=False)
    counts = np.bincount(places, minlength=len(names) + 1)
    found = dict(zip(names.to_pylist(), counts[:-1].tolist(), strict=True))
    held = {name: rows for name, rows in found.items() if rows}
    sketch = Names(held, missing=int(counts[-1]), hashes=distinct_names(list(held)))
    return sketch, names, places

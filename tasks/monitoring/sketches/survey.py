"""A first look at rows that come in batches: a sample of them, their ends and their names.

It takes as much memory for a hundred million rows as for one, and the same rows in the same
batches give the same survey.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tasks.monitoring.sketches.categories import Names, tally_names
from tasks.monitoring.sketches.grid import ENDS, Array, Known

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLED: Final = 131_072
"""Values of a sample: 42 for each fine bin of the grid, so that none holds twice its share."""


class RowSample:
    """At most so many of all rows that were added, each as likely as any other, in their order.

    A row's chance is drawn as it comes, and the rows with the smallest are kept: which they are
    depends on the seed and on the order of the rows, not on how they were parted into batches.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self._limit = limit
        self._draws = np.random.default_rng(seed)
        self._most = 1.0
        self._batches: list[pa.RecordBatch] = []
        self._chances: list[Array] = []
        self._held = 0
        self.rows = 0

    @property
    def whole(self) -> bool:
        """Whether it holds every row that was added."""
        return self.rows <= self._limit

    def add(self, batch: "pa.RecordBatch") -> None:
        """Draw for the rows of a batch."""
        import pyarrow as pa

        chances = self._draws.random(len(batch))
        chosen = chances < self._most
        self._batches.append(batch.filter(pa.array(chosen)))
        self._chances.append(chances[chosen])
        self._held += len(self._chances[-1])
        self.rows += len(batch)
        if self._held > 2 * self._limit:
            self._thin()

    def table(self) -> "pa.Table":
        """The rows of the sample.

        Raises:
            IndexError: no batch was ever added, so that nobody knows the columns.
        """
        import pyarrow as pa

        self._thin()
        return pa.Table.from_batches(self._batches)

    def _thin(self) -> None:
        import pyarrow as pa

        if self._held > self._limit:
            chances = np.concatenate(self._chances)
            self._most = float(np.partition(chances, self._limit)[self._limit])
            kept = chances < self._most
            table = pa.Table.from_batches(self._batches).filter(pa.array(kept)).combine_chunks()
            self._batches, self._chances = table.to_batches(), [chances[kept]]
            self._held = len(self._chances[0])


class NumberSurvey:
    """Of a column of numbers a sample of the finite ones, and the smallest and the largest."""

    def __init__(self, seed: int) -> None:
        self._sample = RowSample(SAMPLED, seed)
        self._lowest = self._highest = np.zeros(0)

    def add(self, values: Array) -> None:
        """Look at the values of a batch, shape (n_rows,)."""
        import pyarrow as pa

        finite = values[np.isfinite(values)]
        self._sample.add(pa.record_batch([pa.array(finite)], ["values"]))
        full = len(self._lowest) >= ENDS
        small = finite[finite <= self._lowest[-1]] if full else finite
        large = finite[finite >= self._highest[0]] if full else finite
        self._lowest = _ends(np.concatenate([self._lowest, small]), ENDS)
        self._highest = -_ends(-np.concatenate([self._highest, large]), ENDS)[::-1]

    def known(self) -> Known:
        """What was kept."""
        sample = self._sample.table().column("values").to_numpy()
        return Known(sample, self._sample.rows, self._lowest, self._highest)


class Survey:
    """What is kept of all rows: enough to choose where they are counted."""

    def __init__(self, numeric: Collection[str], categorical: Collection[str], seed: int) -> None:
        self.sample = RowSample(SAMPLED, seed)
        self.numbers = {name: NumberSurvey(seed + 1) for name in numeric}
        self.names = {name: Names({}) for name in categorical}

    def add(self, batch: "pa.RecordBatch") -> None:
        """Look at a batch of rows that holds every column."""
        self.sample.add(batch)
        for name, numbers in self.numbers.items():
            numbers.add(numbers_of(batch.column(name)))
        for name, held in self.names.items():
            self.names[name] = (held + tally_names(batch.column(name))[0]).bounded()


def numbers_of(column: Any) -> Array:  # noqa: ANN401 - pyarrow is untyped
    """A column of a batch as floats; NaN where it holds nothing.

    Raises:
        pyarrow.ArrowInvalid: it holds what is no number.
    """
    import pyarrow as pa

    floats = column if pa.types.is_float64(column.type) else column.cast(pa.float64())
    found: Array = floats.to_numpy(zero_copy_only=False)
    return found


def _ends(values: Array, most: int) -> Array:
    smallest = np.partition(values, most - 1)[:most] if len(values) > most else values
    return np.sort(smallest)

"""The profile of what a model learned from, and the sketch of a window that is held against it."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import DataError, few
from tasks.monitoring.sketches.categories import Names
from tasks.monitoring.sketches.columns import CategoryColumn, Column, Mask, NumberColumn
from tasks.monitoring.sketches.grid import number_grid
from tasks.monitoring.sketches.numeric import Numbers, no_numbers
from tasks.monitoring.sketches.survey import RowSample, Survey

if TYPE_CHECKING:
    import pyarrow as pa

TAILS = 0.02
"""Share of the reference that all numeric tails hold together, however many columns there are."""


@dataclass(frozen=True)
class Sketch:
    """Some rows, counted on a profile; the sum of two is the sketch of the rows of both.

    Attributes:
        rows: how many they are.
        beyond: rows of which any column lies beyond the reference.
        new: such rows by column.
        columns: sketch by column.
        profile: what they are counted on.
    """

    rows: int
    beyond: int
    new: Mapping[str, int]
    columns: Mapping[str, Numbers | Names]
    profile: "Profile" = field(repr=False, compare=False)

    def __add__(self, other: "Sketch") -> "Sketch":
        """The sketch of the rows of both.

        Raises:
            DataError: they are counted on profiles of different training rows.
        """
        if self.profile is not other.profile and self.profile.grid != other.profile.grid:
            raise DataError(
                "Two sketches are added that were counted on different profiles.",
                hint="Count both windows on the profile of one version.",
            )
        added = Sketch(
            rows=self.rows + other.rows,
            beyond=self.beyond + other.beyond,
            new={name: rows + other.new[name] for name, rows in self.new.items()},
            columns={
                name: each + other.columns[name]  # type: ignore[operator]  # of a kind
                for name, each in self.columns.items()
            },
            profile=self.profile,
        )
        return added.profile.bounded(added)


@dataclass(frozen=True)
class Profile:
    """What a model learned from: where each column is counted, and its counts."""

    rows: int
    columns: Mapping[str, Column]

    @cached_property
    def grid(self) -> str:
        """Digest of where each column is counted: what is counted alike can be added."""
        digest = hashlib.sha256()
        for name, column in self.columns.items():
            parts = (
                column.grid.edges.tobytes()
                if isinstance(column, NumberColumn)
                else "\0".join(sorted(column.reference.counts)).encode()
            )
            digest.update(len(parts).to_bytes(8, "big") + name.encode() + b"\0" + parts)
        return digest.hexdigest()

    def sketch(self, batches: "Iterable[pa.RecordBatch]") -> Sketch:
        """The rows of some batches, counted in one pass; each batch is forgotten after its turn.

        Raises:
            DataError: a batch lacks a column, or one of numbers holds what is none.
        """
        nothing = {name: column.nothing() for name, column in self.columns.items()}
        total = Sketch(0, 0, dict.fromkeys(self.columns, 0), nothing, self)
        for batch in batches:
            total += self._tally(batch)
        return total

    def bounded(self, total: Sketch) -> Sketch:
        """The same with as many names as memory is sure to hold."""
        columns = dict(total.columns)
        for name, column in self.columns.items():
            sketch = columns[name]
            if isinstance(column, CategoryColumn) and isinstance(sketch, Names):
                columns[name] = sketch.sampled(column.reference.counts)
        return replace(total, columns=columns)

    def _tally(self, batch: "pa.RecordBatch") -> Sketch:
        _require_columns(batch, self.columns)
        anywhere = np.zeros(len(batch), dtype=bool)
        columns: dict[str, Numbers | Names] = {}
        new: dict[str, int] = {}
        for name, column in self.columns.items():
            columns[name], outside = _told(name, column, batch.column(name))
            anywhere |= outside
            new[name] = int(np.count_nonzero(outside))
        return Sketch(len(batch), int(np.count_nonzero(anywhere)), new, columns, self)


def draw_profile(
    read: "Callable[[], Iterable[pa.RecordBatch]]",
    columns: Sequence[str],
    categorical: Collection[str],
    seed: int,
) -> tuple[Profile, RowSample]:
    """The profile of some rows, and a sample of them.

    The rows are read once to choose where they are counted, and once more to be counted; if the
    sample holds all of them it is counted instead.

    Args:
        read: gives the rows in batches, the same each time.
        columns: what is counted, in this order.
        categorical: those of them that hold categories; the others hold numbers.
        seed: of the sample.

    Raises:
        DataError: there are no rows, one lacks a column, or one of numbers holds what is none.
    """
    numeric = [name for name in columns if name not in set(categorical)]
    survey = Survey(numeric, [name for name in columns if name in set(categorical)], seed)
    for batch in read():
        _require_columns(batch, columns)
        survey.add(batch)
    if not survey.sample.rows:
        raise DataError("There is no row to make a profile of.", hint="Ingest more windows.")
    empty = _uncounted(survey)
    batches = survey.sample.table().to_batches() if survey.sample.whole else read()
    counted = Profile(0, empty).sketch(batches)
    drawn = {
        name: replace(empty[name], reference=counted.columns[name])  # type: ignore[arg-type]  # of a kind
        for name in columns
    }
    return Profile(counted.rows, drawn), survey.sample


def _uncounted(survey: Survey) -> dict[str, Column]:
    """Where each column is counted, as the survey chose it, with nothing counted yet."""
    tail = TAILS / 2 / max(len(survey.numbers), 1)
    found: dict[str, Column] = {}
    for name, numbers in survey.numbers.items():
        grid = number_grid(numbers.known(), tail)
        found[name] = NumberColumn(grid, no_numbers(grid))
    for name, held in survey.names.items():
        found[name] = CategoryColumn(Names(dict.fromkeys(held.counts, 0), rest=held.rest))
    return found


def _told(name: str, column: Column, values: "pa.Array") -> tuple[Numbers | Names, Mask]:
    import pyarrow as pa

    try:
        return column.tally(values)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{name} holds what is no number: {str(error)[:200]}.",
            hint="Keep a feature's kind until a champion that learned from the other is in charge.",
        ) from error


def _require_columns(batch: "pa.RecordBatch", columns: Iterable[str]) -> None:
    held = set(batch.schema.names)
    gone = [name for name in columns if name not in held]
    if gone:
        raise DataError(
            f"The rows lack {len(gone)} columns of the profile: {few(gone)}.",
            hint="Keep those features until a champion without them is in charge.",
        )

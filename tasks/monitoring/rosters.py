"""Entities that must have a prediction in every window, and those that have none."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from infra.errors import ConfigError, DataError
from infra.files import read_file
from tasks.frames import PREDICTION_TIME
from tasks.monitoring.feed import Bounds, Silence, longest_silence
from tasks.monitoring.learned import PREDICTION
from tasks.monitoring.sketches.columns import CategoryColumn
from tasks.monitoring.sketches.profiles import Profile
from tasks.monitoring.spec import RosterSpec

_MOST_BYTES: Final = 16 * 2**20


@dataclass(frozen=True)
class Absence:
    """The entities of a roster that have no prediction in a window.

    Attributes:
        column: that names an entity.
        names: those without a prediction, sorted.
        rows: of the window that are theirs all the same.
        roster: how many entities should have one.
        may_miss: how many of them may have none.
        usual: share of the rows that they had when the champion learned; None if nobody knows.
        silent: who has predictions and had none for longer than declared, and when; the longest
            first.
        gap: how long that may be; None where it is not declared.
        silent_share: of all rows that usually come, those that would have come meanwhile.
    """

    column: str
    names: tuple[str, ...]
    rows: int
    roster: int
    may_miss: int
    usual: float | None = None
    silent: tuple[tuple[str, Silence], ...] = ()
    gap: timedelta | None = None
    silent_share: float = 0.0

    @property
    def share(self) -> float:
        """Of the rows that should be there, those that are theirs; as of the entities, at least."""
        if self.usual is not None:
            return self.usual
        return len(self.names) / max(self.roster, 1)


def absences(
    frame: pd.DataFrame,
    rosters: Iterable[tuple[RosterSpec, frozenset[str]]],
    learned: Profile | None = None,
    within: Bounds | None = None,
) -> tuple[Absence, ...]:
    """Who of each roster has no prediction, or had none for long.

    Args:
        frame: predictions of a window's rows, with the columns that name entities.
        rosters: each with the names that it stands for.
        learned: features of the training rows, which tell how many rows an entity has.
        within: the ends of the window, as far as it has come.
    """
    found = []
    for spec, declared in rosters:
        codes, entities = pd.factorize(frame[spec.column])
        named = [_written(each) for each in entities]
        numeric = pd.api.types.is_numeric_dtype(frame[spec.column])
        names = frozenset(map(_as_number, declared)) if numeric else declared
        predicted = {
            named[code] for code in np.unique(codes[frame[PREDICTION].notna()]) if code >= 0
        }
        gone = tuple(sorted(names - predicted))
        rows = int(np.isin(codes, [named.index(each) for each in gone if each in named]).sum())
        usual = _usual(spec.column, gone, learned)
        absence = Absence(spec.column, gone, rows, len(names), spec.may_miss, usual)
        if spec.gap and within:
            known = frame[PREDICTION].notna().to_numpy() & (codes >= 0)
            owners = np.array(named, dtype=object)[codes[known]]
            times = frame.loc[known, PREDICTION_TIME].groupby(owners)
            here = {str(name): when for name, when in times if str(name) in names}
            absence = _with_silences(absence, spec.gap, here, within, learned)
        found.append(absence)
    return tuple(found)


def _with_silences(
    absence: Absence,
    gap: timedelta,
    times: "Mapping[str, pd.Series[Any]]",
    within: Bounds,
    learned: Profile | None,
) -> Absence:
    """The same, with who was silent for longer than a gap by the times of their predictions."""
    whole = (within.end - within.start).to_pytimedelta()
    longest = {name: longest_silence(each, within) for name, each in times.items()}
    found = {name: each for name, each in longest.items() if each and each.length > gap}
    share = 0.0
    for name, each in found.items():
        usual = _usual(absence.column, [name], learned)
        rows = 1 / absence.roster if usual is None else usual
        share += rows * min(each.length / whole, 1.0)
    order = sorted(found.items(), key=lambda item: (-item[1].length, item[0]))
    return replace(absence, silent=tuple(order), gap=gap, silent_share=share)


def rows_of(column: "pd.Series[Any]", declared: frozenset[str]) -> dict[str, int]:
    """How many rows each entity of a roster has, for those that have any.

    Args:
        column: that names the entity of each row.
        declared: names of the roster, as people write them.
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    names = frozenset(map(_as_number, declared)) if numeric else declared
    counted = {_written(entity): int(rows) for entity, rows in column.value_counts().items()}
    return {name: rows for name, rows in counted.items() if name in names}


def _written(entity: object) -> str:
    """An entity as people write it: a column with a missing value makes floats of whole numbers."""
    whole = isinstance(entity, float) and entity.is_integer()
    return str(int(entity)) if whole and isinstance(entity, float) else str(entity)


def _as_number(name: str) -> str:
    """A name of a roster as `_written` writes the number that it stands for."""
    try:
        return _written(float(name))
    except ValueError:
        return name


def _usual(column: str, names: Iterable[str], learned: Profile | None) -> float | None:
    """The share of the training rows that some entities have."""
    found = learned.columns.get(column) if learned else None
    if not isinstance(found, CategoryColumn) or not found.reference.known:
        return None
    counts = found.reference.counts
    return sum(counts.get(name, 0) for name in names) / found.reference.known


def names_of(
    spec: RosterSpec, folder: Path, learned: Profile | None, rows: float
) -> frozenset[str]:
    """The names that a roster stands for.

    Args:
        spec: as declared.
        folder: of the model, in which the file lies.
        learned: features of the training rows; None for a version without a profile.
        rows: that such a window usually has.

    Raises:
        ConfigError: there is no such file or column, or nothing says who belongs to it.
        DataError: the file cannot be read.
    """
    if spec.names:
        return frozenset(spec.names)
    if spec.file:
        return filed_names(spec, folder)
    if learned is None:
        return frozenset()
    column = learned.columns.get(spec.column)
    if not isinstance(column, CategoryColumn):
        raise ConfigError(
            f"monitoring.rosters: {spec.column} is no categorical feature, so that nothing says "
            "who belongs to it.",
            hint="Give the roster `names` or a `file`.",
        )
    counts, known = column.reference.counts, column.reference.rows
    return frozenset(n for n, count in counts.items() if count / known * rows >= spec.usual_rows)


def filed_names(spec: RosterSpec, folder: Path) -> frozenset[str]:
    """The names that a roster's file holds; none where it has no file.

    Args:
        spec: as declared.
        folder: of the model, in which the file lies.

    Raises:
        ConfigError: the file does not have the column.
        DataError: it is not there, or cannot be read.
    """
    if spec.file is None:
        return frozenset()
    path = folder / spec.file
    try:
        text = read_file(path, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8: byte {error.start} does not fit.",
            hint="Save the file as UTF-8.",
        ) from error
    lines = csv.DictReader(io.StringIO(text))
    if spec.column not in (lines.fieldnames or ()):
        raise ConfigError(
            f"{path.name} has no column {spec.column}.",
            hint="Its first line must name the column of the roster.",
        )
    return frozenset(line[spec.column] for line in lines if line[spec.column])

"""Faults of a feed: which raw columns they hit, and the features that such a feed makes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from deployments.proof.ground import Ground
from deployments.shadow.feed import Examined
from infra.errors import PerennialError
from tasks.data.spec import TableSpec
from tasks.features.partitions import Frames
from tasks.verification.shifts import emptied, in_unit, silenced, swapped
from tasks.verification.spec import ShiftKind
from tasks.windows import first_day

_NUMBERS: Final = ("int", "float")

_HALF: Final = 0.5
"""Share at which a builder is asked whether it makes each feature row of its own raw rows."""

_AT_THE_EDGE: Final = 0.05
"""Share of rows that may see broken rows and clean ones: their last hours lie across the edge."""

_LOOKED_AT: Final = 2000
"""Feature rows of a window that are compared for it, at least, where it has so many."""

Places = npt.NDArray[np.intp]

Built = tuple[pd.DataFrame, Places]
"""Feature rows of a broken feed, and where each row of the pool is among them; -1 for nowhere."""


@dataclass(frozen=True)
class Target:
    """A column of a table of the feed; for a silence the table alone."""

    table: str
    column: str = ""

    def __str__(self) -> str:
        """As people name it."""
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass
class Faults:
    """A feed that can break: each fault is built once for as many shadows as ask for it."""

    ground: Ground
    _clean: dict[tuple[str, str], Examined] = field(default_factory=dict)
    _built: dict[tuple[ShiftKind, Target, float], Built | str] = field(default_factory=dict)
    _differs: dict[tuple[ShiftKind, Target], bool] = field(default_factory=dict)
    _read: dict[tuple[ShiftKind, Target], bool] = field(default_factory=dict)
    _by_row: dict[tuple[ShiftKind, Target], bool] = field(default_factory=dict)

    def targets(self, kind: ShiftKind, importances: Mapping[str, float]) -> list[Target]:
        """What a fault of a kind can hit, what matters to the model most first.

        Columns that bear a feature's name come first, by its importance, then the others that a
        unit could be wrong in or a value be lost of; never those that name a row or its time, nor
        those in which the gross fault would change nothing, or nothing of any feature.
        """
        named, others = self._changed(kind)
        found = named or [each for each in others if self.is_read(kind, each)]
        return sorted(found, key=lambda each: -importances.get(each.column, 0.0))

    def unread(self, kind: ShiftKind) -> list[Target]:
        """What a fault of a kind would change, and no feature with it, where that was asked."""
        named, others = self._changed(kind)
        return [] if named else [each for each in others if not self.is_read(kind, each)]

    def _changed(self, kind: ShiftKind) -> tuple[list[Target], list[Target]]:
        """What the gross fault changes: columns that bear a feature's name, and the others."""
        found = [each for each in self._possible(kind) if self.changes(kind, each)]
        named = [each for each in found if each.column in self.ground.spec.features.columns]
        return named, [each for each in found if each not in named]

    def is_read(self, kind: ShiftKind, target: Target) -> bool:
        """Whether the gross fault makes other features, or none, of the window it changes most."""
        if kind is ShiftKind.SILENCE:
            return True
        if (kind, target) not in self._read:
            size = self.ground.spec.verify.continuous.kinds[kind][-1]
            window = self._most_hit(kind, target, size)
            found = self._window(kind, target, window, size)
            same = not isinstance(found, str) and found.equals(self.ground.windows[window])
            self._read[kind, target] = not same
        return self._read[kind, target]

    def unchanged(self, kind: ShiftKind) -> list[Target]:
        """What a fault of a kind would hit, and change nothing of."""
        return [each for each in self._possible(kind) if not self.changes(kind, each)]

    def changes(self, kind: ShiftKind, target: Target) -> bool:
        """Whether the gross fault makes a difference in any window."""
        size = self.ground.spec.verify.continuous.kinds[kind][-1]
        if (kind, target) not in self._differs:
            self._differs[kind, target] = any(
                self.broken_rows(kind, target, self.ground.raw[window][target.table], size)
                for window in self.ground.windows
            )
        return self._differs[kind, target]

    def _possible(self, kind: ShiftKind) -> list[Target]:
        spec = self.ground.spec
        timed = {name: spec.data.tables[name] for name in self.ground.feed.places}
        if kind is ShiftKind.SILENCE:
            return [Target(name) for name, table in timed.items() if not table.may_be_empty][:1]
        return [
            Target(name, column)
            for name, table in timed.items()
            for column in _columns(kind, table, spec.features.key, spec.data.label.name)
        ]

    def examined(self, window: str, table: str, rows: pd.DataFrame | None = None) -> Examined:
        """What the contract says of a window as it came, after all those before it.

        Args:
            window: its name.
            table: one of it, which comes as a file of its own.
            rows: those of that table; left out, the window's own, which are examined once.
        """
        if rows is None and (window, table) in self._clean:
            return self._clean[window, table]
        feed, start = self.ground.feed, first_day(window)
        before = {name: held for name, held in self.ground.raw.items() if first_day(name) < start}
        delivered = feed.raw(window)[table] if rows is None else rows
        found = feed.examined(window, before, {table: delivered})
        if rows is None:
            self._clean[window, table] = found
        return found

    def broken_rows(self, kind: ShiftKind, target: Target, own: pd.DataFrame, size: float) -> int:
        """How many of a table's rows a feed that broke delivers otherwise, or not at all."""
        rows = self.delivered(kind, target, own, size)
        if kind is ShiftKind.SILENCE:
            return len(own) - len(rows)
        before, after = own[target.column], rows[target.column]
        same = (before == after).fillna(value=False) | (before.isna() & after.isna())
        return int((~same.astype("bool")).sum())

    def delivered(
        self, kind: ShiftKind, target: Target, own: pd.DataFrame, size: float
    ) -> pd.DataFrame:
        """A table's rows as a feed that broke delivers them."""
        return self._broken(kind, target)(own, size)

    def features(
        self, kind: ShiftKind, target: Target, places: Places, size: float
    ) -> pd.DataFrame | str:
        """Feature rows of which the last ones come from a broken feed; or why none can be built.

        Args:
            kind: of the fault.
            target: what it hits.
            places: which rows of the pool the window holds.
            size: share of them.
        """
        pool = self.ground.pool
        clean = round(len(places) * (1 - size))
        if kind is ShiftKind.SILENCE:
            return pool.iloc[places[:clean]]
        mixed = size >= 1 or self.is_row_by_row(kind, target)
        found = self._features(kind, target, 1.0 if mixed else size)
        if isinstance(found, str):
            return found
        broken, where = found
        if not mixed:  # the builder has made the clean rows too, each in its own window
            clean = 0
        hit = where[places[clean:]]
        return pd.concat([pool.iloc[places[:clean]], broken.iloc[hit[hit >= 0]]])

    def is_row_by_row(self, kind: ShiftKind, target: Target) -> bool:
        """Whether clean rows and rows of a wholly broken feed are what a half broken one makes.

        A builder that looks at all rows of a window, as one that fills what is missing with the
        usual value, makes others: it has to be given each size as that size.
        """
        if (kind, target) not in self._by_row:
            self._by_row[kind, target] = self._mixes(kind, target)
        return self._by_row[kind, target]

    def _mixes(self, kind: ShiftKind, target: Target) -> bool:
        whole = self._features(kind, target, 1.0)
        if isinstance(whole, str):
            return False
        half = self._window(kind, target, self._most_hit(kind, target, _HALF), _HALF)
        if isinstance(half, str):
            return False
        broken, where = whole
        places = self._pool.get_indexer(self._named(half))
        known = np.flatnonzero((places >= 0) & (where[places] >= 0))
        if not len(known):
            return False
        some = known[:: max(1, len(known) // _LOOKED_AT)]
        came, at = self._hashed(half.iloc[some]), places[some]
        clean, hit = self._hashed(self.ground.pool.iloc[at]), self._hashed(broken.iloc[where[at]])
        return bool(((came == clean) | (came == hit)).mean() >= 1 - _AT_THE_EDGE)

    def _hashed(self, rows: pd.DataFrame) -> "pd.Series[int]":
        features = self.ground.spec.features
        kinds = {
            name: "str" if name in features.categorical else "float64" for name in features.columns
        }
        frame = rows[list(features.columns)].astype(kinds)  # what lost a value is no int any more
        return pd.util.hash_pandas_object(frame, index=False).reset_index(drop=True)

    def _features(self, kind: ShiftKind, target: Target, size: float) -> Built | str:
        """All feature rows of a feed of which each window is broken by a share, built once."""
        if (kind, target, size) not in self._built:
            self._built[kind, target, size] = self._all_windows(kind, target, size)
        return self._built[kind, target, size]

    def _all_windows(self, kind: ShiftKind, target: Target, size: float) -> Built | str:
        raw = self._raw(kind, target, size)
        try:
            built = [self.ground.feed.features(window, raw) for window in self.ground.windows]
        except PerennialError as error:
            return str(error.args[0])
        rows = pd.concat(built, ignore_index=True)
        return rows, self._named(rows).get_indexer(self._pool)

    def _window(
        self, kind: ShiftKind, target: Target, window: str, size: float
    ) -> pd.DataFrame | str:
        """The feature rows of one window of such a feed; or why none can be built."""
        try:
            return self.ground.feed.features(window, self._raw(kind, target, size))
        except PerennialError as error:
            return str(error.args[0])

    def _raw(self, kind: ShiftKind, target: Target, size: float) -> dict[str, Frames]:
        broken = self._broken(kind, target)
        return {
            window: {**frames, target.table: broken(frames[target.table], size)}
            for window, frames in self.ground.raw.items()
        }

    def _most_hit(self, kind: ShiftKind, target: Target, size: float) -> str:
        """The window of which such a feed changes most rows."""
        raw = self.ground.raw
        return max(
            self.ground.windows,
            key=lambda name: self.broken_rows(kind, target, raw[name][target.table], size),
        )

    @cached_property
    def _pool(self) -> "pd.Index[int]":
        return self._named(self.ground.pool)

    def _named(self, rows: pd.DataFrame) -> "pd.Index[int]":
        """What tells feature rows apart."""
        key = list(self.ground.spec.features.key)
        return pd.Index(pd.util.hash_pandas_object(rows[key], index=False))

    def _broken(
        self, kind: ShiftKind, target: Target
    ) -> Callable[[pd.DataFrame, float], pd.DataFrame]:
        factor = self.ground.spec.verify.continuous.unit

        def breaks(rows: pd.DataFrame, size: float) -> pd.DataFrame:
            match kind:
                case ShiftKind.SWAP:
                    return swapped(rows, target.column, size)
                case ShiftKind.UNIT:
                    return in_unit(rows, target.column, factor, size)
                case ShiftKind.MISSING:
                    return emptied(rows, target.column, size)
                case _:
                    return silenced(rows, size)

        return breaks


def _columns(kind: ShiftKind, table: TableSpec, key: tuple[str, ...], label: str) -> Iterator[str]:
    fixed = {*table.key, *key, *table.calendar, label}
    for name, held in table.columns.items():
        fits = {
            ShiftKind.UNIT: held in _NUMBERS,
            ShiftKind.SWAP: held == "string",
            ShiftKind.MISSING: True,
        }[kind]
        if fits and name not in fixed:
            yield name

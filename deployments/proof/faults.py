"""Faults of a feed: which raw columns they hit, and the features that such a feed makes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from deployments.proof.ground import Ground
from deployments.shadow.feed import Examined
from infra.errors import PerennialError
from tasks.data.spec import TableSpec
from tasks.verification.shifts import emptied, in_unit, silenced, swapped
from tasks.verification.spec import ShiftKind
from tasks.windows import first_day

_NUMBERS: Final = ("int", "float")

Places = npt.NDArray[np.intp]


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
    _built: dict[tuple[ShiftKind, Target], tuple[pd.DataFrame, Places] | str] = field(
        default_factory=dict
    )
    _differs: dict[tuple[ShiftKind, Target], bool] = field(default_factory=dict)

    def targets(self, kind: ShiftKind, importances: Mapping[str, float]) -> list[Target]:
        """What a fault of a kind can hit, what matters to the model most first.

        Columns that bear a feature's name come first, by its importance, then the others that a
        unit could be wrong in or a value be lost of; never those that name a row or its time, nor
        those in which the gross fault would change nothing.
        """
        found = [each for each in self._possible(kind) if self.changes(kind, each)]
        named = [each for each in found if each.column in self.ground.spec.features.columns]
        return sorted(named or found, key=lambda each: -importances.get(each.column, 0.0))

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
        if (kind, target) not in self._built:
            self._built[kind, target] = self._features(kind, target, pool)
        found = self._built[kind, target]
        if isinstance(found, str):
            return found
        broken, where = found
        hit = where[places[clean:]]
        return pd.concat([pool.iloc[places[:clean]], broken.iloc[hit[hit >= 0]]])

    def _features(
        self, kind: ShiftKind, target: Target, pool: pd.DataFrame
    ) -> tuple[pd.DataFrame, Places] | str:
        """All feature rows of the broken feed, and where each row of the pool is among them."""
        broken = self._broken(kind, target)
        raw = {
            window: {**frames, target.table: broken(frames[target.table], 1.0)}
            for window, frames in self.ground.raw.items()
        }
        try:
            built = [self.ground.feed.features(window, raw) for window in self.ground.windows]
        except PerennialError as error:
            return str(error.args[0])
        rows = pd.concat(built, ignore_index=True)
        key = list(self.ground.spec.features.key)
        names = [pd.util.hash_pandas_object(each[key], index=False) for each in (rows, pool)]
        return rows, pd.Index(names[0]).get_indexer(pd.Index(names[1]))

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

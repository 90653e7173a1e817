"""Cells that stand together: combinations that recur, that never do, and that name one row."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.batch import Batch
from tasks.data.spec import RecurSpec
from tasks.data.usual import Past, comparable, knows
from tasks.references import Ending

_FEWEST: Final = 20
"""Rows from which a share says something."""

_MOST: Final = 0.5
"""Share of the rows with known names, below which it is not some names that are new."""

_ROOM: Final = 2**62
"""Combinations that a number has room for; beyond it those that there are get new numbers."""


def check_recurring(batch: Batch, past: Past) -> None:
    """Combinations that are new, known or common beyond what happens: hold.

    Columns that were shuffled, exchanged or renumbered stand beside cells that never were beside
    them; a copy of an earlier batch stands beside all that it stood beside then.
    """
    codes = _Codes(batch.frame, past.frame)
    for recur in batch.spec.recurring:
        if not set(recur.columns) <= set(batch.frame):
            continue
        rows = codes.rows(recur)
        if len(rows.now) < _FEWEST:
            continue
        index = batch.frame.index[rows.whole]
        alike = pd.Series(rows.now).duplicated(keep=False).to_numpy(dtype=bool)
        if alike.mean() > recur.alike:
            told = "have them in common with another row"
            _find(batch, recur, index[alike], told, ("most", len(index)))
        if comparable(batch, past, *recur.columns):
            _compare(batch, recur, index, rows, knows_all=knows(past))


def _compare(
    batch: Batch, recur: RecurSpec, index: "pd.Index[int]", rows: "_Rows", *, knows_all: bool
) -> None:
    if knows_all:
        new = ~rows.known & (rows.named if rows.named.mean() > _MOST else True)
        if new.mean() > 1 - recur.least:
            told = "have them together as no batch before did"
            _find(batch, recur, index[new], told, ("new", len(index)))
    if rows.known.mean() > recur.most:
        told = "have them exactly as rows of an earlier batch"
        _find(batch, recur, index[rows.known], told, ("old", len(index)))


class _Rows(NamedTuple):
    """The rows of a batch that have all cells of a combination."""

    whole: npt.NDArray[np.bool_]
    """Which rows of the batch they are."""
    now: npt.NDArray[np.int64]
    """Their combinations as numbers, equal where all cells are."""
    known: npt.NDArray[np.bool_]
    """Whether a row of the past has the same combination."""
    named: npt.NDArray[np.bool_]
    """Whether all of its names came before: a new airline is told by itself, row by row."""


class _Codes:
    """The cells of a batch and of its past as numbers, each column once: equal where cells are.

    Numbers are compared as floats, whatever a reader made of them.
    """

    def __init__(self, now: pd.DataFrame, then: pd.DataFrame) -> None:
        self._now, self._then = now, then
        self._columns: dict[str, tuple[npt.NDArray[np.int64], int]] = {}

    def rows(self, recur: RecurSpec) -> _Rows:
        """What there is to say of the rows that have all cells of a combination."""
        count = len(self._now)
        whole = np.ones(count + len(self._then), dtype=bool)
        keys, span = np.zeros(len(whole), dtype=np.int64), 1
        for name in recur.columns:
            codes, cells = self._of(name)
            whole &= codes >= 0
            if span * cells >= _ROOM:
                keys, kinds = pd.factorize(keys)
                span = len(kinds)
            keys, span = keys * cells + codes, span * cells
        here, before = whole[:count], whole[count:]
        known = pd.Series(keys[:count][here]).isin(keys[count:][before]).to_numpy(dtype=bool)
        named = np.ones(int(here.sum()), dtype=bool)
        for name in recur.columns:
            if not _is_number(self._now[name]):
                codes, cells = self._of(name)
                came = np.zeros(cells, dtype=bool)
                came[codes[count:][before]] = True
                named &= came[codes[:count][here]]
        return _Rows(here, keys[:count][here], known, named)

    def _of(self, name: str) -> tuple[npt.NDArray[np.int64], int]:
        """The numbers of a column, -1 for an empty cell, and how many kinds of cells there are."""
        if name not in self._columns:
            parts, numeric = [self._now[name]], _is_number(self._now[name])
            if name in self._then and _is_number(self._then[name]) == numeric:
                parts.append(self._then[name])
            if numeric:
                parts = [part.astype("float64") for part in parts]
            codes, kinds = pd.factorize(pd.concat(parts, ignore_index=True))
            if len(parts) == 1:  # the past has no such column
                codes = np.concatenate([codes, np.full(len(self._then), -1)])
            self._columns[name] = codes.astype(np.int64), max(len(kinds), 1)
        return self._columns[name]


def _is_number(values: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(values)


def _find(
    batch: Batch, recur: RecurSpec, wrong: "pd.Index[int]", told: str, of: tuple[str, int]
) -> None:
    kind, whole = of
    share = len(wrong) / whole
    usual = {"most": recur.alike, "new": 1 - recur.least, "old": recur.most}[kind]
    named = " and ".join([", ".join(recur.columns[:-1]), recur.columns[-1]]).removeprefix(" and ")
    doubt = {
        "most": "Rows may have been copied under other keys.",
        "new": "A column may have been shuffled, exchanged, cut or renumbered.",
        "old": "Rows of an earlier batch may have come again under new dates.",
    }[kind]
    batch.find(
        Ending.HOLD,
        "recurring",
        f"{named}: {len(wrong)} rows ({share:.0%}) {told}; at most {usual:.0%} is usual. {doubt}",
        column=recur.columns[0],
        rows=len(wrong),
        examples=batch.cells(wrong, *recur.columns),
    )

"""Cells that stand together: combinations that recur, that never do, and that name one row."""

from typing import Final

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


def check_recurring(batch: Batch, past: Past) -> None:
    """Combinations that are new, known or common beyond what happens: hold.

    Columns that were shuffled, exchanged or renumbered stand beside cells that never were beside
    them; a copy of an earlier batch stands beside all that it stood beside then.
    """
    for recur in batch.spec.recurring:
        if not set(recur.columns) <= set(batch.frame):
            continue
        rows = _cells(batch.frame, recur)
        if len(rows) < _FEWEST:
            continue
        alike = rows.duplicated(keep=False).to_numpy(dtype=bool)
        if alike.mean() > recur.alike:
            _find(batch, recur, rows.index[alike], "have them in common with another row", "most")
        if comparable(batch, past, *recur.columns):
            _compare(batch, recur, rows, past)


def _compare(batch: Batch, recur: RecurSpec, rows: pd.DataFrame, past: Past) -> None:
    before = _cells(past.frame, recur)
    known = _known(rows, before)
    if knows(past):
        named = _named(rows, before)
        new = ~known & (named if named.mean() > _MOST else True)
        if new.mean() > 1 - recur.least:
            told = "have them together as no batch before did"
            _find(batch, recur, rows.index[new], told, "new")
    if known.mean() > recur.most:
        _find(
            batch, recur, rows.index[known], "have them exactly as rows of an earlier batch", "old"
        )


def _cells(frame: pd.DataFrame, recur: RecurSpec) -> pd.DataFrame:
    """The rows that have all of the cells; numbers as floats, whatever a reader made of them."""
    rows = frame[list(recur.columns)].dropna()
    numbers = [name for name in rows if pd.api.types.is_numeric_dtype(rows[name])]
    return rows.astype(dict.fromkeys(numbers, "float64"))


def _named(rows: pd.DataFrame, before: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Rows with names that came before: a new airline is told by itself, row by row."""
    known = np.ones(len(rows), dtype=bool)
    for name in rows:
        if not pd.api.types.is_numeric_dtype(rows[name]):
            known &= rows[name].isin(before[name].unique()).to_numpy(dtype=bool)
    return known


def _known(rows: pd.DataFrame, before: pd.DataFrame) -> npt.NDArray[np.bool_]:
    found = rows.merge(before.drop_duplicates(), how="left", indicator=True)
    return (found["_merge"] == "both").to_numpy(dtype=bool)


def _find(batch: Batch, recur: RecurSpec, wrong: "pd.Index[int]", told: str, kind: str) -> None:
    share = len(wrong) / len(_cells(batch.frame, recur))
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

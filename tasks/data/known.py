"""A table that is delivered whole each time: what was known may hardly change, or go."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.errors import few
from infra.store import WINDOW
from tasks.data.batch import Batch, plain
from tasks.data.usual import Past
from tasks.references import Ending


def check_known(batch: Batch, past: Past, most: float) -> None:
    """More known rows changed or gone than happens: a person must look.

    Args:
        batch: the delivery of a table.
        past: the batches before; the newest of them is what is known.
        most: share of the known rows that may change or vanish; one row always may.
    """
    if batch.spec.calendar or past.frame.empty:
        return
    key = list(batch.spec.key)
    last = past.frame[past.frame[WINDOW] == list(past.rows)[-1]]
    before, now = _by_key(last, key), _by_key(batch.frame, key)
    gone = before.index.difference(now.index)
    changed = _changed(before, now)
    rows = int(changed.any(axis=1).sum()) + len(gone)
    if rows <= max(1, most * len(before)):
        return
    columns = {str(name): int(count) for name, count in changed.sum().items() if count}
    named = [f"{count} rows have another {name}" for name, count in columns.items()]
    named += [f"{len(gone)} rows are gone"] if len(gone) else []
    batch.find(
        Ending.HOLD,
        "known",
        f"{rows} of the {len(before)} rows known from {list(past.rows)[-1]} changed or are gone "
        f"({rows / len(before):.0%}; at most {most:.0%} is usual): {few(named, 5)}.",
        column=max(columns, key=lambda name: columns[name], default=None),
        rows=rows,
        examples=[
            *_examples(before, now, changed),
            *(f"{_named(key, each)}: gone" for each in gone),
        ],
    )


def _by_key(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The rows by their key; a key that is empty or came twice names none."""
    named = frame.dropna(subset=key).drop_duplicates(key)
    return named.set_index(pd.MultiIndex.from_frame(named[key].astype("object"))).drop(columns=key)


def _changed(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Which cells of the rows in both are not what they were."""
    both = before.index.intersection(now.index)
    was, came = before.loc[both], now.loc[both]
    columns = [str(name) for name in was if name in came and was[name].notna().any()]  # not new
    return pd.DataFrame(
        {name: _differ(was[name], came[name]) for name in columns},
        index=both,
        dtype=bool,
    )


def _differ(before: "pd.Series[Any]", now: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    empty, void = before.isna().to_numpy(), now.isna().to_numpy()
    both = ~(empty | void)  # where a cell is empty nothing can be compared: NA == 1 is NA
    differ: npt.NDArray[np.bool_] = empty != void
    was, came = before[both], now[both]
    if pd.api.types.is_float_dtype(before.dtype):
        one, other = (each.to_numpy(dtype="float64") for each in (was, came))
        differ[both] = ~np.isclose(one, other, rtol=1e-9, atol=1e-12)
    else:
        same = was.astype("object").to_numpy() == came.astype("object").to_numpy()
        differ[both] = ~same.astype(bool)
    return differ


def _examples(before: pd.DataFrame, now: pd.DataFrame, changed: pd.DataFrame) -> list[str]:
    told = []
    for row, cells in changed[changed.any(axis=1)].head(5).iterrows():
        name = str(cells.idxmax())
        was, came = before.at[row, name], now.at[row, name]  # noqa: PD008 - one cell
        place = _named([str(each) for each in before.index.names], row)
        told.append(f"{place}: {name} = '{plain(came)}', was '{plain(was)}'")
    return told


def _named(key: list[str], row: object) -> str:
    cells = row if isinstance(row, tuple) else (row,)
    return ", ".join(f"{name} {plain(cell)}" for name, cell in zip(key, cells, strict=True))

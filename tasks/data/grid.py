"""Numbers in steps: another unit leaves them, however few values a day has."""

from typing import Final

import numpy as np
import pandas as pd

from tasks.data.batch import Batch, plain
from tasks.data.spec import GridSpec
from tasks.references import Ending

_LOOSE: Final = 0.03
"""Part of a step by which a value may miss it: exports round to two decimals."""

_OFF: Final = 0.2
"""Share of the values above zero from which a group has left its steps."""

_TWO: Final = 2


def check_grids(batch: Batch) -> None:
    """Groups whose values are no multiples of their step, or have no small ones: hold."""
    for grid in batch.spec.grids:
        if not {grid.column, *grid.by} <= set(batch.frame):
            continue
        values = batch.frame.loc[(batch.frame[grid.column] != 0).fillna(value=False)]
        values = values.dropna(subset=[grid.column])
        groups = values.groupby(list(grid.by)) if grid.by else [((), values)]
        for group, rows in groups:
            told = _told(rows[grid.column].astype("float64"), grid)
            if told:
                _find(batch, grid, group, rows, told)


def _told(values: "pd.Series[float]", grid: GridSpec) -> str:
    if values.empty:
        return ""
    if grid.step is not None:
        steps = values / grid.step
        off = float(((steps - np.round(steps)).abs() > _LOOSE).mean())
        if off > _OFF:
            return f"is no multiple of {grid.step:g} in {off:.0%} of its {len(values)} values"
    least = float(values.abs().min())
    if grid.finest is not None and len(values) >= _TWO and least > grid.finest:
        return (
            f"has no value below {least:.4g} among the {len(values)} above zero, where "
            f"{grid.finest:g} or less is usual"
        )
    return ""


def _find(batch: Batch, grid: GridSpec, group: object, rows: pd.DataFrame, told: str) -> None:
    cells = group if isinstance(group, tuple) else (group,)
    named = ", ".join(f"{name} {plain(cell)}" for name, cell in zip(grid.by, cells, strict=True))
    batch.find(
        Ending.HOLD,
        "grid",
        f"{grid.column}{f' at {named}' if named else ''} {told}. The unit may have changed.",
        column=grid.column,
        rows=len(rows),
        examples=batch.cells(rows.index, grid.column),
    )

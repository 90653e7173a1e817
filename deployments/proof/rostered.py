"""Entities that chance would leave out of a window, and that are dealt among their own rows."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.monitoring.rosters import names_of, rows_of
from tasks.monitoring.spec import RosterSpec
from tasks.spec import ModelSpec

_CERTAIN: Final = 20
"""Rows of a window that an entity needs for chance to leave it out of none: e to the minus 20."""


def bound(spec: ModelSpec, pool: pd.DataFrame, windows: int) -> npt.NDArray[np.intp]:
    """A number for each row: only rows of the same number may take each other's place.

    Where every rostered entity has many rows in a window all have the same one. Where one has few,
    as a shop that reports once a month, each entity has its own, so that it is in the windows that
    it was in, with as many rows.

    Args:
        spec: the declaration, whose rosters say who must be there.
        pool: the feature rows of all windows, with the columns that name entities.
        windows: how many there are.
    """
    groups = np.zeros(len(pool), dtype=np.intp)
    for roster in spec.monitoring.rosters:
        if roster.column in pool and _is_thin(roster, spec, pool[roster.column], windows):
            codes = pd.factorize(pool[roster.column])[0] + 1
            groups = groups * (codes.max() + 1) + codes
    return groups


def _is_thin(roster: RosterSpec, spec: ModelSpec, column: "pd.Series[str]", windows: int) -> bool:
    """Whether an entity that must be in each window has few rows there."""
    if roster.names or roster.file:
        counts = list(rows_of(column, names_of(roster, spec.folder, None, 0)).values())
    else:
        least = roster.usual_rows * windows
        counts = [count for count in column.value_counts() if count >= least]
    return any(count < _CERTAIN * windows for count in counts)

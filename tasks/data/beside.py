"""A group against the others at the same time: one station that changed its unit alone."""

from typing import Any, Final

import numpy as np
import pandas as pd

from tasks.data.batch import plain
from tasks.data.spec import StableSpec

_FEWEST_CELLS: Final = 8
_FEWEST_DISTINCT: Final = 4


def beside_jump(now: pd.DataFrame, then: pd.DataFrame, stable: StableSpec) -> str:
    """What to say of the group that left the others behind, or the grid of values; empty if none.

    A season moves all groups alike, and so neither their gaps nor what the gaps usually are.
    """
    return _gap_jump(now, then, stable) or _unseen(now, then, stable)


def _gap_jump(now: pd.DataFrame, then: pd.DataFrame, stable: StableSpec) -> str:
    gaps, usual = _gaps(now, stable), _gaps(then, stable)
    width = (usual.quantile(0.75) - usual.quantile(0.25)).rename("width")
    both = pd.concat(
        [gaps.median().rename("now"), usual.median().rename("usual"), width, gaps.size()], axis=1
    ).dropna()
    both = both[(both["width"] > 0) & (both.iloc[:, -1] >= _FEWEST_CELLS)]
    moves = (both["now"] - both["usual"]).abs() / both["width"]
    if moves.max() <= stable.shift or moves.empty:
        return ""
    worst = int(moves.to_numpy().argmax())
    cells = both.iloc[worst]
    return (
        f"at {_named(stable, both.index[worst])} is {cells['now']:.4g} from the others at the same "
        f"{' and '.join(stable.beside)} (the median), usually {cells['usual']:.4g} with an IQR of "
        f"{cells['width']:.4g}"
    )


def _gaps(frame: pd.DataFrame, stable: StableSpec) -> Any:  # noqa: ANN401 - a grouped Series
    """By group, how far each value is from the mean of the others beside it."""
    rows = frame[[*stable.by, *stable.beside, stable.column]].dropna()
    values = rows[stable.column].astype("float64")
    together = values.groupby([rows[name] for name in stable.beside])
    others = together.transform("size") - 1
    gap = values - (together.transform("sum") - values) / others.where(others > 0)
    return gap.dropna().groupby([rows.loc[gap.notna(), name] for name in stable.by])


def _unseen(now: pd.DataFrame, then: pd.DataFrame, stable: StableSpec) -> str:
    known = then[stable.column].dropna().unique()
    for group, values in now.groupby(list(stable.by))[stable.column]:
        distinct = values.dropna().unique()
        new = 1 - np.isin(distinct, known).mean() if len(distinct) >= _FEWEST_DISTINCT else 0
        if new > stable.unseen:
            return (
                f"at {_named(stable, group)} has {new:.0%} new values among its {len(distinct)} "
                f"distinct ones; at most {stable.unseen:.0%} is usual"
            )
    return ""


def _named(stable: StableSpec, group: object) -> str:
    cells = group if isinstance(group, tuple) else (group,)
    return ", ".join(f"{name} {plain(cell)}" for name, cell in zip(stable.by, cells, strict=True))

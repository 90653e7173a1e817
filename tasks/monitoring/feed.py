"""How the predictions of a window came: in time, in one piece, once, and of its own rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from tasks.frames import EVENT_TIME, LABEL_TIME, PREDICTION_TIME
from tasks.monitoring.learned import PREDICTION
from tasks.monitoring.spec import ObjectiveSpec
from tasks.windows import EVERYTHING, end_day, first_day, midnight

SCORED_AT: Final = "scored_at"
"""The column of the time as of which a prediction was made."""


_ANYWHERE: Final = pd.Timedelta(hours=14)
"""How far midnight lies from UTC's at most: rows may be dated by another calendar than the feed."""


@dataclass(frozen=True)
class Silence:
    """A time in which nothing came; `rows` were there all the same."""

    start: datetime
    end: datetime
    rows: int = 0

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.end - self.start


@dataclass(frozen=True)
class Feed:
    """What is odd about the rows and the predictions of a window; nothing, where it cannot be told.

    Attributes:
        repeated: predictions of a row that has one already; the earliest counts.
        strangers: predictions of rows that the window does not have.
        astray: rows that were neither predicted nor happened within the window.
        foretold: rows whose label was known before they were predicted.
        unsaid: the longest time in which rows came and no prediction did.
        gap: the longest time without a prediction, the window's ends included.
        late: predictions made later than the objective says.
        latest: how long after its time the last of them was made.
        early: predictions made before their time.
        made: predictions of which it is known when they were made.
        ahead: predictions of which it is said that they were made, or due, after the time of
            looking.
        to_come: rows that happen after the time of looking.
        length: of the window, as far as it has come; nothing where that is not known.
    """

    repeated: int = 0
    strangers: int = 0
    astray: int = 0
    foretold: int = 0
    unsaid: Silence | None = None
    gap: Silence | None = None
    late: int = 0
    latest: timedelta = timedelta(0)
    early: int = 0
    made: int = 0
    ahead: int = 0
    to_come: int = 0
    length: timedelta = timedelta(0)


@dataclass(frozen=True)
class Bounds:
    """When a window begins and ends; None for the one window of rows without time."""

    start: pd.Timestamp
    end: pd.Timestamp


def bounds(window: str, timezone: str) -> Bounds | None:
    """The instants between which a window lies, by the calendar of a time zone."""
    if window == EVERYTHING:
        return None
    days = first_day(window), end_day(window)
    return Bounds(*(pd.Timestamp(midnight(day, timezone)) for day in days))


def feed(
    frame: pd.DataFrame,
    within: Bounds | None,
    objective: ObjectiveSpec | None,
    repeated: int = 0,
    strangers: int = 0,
    as_of: datetime | None = None,
) -> Feed:
    """How the predictions of a window came.

    Args:
        frame: times, labels and predictions of the window's rows.
        within: the window's ends.
        objective: when predictions must be there; None where that is not declared.
        repeated: predictions of a row that has one already.
        strangers: predictions of rows that the window does not have.
        as_of: the time of looking: what comes after it is not missing yet, and cannot be there.
    """
    if PREDICTION_TIME not in frame:
        return Feed(repeated=repeated, strangers=strangers)
    said = frame[frame[PREDICTION].notna()]
    made = said[SCORED_AT] - said[PREDICTION_TIME] if SCORED_AT in said else _nothing()
    made = made.dropna()
    late = made[made > pd.Timedelta(objective.within)] if objective else _nothing()
    now = pd.Timestamp(as_of) if as_of else None
    past = come(within, now)
    return Feed(
        repeated=repeated,
        strangers=strangers,
        astray=_astray(frame, within),
        foretold=int((frame[LABEL_TIME] < frame[PREDICTION_TIME]).sum()),
        unsaid=_unsaid(frame),
        gap=longest_silence(said[PREDICTION_TIME], past) if objective else None,
        late=len(late),
        latest=late.max().to_pytimedelta() if len(late) else timedelta(0),
        early=int((made < pd.Timedelta(0)).sum()),
        made=len(made),
        ahead=_ahead(said, now),
        to_come=int((frame[EVENT_TIME] > now).sum()) if now else 0,
        length=(past.end - past.start).to_pytimedelta() if past else timedelta(0),
    )


def come(within: Bounds | None, now: pd.Timestamp | None) -> Bounds | None:
    """The part of a window that has come."""
    if within is None or now is None:
        return within
    return Bounds(within.start, max(min(within.end, now), within.start))


def _ahead(said: pd.DataFrame, now: pd.Timestamp | None) -> int:
    if now is None:
        return 0
    ahead = said[PREDICTION_TIME] > now
    return int((ahead | (said[SCORED_AT] > now) if SCORED_AT in said else ahead).sum())


def _nothing() -> "pd.Series[Any]":
    return pd.Series([], dtype="timedelta64[us]")


def _astray(frame: pd.DataFrame, within: Bounds | None) -> int:
    if within is None:
        return 0
    before = frame[EVENT_TIME] < within.start - _ANYWHERE
    after = frame[PREDICTION_TIME] >= within.end + _ANYWHERE
    return int((before | after).sum())


def _unsaid(frame: pd.DataFrame) -> Silence | None:
    """The longest run of rows without a prediction, by the time of their predictions."""
    times = pd.DatetimeIndex(frame[PREDICTION_TIME])
    order = np.argsort(times.asi8, kind="stable")
    silent = np.concatenate([[False], frame[PREDICTION].isna().to_numpy()[order], [False]])
    turns = np.flatnonzero(np.diff(silent.astype(np.int8)))
    starts, ends = turns[::2], turns[1::2]
    if not len(starts):
        return None
    longest = int((ends - starts).argmax())
    first, last = (times[order[place]] for place in (starts[longest], ends[longest] - 1))
    if first == last:
        return None
    rows = int(ends[longest] - starts[longest])
    return Silence(first.to_pydatetime(), last.to_pydatetime(), rows)


def longest_silence(said: "pd.Series[Any]", within: Bounds | None) -> Silence | None:
    """The longest time without any of some times, the ends included; None where there is none."""
    times = pd.DatetimeIndex(said).sort_values()
    if within is not None:
        inside = times[(times > within.start) & (times < within.end)]
        times = pd.DatetimeIndex([within.start, *inside, within.end])
    if len(times) < 2:  # noqa: PLR2004 - between two there is a time
        return None
    place = int(np.diff(times.asi8).argmax())
    return Silence(times[place].to_pydatetime(), times[place + 1].to_pydatetime())

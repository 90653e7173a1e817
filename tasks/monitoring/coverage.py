"""How far the labels of a window have come: by the age of the rows, and by when they were due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from tasks.data.spec import LabelSpec
from tasks.frames import EVENT_TIME
from tasks.monitoring.feed import Bounds
from tasks.monitoring.learned import PREDICTION
from tasks.references import LabelCoverage

_SPANS: Final = 6
"""Ages into which a window is parted, unless its label's delay is longer than one of them."""

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Coverage:
    """Labels of the predictions of a window.

    Attributes:
        ages: the youngest rows first.
        overdue: predictions whose label should have come and has not.
        overdue_for: for how long the longest of them has been due.
        due: when the last label of the window is due.
    """

    ages: tuple[LabelCoverage, ...]
    overdue: int
    overdue_for: timedelta
    due: datetime


def coverage(
    frame: pd.DataFrame, label: LabelSpec, within: Bounds | None, as_of: datetime
) -> Coverage | None:
    """How many predictions have a label by the age of their rows; None where no row tells its time.

    Args:
        frame: labels and predictions of a window's rows, and when they happened.
        label: what is predicted, and how long its labels take.
        within: the ends of the window whose rows they are.
        as_of: the time at which ages are told.
    """
    if EVENT_TIME not in frame:
        return None
    said = frame[frame[PREDICTION].notna()]
    if said.empty:
        return None
    now = pd.Timestamp(as_of)
    happened, known = said[EVENT_TIME], said[label.name].notna()
    ages = now - happened
    due = happened + pd.Timedelta(label.delay)
    if within is not None:
        due = pd.Series(within.end + pd.Timedelta(label.delay), index=said.index)
    overdue = ~known & (due < now)
    late = (now - due[overdue]).max() if overdue.any() else pd.Timedelta(0)
    return Coverage(
        ages=tuple(_by_age(ages, known, overdue, label.delay)),
        overdue=int(overdue.sum()),
        overdue_for=late.to_pytimedelta(),
        due=due.max().to_pydatetime(),
    )


def length(time: timedelta) -> str:
    """A length of time in its largest fitting unit.

    >>> length(timedelta(days=12.5)), length(timedelta(hours=1)), length(timedelta(seconds=90))
    ('12.5 days', '1 hour', '1.5 minutes')
    """
    name, unit = _unit(time)
    number = f"{time / unit:,.1f}".removesuffix(".0")
    return f"{number} {name}" + ("" if number == "1" else "s")


def span(ages: LabelCoverage) -> str:
    """Rows of an age in words: from which on, and below which."""
    _, unit = _unit(ages.most)
    least, most = (f"{each / unit:,.1f}".removesuffix(".0") for each in (ages.least, ages.most))
    if least == most:
        return f"rows about {length(ages.most)} old"
    return f"rows {least} to {length(ages.most)} old"


def _unit(time: timedelta) -> tuple[str, timedelta]:
    units = {"day": _DAY, "hour": _HOUR, "minute": _MINUTE}
    return next((each for each in units.items() if time >= each[1]), ("minute", _MINUTE))


def _by_age(
    ages: "pd.Series[Any]", known: "pd.Series[bool]", overdue: "pd.Series[bool]", delay: timedelta
) -> list[LabelCoverage]:
    width = _round(max(delay, (ages.max() - ages.min()).to_pytimedelta() / _SPANS))
    places = np.floor(ages.dt.total_seconds().to_numpy() / width.total_seconds()).astype("int64")
    return [
        LabelCoverage(
            least=int(place) * width,
            most=(int(place) + 1) * width,
            rows=int((places == place).sum()),
            labelled=int(known[places == place].sum()),
            overdue=int(overdue[places == place].sum()),
        )
        for place in np.unique(places)
    ]


def _round(width: timedelta) -> timedelta:
    """A length that people read easily: whole days, or else whole hours, or else minutes."""
    unit = _DAY if width > _DAY else _HOUR if width > _HOUR else _MINUTE
    return max(-(-width // unit), 1) * unit

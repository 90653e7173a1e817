"""How the champion does on parts of a window, each held to how it did there before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.data.spec import LabelSpec
from tasks.metrics import direction, score
from tasks.monitoring.performance import Performance, Scored, perform
from tasks.monitoring.sources import labelled_rows, scored_rows
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import SliceResult

MOST: Final = 50
"""Values of a column that are looked at, the most frequent first."""

_MISSING: Final = "missing"

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Yardstick:
    """What slices are held to.

    Attributes:
        metric: one with a direction.
        holdout: labels and predictions of the champion's holdout, with the columns it has of them.
        promotion: the champion on all of it.
        seed: of the draws.
    """

    metric: str
    holdout: pd.DataFrame
    promotion: Performance
    seed: int


def slices(
    window: pd.DataFrame, label: LabelSpec, yardstick: Yardstick, spec: MonitoringSpec
) -> tuple[SliceResult, ...]:
    """Every slice that has enough labels, the most surely worse first.

    A slice fails as a window does: it falls short of its own confidence by too much, and by more
    than at promotion, where chance does not explain it although so many were looked at.

    Args:
        window: labels, predictions and the columns to slice by.
        label: what is predicted.
        yardstick: what they are held to.
        spec: which columns, and the limits.

    Source:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    if spec.slices is None:
        return ()
    told = [
        each
        for column in spec.slices.columns
        for each in _told(column, window, label, yardstick, spec.slices.min_rows)
    ]
    chances = holm([_chance(each) for each in told])
    found = [_result(each, chance, spec) for each, chance in zip(told, chances, strict=True)]
    return tuple(sorted(found, key=lambda each: (not each.beyond, each.chance, -each.further)))


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of single looks, so raised that all looks together err no more often than one.

    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    found = [1.0] * len(chances)
    most = 0.0
    for place, each in enumerate(np.argsort(chances, kind="stable")):
        most = max(most, min(1.0, (len(chances) - place) * chances[each]))
        found[each] = most
    return found


class _Slice(NamedTuple):
    column: str
    value: str
    now: Performance
    then: Performance


def _told(
    column: str, window: pd.DataFrame, label: LabelSpec, yardstick: Yardstick, fewest: int
) -> Iterator[_Slice]:
    """How each value of a column does now, and how it did at promotion."""
    rows = scored_rows(window, label)
    before = scored_rows(yardstick.holdout, label)
    then_places = dict(_places(labelled_rows(yardstick.holdout, label), column, fewest))
    for value, places in _places(labelled_rows(window, label), column, fewest):
        own = before.take(then_places[value]) if value in then_places else None
        if own is None and label.kind == "regression":
            continue  # values have no confidence: nothing says what to expect of them there
        now, then = _pair(rows.take(places), own, yardstick)
        if now and then:
            yield _Slice(column, value, now, then)


def _pair(
    rows: Scored, own: Scored | None, yardstick: Yardstick
) -> tuple[Performance | None, Performance | None]:
    metric, seed = yardstick.metric, yardstick.seed
    if own is None:
        return perform(rows, metric, np.nan, seed), yardstick.promotion
    usual = score(metric, own.kind, own.labels, own.predictions)
    return perform(rows, metric, usual, seed), perform(own, metric, usual, seed)


def _places(rows: pd.DataFrame, column: str, fewest: int) -> Iterator[tuple[str, Places]]:
    """Where the rows of each value with enough of them are."""
    if column not in rows:
        return
    named = rows[column].astype("object").where(rows[column].notna(), _MISSING).astype(str)
    codes, names = pd.factorize(named, sort=True)
    counts = np.bincount(codes, minlength=len(names))
    for code in np.argsort(-counts, kind="stable")[:MOST]:
        if counts[code] >= fewest:
            yield str(names[code]), np.flatnonzero(codes == code)


def _chance(each: _Slice) -> float:
    """How probable it is that a slice which does as at promotion falls as far by chance."""
    now, then = each.now, each.then
    spread = float(np.hypot(now.fall_noise, then.fall_noise))
    further = now.fall - then.fall
    if not spread > 0:
        return 0.0 if further > 0 else 1.0
    return NormalDist().cdf(-further / spread)


def _result(each: _Slice, chance: float, spec: MonitoringSpec) -> SliceResult:
    now, then = each.now, each.then
    limit = spec.max_drop if direction(now.metric) > 0 else spec.max_error_growth
    further = now.fall - then.fall
    sure = chance < 1 - spec.confidence
    return SliceResult(
        column=each.column,
        value=each.value,
        rows=now.rows,
        metric=now.metric,
        now=now.value,
        expected=now.expected,
        fall=now.fall,
        further=further,
        chance=chance,
        beyond=bool(now.fall > limit and further > spec.margin and sure),
    )

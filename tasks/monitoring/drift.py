"""How a window's features differ from those that the champion learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from tasks.monitoring.sketches.cardinality import between
from tasks.monitoring.sketches.categories import Names
from tasks.monitoring.sketches.columns import Column
from tasks.monitoring.sketches.distances import psi
from tasks.monitoring.sketches.numeric import Numbers
from tasks.monitoring.sketches.profiles import Profile, Sketch

FALSE_ALARMS: Final = 0.05
"""Share of windows in which any feature may exceed what chance makes, however many there are."""

_HALF: Final = 0.5
_NO_CHANCE: Final = 30
"""Rows of which all have what one in two has: less than one in a billion windows."""

_MEASURED: Final = 30
"""Distinct numbers from which on a feature is taken for measured, and no longer for a code."""


@dataclass(frozen=True)
class FeatureDrift:
    """One feature against its reference.

    Attributes:
        psi: population stability index.
        ks: largest distance of the distribution functions; None where there are none.
        new: share of rows with a value beyond the reference.
        missing: share of rows without a value.
        missing_before: likewise, of the reference.
        importance: share of all importance: 0 to 1.
        jensen_shannon: distance of the shares: 0 to 0.83.
        wasserstein: area between the distribution functions, in standard deviations of the
            reference; None where there are none, or the reference is constant.
        chance: PSI that chance alone exceeds in any feature of one window in twenty.
        stuck: it has one single value, of which the reference has no more than half.
        distinct: how many distinct values it has.
        distinct_before: likewise, of the reference; None where that was not kept.
        coarser: how many times fewer they are than could be expected; 0 where nobody knows.
        finer: how many times more; of numbers alone, because a name that is new is told as such.
    """

    psi: float
    ks: float | None
    new: float
    missing: float
    missing_before: float
    importance: float
    jensen_shannon: float
    wasserstein: float | None
    chance: float = 0.0
    stuck: bool = False
    distinct: float = 0.0
    distinct_before: float | None = None
    coarser: float = 0.0
    finer: float = 0.0

    @property
    def beyond_chance(self) -> bool:
        """Whether it moved further than chance moves it."""
        return self.psi > self.chance

    @property
    def psi_of_values(self) -> float:
        """What of the PSI is left without the part that missing values alone make of it.

        Where values were lost at random the rest is 0: a feature has moved only if those that are
        left lie elsewhere. PSI adds up over such a grouping, as every divergence of its kind does.

        Source:
            Kullback and Leibler, On Information and Sufficiency (1951): the chain rule.
        """
        before, after = (np.array([each, 1 - each]) for each in (self.missing_before, self.missing))
        return self.psi - psi(before, after)

    @property
    def psi_of_drift(self) -> float:
        """The PSI, without what values that went missing make of it: that is judged as such."""
        return self.psi_of_values if self.missing > self.missing_before else self.psi


@dataclass(frozen=True)
class Drift:
    """All features against their reference.

    Attributes:
        features: by name, in the table's order.
        severity: mean PSI of those beyond chance, each capped at 1, weighted by importance: 0 to 1.
            Values that went missing are left out of it.
        novelty: share of rows with a value that lies beyond the reference, less what names that
            are seldom make of it where nothing moved: 0 to 1.
    """

    features: dict[str, FeatureDrift]
    severity: float
    novelty: float

    def moved(self, threshold: float) -> dict[str, float]:
        """Features whose PSI exceeds the threshold and what chance makes, the largest first.

        Values that went missing are no movement: they are judged as such.
        """
        found = {
            name: each.psi
            for name, each in self.features.items()
            if each.psi_of_drift > threshold and each.beyond_chance
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def moved_values(self, threshold: float) -> tuple[str, ...]:
        """Those of them that moved by more than what they lost of their values."""
        moved = self.moved(threshold)
        return tuple(name for name in moved if self.features[name].psi_of_values > threshold)


def compare(profile: Profile, window: Sketch, importances: Mapping[str, float]) -> Drift:
    """Every feature of a window against those that the champion learned from.

    Args:
        profile: of the champion's training rows.
        window: counted on that profile, at least one row.
        importances: by feature; negative ones count as 0, and if none is positive all are alike.

    Raises:
        DataError: the window has no rows.
    """
    weights = _weights(list(profile.columns), importances)
    error = FALSE_ALARMS / len(profile.columns)
    found = {
        name: _feature(name, column, window, weights[name], error)
        for name, column in profile.columns.items()
    }
    severity = sum(
        weights[name] * min(max(each.psi_of_drift, 0.0), 1.0)
        for name, each in found.items()
        if each.beyond_chance
    )
    beyond = window.beyond / window.rows
    return Drift(found, severity, novelty=max(beyond - _seldom(profile), 0.0))


def _seldom(profile: Profile) -> float:
    """Share of rows that have a name which the reference missed by chance, in any column."""
    unseen = [
        each.reference.unseen
        for each in profile.columns.values()
        if isinstance(each.reference, Names)
    ]
    return float(1 - np.prod([1 - each for each in unseen]))


def _feature(
    name: str, column: Column, window: Sketch, weight: float, error: float
) -> FeatureDrift:
    current, reference = window.columns[name], column.reference
    distances = column.distances(current, error)  # type: ignore[arg-type]  # counted by this column
    deviation = reference.deviation if isinstance(reference, Numbers) else 0.0
    area = distances.wasserstein
    coarser, finer = _resolution(reference, current)
    return FeatureDrift(
        psi=distances.psi,
        ks=distances.ks,
        new=window.new[name] / window.rows,
        missing=current.missing / current.rows,
        missing_before=reference.missing / reference.rows,
        importance=weight,
        jensen_shannon=distances.jensen_shannon,
        wasserstein=area / deviation if area is not None and deviation > 0 else None,
        chance=distances.chance,
        stuck=_single(current) and _largest(reference) <= _HALF,
        distinct=current.distinct,
        distinct_before=reference.distinct or None,
        coarser=coarser,
        finer=finer,
    )


def _resolution(reference: Numbers | Names, current: Numbers | Names) -> tuple[float, float]:
    """How many times fewer, and how many times more distinct values there are than there may be.

    A column that mostly stands still, such as the share of flights cancelled, may do so all day.
    """
    if not (reference.distinct and current.distinct) or _largest(reference) > _HALF:
        return 0.0, 0.0
    least, most = between(reference.distinct, reference.known, current.known)
    measured = isinstance(reference, Numbers) and reference.distinct >= _MEASURED
    return least / current.distinct, current.distinct / most if measured else 0.0


def _single(sketch: Numbers | Names) -> bool:
    """Whether so many rows have one single value that it is no chance where half may have it."""
    if isinstance(sketch, Names):
        counts = [rows for rows in sketch.counts.values() if rows]
        return not sketch.rest and len(counts) == 1 and counts[0] >= _NO_CHANCE
    return sketch.finite == sketch.known >= _NO_CHANCE and float(sketch.least.min()) == float(
        sketch.most.max()
    )


def _largest(sketch: Numbers | Names) -> float:
    """The share of the known rows that no single value exceeds."""
    if isinstance(sketch, Names):
        known = sketch.rows - sketch.missing
        return max([*sketch.counts.values(), sketch.rest, 0]) / max(known, 1)
    return int(sketch.counts.max()) / max(sketch.known, 1)


def sample(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """At most so many rows of a frame, the same ones for the same seed."""
    if len(frame) <= rows:
        return frame
    chosen = np.random.default_rng(seed).choice(len(frame), rows, replace=False)
    return frame.iloc[np.sort(chosen)]


def _weights(names: list[str], importances: Mapping[str, float]) -> dict[str, float]:
    positive = {name: max(importances.get(name, 0.0), 0.0) for name in names}
    total = sum(positive.values())
    if not total > 0:
        return dict.fromkeys(names, 1 / len(names))
    return {name: value / total for name, value in positive.items()}

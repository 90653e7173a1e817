"""Which faults of the data explain what moved: none moves more rows than it concerns.

Rows that are gone or wrong change the distribution of whatever by no more than their share. So one
row of a thousand explains nothing, however impossible it is, and a feature that broke explains its
own drift, and of the performance what its importance lets it move.
"""

from collections.abc import Collection, Iterable, Sequence
from math import log
from typing import Final

from tasks.metrics import direction
from tasks.monitoring.causes import REACH, Fault, Observation
from tasks.monitoring.drift import Drift, FeatureDrift
from tasks.monitoring.sketches.distances import SMALLEST_SHARE
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import VerdictCause, WatchKind

_OF_FEATURES: Final = frozenset({WatchKind.FEATURES, WatchKind.NOVELTY, WatchKind.STALENESS})

_MOST_PSI: Final = 2 * log(1 / SMALLEST_SHARE)
"""PSI where all rows differ; where a share of them does it is at most that share of it."""

_LN_2: Final = log(2)


def explaining(
    cause: VerdictCause, faults: Sequence[Fault], seen: Observation, spec: MonitoringSpec
) -> tuple[Fault, ...]:
    """The faults that explain what moved; none where they leave more of it than they can move.

    Args:
        cause: that features, predictions or labels moved.
        faults: beyond their limits.
        seen: of the window.
        spec: the limits.
    """
    movers = [each for each in faults if each.cause.kind is not WatchKind.COVERAGE]
    if cause.kind not in _OF_FEATURES:
        found = [each for each in movers if _touched([each], seen) > 0]
        return tuple(found) if _touched(found, seen) >= effect(cause, seen, spec) else ()
    movers = [each for each in movers if each.moves and each.share > 0]
    named = _own(movers, seen)
    left = effect(cause, seen, spec, named)
    rows = sum(each.share * each.reach for each in movers if not each.values)
    return tuple(movers) if left <= 0 or rows >= left else ()


def questions(
    cause: VerdictCause, faults: Sequence[Fault], seen: Observation, spec: MonitoringSpec
) -> bool:
    """Whether faults touch so much that they may be this cause, and a training might learn them."""
    touched = _touched(faults, seen)
    if cause.kind is WatchKind.PERFORMANCE and seen.performance:
        # An error has no bound: few rows can make all of it.
        whole = any(each.share > 0 and not each.values for each in faults)
        if whole and direction(seen.performance.metric) < 0:
            return True
    return touched > 0 and touched >= effect(cause, seen, spec)


def suspected(
    cause: VerdictCause, faults: Sequence[Fault], seen: Observation, spec: MonitoringSpec
) -> bool:
    """Whether a training is in doubt once what is suspect counts as well.

    Rows that did not come make no champion worse on those that did.
    """
    if cause.kind in _OF_FEATURES:
        return bool(explaining(cause, faults, seen, spec)) or questions(cause, faults, seen, spec)
    there = [each for each in faults if not (each.suspect and each.cause.kind is WatchKind.VOLUME)]
    return questions(cause, there, seen, spec)


def effect(
    cause: VerdictCause,
    seen: Observation,
    spec: MonitoringSpec,
    aside: Collection[str] = (),
) -> float:
    """The least share of the rows that must differ for what was seen, some features left aside.

    Args:
        cause: of the verdict.
        seen: of the window.
        spec: the limits.
        aside: features that are not looked at; 0 is told where they are all that moved.
    """
    kind, drift = cause.kind, seen.drift
    if kind in _OF_FEATURES:
        return _of_features(kind, drift, spec, aside) if drift else 0.0
    if kind is WatchKind.PERFORMANCE and seen.performance and seen.promotion:
        return seen.performance.fall - seen.promotion.fall
    found = {
        WatchKind.PREDICTIONS: (seen.prediction_psi or 0.0) / _MOST_PSI,
        WatchKind.TARGET: (seen.target_psi or 0.0) / _MOST_PSI,
        WatchKind.ESTIMATE: seen.estimate.fall if seen.estimate else 0.0,
        WatchKind.ATTRIBUTION: seen.attribution.change if seen.attribution else 0.0,
        WatchKind.CALIBRATION: abs(seen.gap.value) if seen.gap else 0.0,
        WatchKind.SLICES: seen.slices[0].further if seen.slices else 0.0,
    }
    return found.get(kind, 0.0)


def _of_features(
    kind: WatchKind, drift: Drift, spec: MonitoringSpec, aside: Collection[str]
) -> float:
    others = {name: each for name, each in drift.features.items() if name not in aside}
    if kind is WatchKind.NOVELTY:
        known = sum(each.new for name, each in drift.features.items() if name in aside)
        most = max((each.new for each in others.values()), default=0.0)
        left = max(drift.novelty - known, most)
        return left if left > spec.max_novelty else 0.0
    if kind is WatchKind.STALENESS:
        return _moved(others[name] for name in drift.moved_values(spec.psi) if name in others)
    sure = [each for each in others.values() if each.beyond_chance]
    severe = sum(each.importance * min(each.psi, 1.0) for each in sure) > spec.severity
    return _moved(each for each in sure if each.psi > spec.psi) if severe else 0.0


def _moved(features: Iterable[FeatureDrift]) -> float:
    """The mean share of rows that must differ in each, weighted by importance."""
    found = [(each.importance, _differing(each)) for each in features]
    total = sum(weight for weight, _ in found)
    if not total > 0:
        return max((share for _, share in found), default=0.0)
    return sum(weight * share for weight, share in found) / total


def _differing(feature: FeatureDrift) -> float:
    """The least share of rows that differ in a feature.

    Source:
        Lin, Divergence Measures Based on the Shannon Entropy (1991): the divergence is at most
        ln 2 times the total variation, which KS and the share of new values are at most, too.
    """
    shannon = feature.jensen_shannon**2 / _LN_2
    return max(feature.ks or 0.0, feature.new, shannon, feature.psi / _MOST_PSI)


def _own(faults: Iterable[Fault], seen: Observation) -> set[str]:
    """Features of which faults of their values explain how far they moved."""
    known = seen.drift.features if seen.drift else {}
    return {
        name
        for each in faults
        for name, share in each.values.items()
        if name in known and share * each.reach >= _differing(known[name])
    }


def _touched(faults: Iterable[Fault], seen: Observation) -> float:
    """How much of all that a prediction is made of faults can move.

    That is as many rows as they reach, and of a feature what it weighs.
    """
    known = seen.drift.features if seen.drift else {}
    values: dict[str, float] = {}
    rows = 0.0
    for each in faults:
        rows += 0.0 if each.values else each.share * each.reach
        for name, share in each.values.items():
            values[name] = max(values.get(name, 0.0), share * each.reach)
    weighed = sum(known[name].importance * share for name, share in values.items() if name in known)
    return min(rows + weighed, REACH)

"""Rules about the world and the champion: what moved, and what its predictions were worth."""

from collections.abc import Iterator
from typing import Final

from infra.errors import few
from tasks.metrics import direction
from tasks.monitoring.causes import Observation, Rule, cause, counted, weight
from tasks.monitoring.coverage import length
from tasks.monitoring.performance import Performance, lower_bound
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind

_SURE: Final = 1.96
"""Standard errors beyond which a gap is no chance, at 95 %."""


def _target(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    limit = spec.max_target_psi
    if seen.target_psi is None or limit is None:
        return
    if seen.target_psi > max(limit, seen.target_chance):
        yield cause(
            WatchKind.TARGET,
            Action.ALERT,
            f"The labels moved: PSI {seen.target_psi:.2f} against the training rows, above "
            f"{limit:g}.",
            weight(seen.target_psi, limit),
            seen.labelled,
        )


def _estimate(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    estimate = seen.estimate
    if estimate is None:
        return
    limit = spec.max_drop if direction(estimate.metric) > 0 else spec.max_error_growth
    beyond = estimate.fall > max(limit, _SURE * estimate.fall_noise)
    yield cause(
        WatchKind.ESTIMATE,
        Action.ALERT if beyond else Action.REST,
        f"Before labels: {estimate.metric} of about {estimate.value:.3f}, by the champion's own "
        f"confidence in {estimate.rows:,} rows; on its holdout that said {estimate.expected:.3f}.",
        weight(estimate.fall, limit) if beyond else 0.0,
        estimate.rows,
    )


def _worth(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.worth is None or spec.value is None:
        return
    worth, least = seen.worth, spec.value.least
    short = least is not None and worth.each < least
    scale = abs(least) if least else spec.value.largest
    told = f"The predictions were worth {worth.total:,.0f} {spec.value.currency}, "
    told += f"{worth.each:,.2f} a row; without them it were {worth.without:,.0f}"
    yield cause(
        WatchKind.VALUE,
        Action.ALERT if short else Action.REST,
        f"{told}. At least {least:,.2f} a row is wanted." if short else f"{told}.",
        weight(scale + least - worth.each, scale) if short and least is not None else 0.0,
        worth.rows,
    )


def _performance(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    now, then = seen.performance, seen.promotion
    if now is None or then is None:
        return
    more = now.fall - then.fall
    sure = lower_bound(now, then, spec.confidence) > 0
    limit = spec.max_drop if direction(now.metric) > 0 else spec.max_error_growth
    fails = now.fall > limit and more > spec.margin and sure
    yield cause(
        WatchKind.PERFORMANCE,
        Action.RETRAIN if fails else Action.REST,
        f"{now.metric} is {now.value:.3f} on {now.rows:,} labels, {now.expected:.3f} was expected "
        f"of these rows: {_signed(now)} (at its promotion {_signed(then)})"
        + (f", more than {limit:g} and {more:.3f} worse than then." if fails else "."),
        weight(now.fall, limit) if fails else 0.0,
        now.rows,
    )


def _of_another(seen: Observation, _: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.others and seen.others < seen.scored:
        yield cause(
            WatchKind.PERFORMANCE,
            Action.REST,
            f"{seen.others:,} of {counted(seen.scored, 'prediction')} are of another version than "
            f"{seen.champion}, which is in charge: it is judged by its own.",
            rows=seen.others,
        )
    elif seen.scored_by != seen.champion:
        yield cause(
            WatchKind.PERFORMANCE,
            Action.ALERT,
            f"The predictions are of version {seen.scored_by}, but version {seen.champion} is in "
            "charge: its performance on this window is not known.",
        )


def _profiled(seen: Observation, _: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.profiled:
        yield cause(
            WatchKind.FEATURES,
            Action.ALERT,
            f"Version {seen.champion} was registered before versions had a profile: drift of "
            "features, predictions and target is not judged until one that has it is in charge.",
        )


def _novelty(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.drift is None or seen.drift.novelty <= spec.max_novelty:
        return
    each = seen.drift.features
    most = sorted(each, key=lambda name: -each[name].new)[:3]
    listed = few([f"{name} {each[name].new:.0%}" for name in most if each[name].new > 0])
    action = Action.RETRAIN if seen.performance else Action.ASK
    unknown = "" if seen.performance else " No labels tell whether that hurts."
    yield cause(
        WatchKind.NOVELTY,
        action,
        f"{seen.drift.novelty:.0%} of the rows lie beyond what the champion learned from "
        f"({listed}); it extrapolates above {spec.max_novelty:.0%}.{unknown}",
        weight(seen.drift.novelty, spec.max_novelty),
        round(seen.drift.novelty * seen.rows),
    )


def _moved(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.drift is None:
        return
    moved = seen.drift.moved(spec.psi)
    severe = seen.drift.severity > spec.severity
    most = few([f"{name} {value:.2f}" for name, value in list(moved.items())[:3]])
    head = f"{len(moved)} of {len(seen.drift.features)} features moved (PSI above {spec.psi:g}"
    sentence = f"{head}: {most})" if moved else f"{head})"
    weighed = f"weighted by importance that is {seen.drift.severity:.2f}"
    if severe:
        action = Action.ALERT if seen.performance else Action.ASK
        said = f"{sentence}; {weighed}, severe above {spec.severity:g}."
        yield cause(
            WatchKind.FEATURES, action, said, weight(seen.drift.severity, spec.severity), seen.rows
        )
    elif moved:
        yield cause(
            WatchKind.FEATURES,
            Action.REST,
            f"{sentence}; {weighed}, not severe below {spec.severity:g}, and "
            f"{seen.drift.novelty:.0%} of the rows are beyond the training data.",
            rows=seen.rows,
        )


def _stale(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    # A feature that lost values has not moved: a training would learn the loss.
    moved = seen.drift.moved_values(spec.psi) if seen.drift else ()
    if seen.performance and moved and seen.staleness > spec.max_staleness:
        yield cause(
            WatchKind.STALENESS,
            Action.RETRAIN,
            f"Features moved, and {seen.staleness:.0%} as many labelled rows have come since as "
            f"the champion learned from; it is stale above {spec.max_staleness:.0%}.",
            weight(seen.staleness, spec.max_staleness),
            seen.labelled,
        )


def _aged(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    ages = (
        ("The champion was trained", seen.age, spec.max_age),
        ("The newest window was over", seen.data_age, spec.max_data_age),
    )
    for head, age, limit in ages:
        if age is not None and limit is not None and age > limit:
            said = f"{head} {length(age)} ago; {length(limit)} is the most."
            yield cause(WatchKind.STALENESS, Action.ALERT, said, weight(age / limit, 1))


def _predictions(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.prediction_psi is None:
        return
    if seen.prediction_psi > max(spec.max_prediction_psi, seen.prediction_chance):
        yield cause(
            WatchKind.PREDICTIONS,
            Action.ALERT,
            f"The predictions moved: PSI {seen.prediction_psi:.2f} against the holdout, above "
            f"{spec.max_prediction_psi:g}.",
            weight(seen.prediction_psi, spec.max_prediction_psi),
            seen.scored,
        )


def _calibration(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    gap, limit = seen.gap, spec.max_calibration_gap
    if gap is None or limit is None:
        return
    if abs(gap.value) > limit and abs(gap.value) > _SURE * gap.noise:
        yield cause(
            WatchKind.CALIBRATION,
            Action.ALERT,
            f"The mean prediction is {gap.predicted:.3f}, the mean label {gap.happened:.3f}: a "
            f"calibration gap of {gap.value:+.3f}, beyond {limit:g}.",
            weight(abs(gap.value), limit),
            seen.labelled,
        )


def _attribution(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    found = seen.attribution
    if found is None or spec.attribution is None:
        return
    limit = spec.attribution.max_change
    beyond = found.change > max(limit, found.chance)
    shares = [f"{name} {found.then[name]:.0%} to {found.now[name]:.0%}" for name in found.most(3)]
    yield cause(
        WatchKind.ATTRIBUTION,
        Action.ALERT if beyond else Action.REST,
        f"{found.change:.0%} of what features contribute to the predictions moved from some to "
        f"others ({few(shares)}); {limit:.0%} may, and chance alone makes {found.chance:.0%}.",
        weight(found.change, limit) if beyond else 0.0,
        found.rows,
    )


def _slices(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    """The worst slice, and which others fail; that none does is told too."""
    if not seen.slices:
        return
    worst, failing = seen.slices[0], [each for each in seen.slices if each.beyond]
    name = f"{worst.column}={worst.value}"
    did = (
        f"{worst.metric} {worst.now:.3f} on {worst.rows:,} labels, {worst.expected:.3f} was "
        f"expected of these rows"
    )
    if not failing:
        yield cause(
            WatchKind.SLICES,
            Action.REST,
            f"Of {len(seen.slices)} slices none fails; the nearest to it is {name} ({did}).",
        )
        return
    others = [f"{each.column}={each.value}" for each in failing[1:]]
    also = f" So do {few(others)}." if others else ""
    yield cause(
        WatchKind.SLICES,
        Action.ALERT,
        f"{len(failing)} of {len(seen.slices)} slices fall short, the worst {name}: {did}, "
        f"{worst.further:.3f} further short than at its promotion. That chance explains one of so "
        f"many is {worst.chance:.1%}.{also}",
        weight(worst.fall, spec.max_drop if direction(worst.metric) > 0 else spec.max_error_growth),
        sum(each.rows for each in failing),
    )


def _signed(performance: Performance) -> str:
    if direction(performance.metric) > 0:
        return f"{-performance.fall:+.3f}"
    return f"{performance.fall:+.1%}"


RULES: Final[tuple[Rule, ...]] = (
    _performance,
    _of_another,
    _profiled,
    _novelty,
    _stale,
    _aged,
    _calibration,
    _predictions,
    _target,
    _moved,
    _estimate,
    _worth,
    _slices,
    _attribution,
)

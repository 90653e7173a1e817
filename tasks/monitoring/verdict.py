"""The verdict of a window: rest, alert, ask or retrain, each with its reasons.

Three things ask for a training: the window lies beyond what the champion learned from; the
champion falls short of its own confidence by more than when it was promoted; features moved and
nearly as many labelled rows have come since as it learned from. A fault of the data turns that
into a question, because a training would learn the fault. The rest alerts. What is done about it
is the policy's to say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from infra.errors import few
from tasks.metrics import direction
from tasks.monitoring.drift import Drift
from tasks.monitoring.performance import Gap, Performance, lower_bound
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind

_SURE: Final = 1.96
"""Standard errors beyond which a gap is no chance, at 95 %."""


@dataclass(frozen=True)
class Observation:
    """What was seen of one window; None where it could not be told.

    Attributes:
        rows: of the window.
        scored: rows with a prediction.
        labelled: rows with a prediction and a label known by now.
        drift: features against the training rows.
        prediction_psi: predictions against those on the holdout.
        target_psi: labels against those of the training rows.
        performance: on the window's labels.
        promotion: on the champion's holdout, when it was promoted.
        gap: mean prediction minus mean label.
        staleness: labelled rows that came since training, as a share of those learned from.
        scored_by: version whose predictions they are.
        champion: version in charge.
        profiled: what the champion learned from is on record.
    """

    rows: int
    scored: int
    labelled: int
    drift: Drift | None = None
    prediction_psi: float | None = None
    target_psi: float | None = None
    performance: Performance | None = None
    promotion: Performance | None = None
    gap: Gap | None = None
    staleness: float = 0.0
    scored_by: int = 0
    champion: int = 0
    profiled: bool = True


class Judgement(NamedTuple):
    """What follows from a window: the reasons in sentences, the same as causes by kind."""

    action: Action
    reasons: tuple[str, ...]
    causes: tuple[VerdictCause, ...]


def judge(seen: Observation, spec: MonitoringSpec) -> Judgement:
    """What follows from a window, and why: what asks for most first, then the heaviest."""
    reasons = [reason for rule in _RULES for reason in rule(seen, spec)]
    faults = [reason for rule in _DATA_RULES for reason in rule(seen, spec)]
    causes = tuple(sorted([*reasons, *faults], key=_gravity, reverse=True))
    sentences = tuple(each.sentence for each in causes)
    action = causes[0].action if causes else Action.REST
    if action is Action.RETRAIN and any(fault.action is not Action.REST for fault in faults):
        said = "A training now would learn the fault of the data: a person decides."
        return Judgement(Action.ASK, (said, *sentences), causes)
    return Judgement(action, sentences, causes)


def unjudged(seen: Observation, spec: MonitoringSpec) -> tuple[str, ...]:
    """What could not be judged of a window, each with why."""
    if not seen.rows:
        return ("Everything: the window has no rows.",)
    few_rows = f"{seen.rows:,} of the {spec.min_rows:,} rows that it takes"
    found = []
    if not seen.profiled:
        found.append(f"Drift: version {seen.champion} has no profile.")
    elif seen.drift is None:
        found.append(f"Drift: the window has {few_rows}.")
    if seen.performance is None:
        found.append(f"Performance: {_why_unknown(seen, spec)}.")
    return tuple(found)


def _why_unknown(seen: Observation, spec: MonitoringSpec) -> str:
    if seen.scored_by != seen.champion:
        return f"version {seen.scored_by} predicted the window, and not the champion"
    if seen.labelled < spec.min_rows:
        return f"{seen.labelled:,} of the {spec.min_rows:,} labels that it takes are known"
    return "the metric cannot be told of these labels"


def _weight(value: float, limit: float) -> float:
    """How far a value is beyond its limit: 0 within it, 0.5 at twice, towards 1 without end."""
    if not value > limit:
        return 0.0
    return 1 - limit / value if value < float("inf") else 1.0


def _cause(
    kind: WatchKind, action: Action, sentence: str, weight: float = 0.0, rows: int = 0
) -> VerdictCause:
    return VerdictCause(kind=kind, action=action, weight=weight, sentence=sentence, rows=rows)


def _rows(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.rows:
        yield _cause(WatchKind.VOLUME, Action.ALERT, "The window has no rows.", 1.0)
    elif seen.rows < spec.min_rows:
        yield _cause(
            WatchKind.VOLUME,
            Action.ALERT,
            f"The window has {seen.rows:,} rows; fewer than {spec.min_rows:,} are not judged.",
            _weight(spec.min_rows, seen.rows),
        )


def _scored(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    missing = seen.rows - seen.scored
    if seen.rows and missing / seen.rows > spec.max_unscored:
        yield _cause(
            WatchKind.MISSING,
            Action.ALERT,
            f"{missing:,} of {seen.rows:,} rows ({missing / seen.rows:.1%}) have no prediction; "
            f"{spec.max_unscored:.1%} may.",
            _weight(missing / seen.rows, spec.max_unscored),
            missing,
        )
    if seen.scored_by != seen.champion:
        yield _cause(
            WatchKind.PERFORMANCE,
            Action.ALERT,
            f"The predictions are of version {seen.scored_by}, but version {seen.champion} is in "
            "charge: its performance on this window is not known.",
        )


def _labelled(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.scored or seen.rows < spec.min_rows:
        return
    missing = seen.scored - seen.labelled
    if not seen.labelled:
        sentence = f"None of the {seen.scored:,} predictions has a label yet."
        yield _cause(WatchKind.COVERAGE, Action.ALERT, sentence, 1.0, missing)
    elif seen.labelled < spec.min_rows:
        yield _cause(
            WatchKind.COVERAGE,
            Action.ALERT,
            f"{seen.labelled:,} rows have a label; fewer than {spec.min_rows:,} are not judged.",
            _weight(spec.min_rows, seen.labelled),
            missing,
        )
    elif missing / seen.scored > spec.max_unlabelled:
        yield _cause(
            WatchKind.COVERAGE,
            Action.ALERT,
            f"{missing:,} of {seen.scored:,} predictions ({missing / seen.scored:.1%}) have no "
            f"label yet; {spec.max_unlabelled:.1%} may.",
            _weight(missing / seen.scored, spec.max_unlabelled),
            missing,
        )


def _profiled(seen: Observation, _: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.profiled:
        yield _cause(
            WatchKind.FEATURES,
            Action.ALERT,
            f"Version {seen.champion} was registered before versions had a profile: drift of "
            "features, predictions and target is not judged until one that has it is in charge.",
        )


def _quality(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.drift is None:
        return
    rises = {
        name: (each.missing_before, each.missing)
        for name, each in seen.drift.features.items()
        if each.missing - each.missing_before > spec.max_missing
    }
    if rises:
        listed = [f"{name} {before:.0%} to {after:.0%}" for name, (before, after) in rises.items()]
        most = max(after - before for before, after in rises.values())
        yield _cause(
            WatchKind.QUALITY,
            Action.ALERT,
            f"Missing values rose by more than {spec.max_missing:.0%}: {few(listed)}.",
            _weight(most, spec.max_missing),
        )


def _novelty(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.drift is None or seen.drift.novelty <= spec.max_novelty:
        return
    each = seen.drift.features
    most = sorted(each, key=lambda name: -each[name].new)[:3]
    listed = few([f"{name} {each[name].new:.0%}" for name in most if each[name].new > 0])
    action = Action.RETRAIN if seen.performance else Action.ASK
    unknown = "" if seen.performance else " No labels tell whether that hurts."
    yield _cause(
        WatchKind.NOVELTY,
        action,
        f"{seen.drift.novelty:.0%} of the rows lie beyond what the champion learned from "
        f"({listed}); it extrapolates above {spec.max_novelty:.0%}.{unknown}",
        _weight(seen.drift.novelty, spec.max_novelty),
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
        weight = _weight(seen.drift.severity, spec.severity)
        yield _cause(WatchKind.FEATURES, action, said, weight)
    elif moved:
        yield _cause(
            WatchKind.FEATURES,
            Action.REST,
            f"{sentence}; {weighed}, not severe below {spec.severity:g}, and "
            f"{seen.drift.novelty:.0%} of the rows are beyond the training data.",
        )


def _stale(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    moved = seen.drift.moved(spec.psi) if seen.drift else {}
    if seen.performance and moved and seen.staleness > spec.max_staleness:
        yield _cause(
            WatchKind.STALENESS,
            Action.RETRAIN,
            f"Features moved, and {seen.staleness:.0%} as many labelled rows have come since as "
            f"the champion learned from; it is stale above {spec.max_staleness:.0%}.",
            _weight(seen.staleness, spec.max_staleness),
        )


def _predictions(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if seen.prediction_psi is not None and seen.prediction_psi > spec.max_prediction_psi:
        yield _cause(
            WatchKind.PREDICTIONS,
            Action.ALERT,
            f"The predictions moved: PSI {seen.prediction_psi:.2f} against the holdout, above "
            f"{spec.max_prediction_psi:g}.",
            _weight(seen.prediction_psi, spec.max_prediction_psi),
        )


def _performance(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    now, then = seen.performance, seen.promotion
    if now is None or then is None:
        return
    more = now.fall - then.fall
    sure = lower_bound(now, then, spec.confidence) > 0
    limit = spec.max_drop if direction(now.metric) > 0 else spec.max_error_growth
    fails = now.fall > limit and more > spec.margin and sure
    yield _cause(
        WatchKind.PERFORMANCE,
        Action.RETRAIN if fails else Action.REST,
        f"{now.metric} is {now.value:.3f} on {now.rows:,} labels, {now.expected:.3f} was expected "
        f"of these rows: {_signed(now)} (at its promotion {_signed(then)})"
        + (f", more than {limit:g} and {more:.3f} worse than then." if fails else "."),
        _weight(now.fall, limit) if fails else 0.0,
        now.rows,
    )


def _calibration(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    gap, limit = seen.gap, spec.max_calibration_gap
    if gap is None or limit is None:
        return
    if abs(gap.value) > limit and abs(gap.value) > _SURE * gap.noise:
        yield _cause(
            WatchKind.CALIBRATION,
            Action.ALERT,
            f"The mean prediction is {gap.predicted:.3f}, the mean label {gap.happened:.3f}: a "
            f"calibration gap of {gap.value:+.3f}, beyond {limit:g}.",
            _weight(abs(gap.value), limit),
            seen.labelled,
        )


def _signed(performance: Performance) -> str:
    if direction(performance.metric) > 0:
        return f"{-performance.fall:+.3f}"
    return f"{performance.fall:+.1%}"


def _gravity(cause: VerdictCause) -> tuple[int, float]:
    return cause.action.rank, cause.weight


Rule = Callable[[Observation, MonitoringSpec], Iterator[VerdictCause]]

_DATA_RULES: Final[tuple[Rule, ...]] = (_rows, _scored, _labelled, _quality)
_RULES: Final[tuple[Rule, ...]] = (
    _performance,
    _profiled,
    _novelty,
    _stale,
    _calibration,
    _predictions,
    _moved,
)

"""From frames to what the verdict is about."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from infra.errors import DataError
from tasks.data.spec import LabelSpec
from tasks.metrics import score
from tasks.monitoring.drift import Drift, compare
from tasks.monitoring.performance import (
    Performance,
    Scored,
    calibration,
    lower_bound,
    metrics_of,
    perform,
)
from tasks.monitoring.picture import Course
from tasks.monitoring.sources import scored_rows
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.statistics import categorical_psi, psi
from tasks.monitoring.verdict import Observation, Tried
from tasks.references import Champion, Predictions


@dataclass(frozen=True)
class Watched:
    """The frames of one window, and who is judged by them."""

    predictions: Predictions
    champion: Champion
    reference: pd.DataFrame
    window: pd.DataFrame
    holdout: pd.DataFrame
    past: dict[str, pd.DataFrame]
    since: int
    label: LabelSpec
    metric: str
    tried: Tried | None = None


def observe(watched: Watched, spec: MonitoringSpec) -> Observation:
    """What is seen of a window; statistics of fewer rows than `min_rows` are left out."""
    window, label = watched.window, watched.label
    said = window["prediction"].notna()
    scored = scored_rows(window, label)
    enough = len(window) >= spec.min_rows
    told = enough and len(scored.labels) >= spec.min_rows
    mine = watched.predictions.model_version == watched.champion.version
    now, then = _performances(watched, scored) if told and mine else (None, None)
    return Observation(
        rows=len(window),
        scored=int(said.sum()),
        labelled=len(scored.labels),
        drift=_drift(watched) if enough else None,
        prediction_psi=_prediction_psi(watched, window[said]) if enough and said.any() else None,
        performance=now,
        promotion=then,
        gap=calibration(scored) if told else None,
        staleness=watched.since / watched.champion.candidate.fitted.rows,
        scored_by=watched.predictions.model_version,
        champion=watched.champion.version,
        tried=watched.tried,
    )


def numbers(watched: Watched, seen: Observation, spec: MonitoringSpec) -> dict[str, float]:
    """Every number behind a verdict by name: metrics of the labels, then what they are held to."""
    found: dict[str, float] = {}
    if seen.labelled:
        found |= metrics_of(scored_rows(watched.window, watched.label))
    now, then = seen.performance, seen.promotion
    if now and then:
        found[f"expected_{now.metric}"] = now.expected
        found[f"holdout_{now.metric}"] = then.value
        found["fall"] = now.fall
        found["fall_at_promotion"] = then.fall
        found["further_fall_at_least"] = lower_bound(now, then, spec.confidence)
    if seen.drift:
        found["severity"] = seen.drift.severity
        found["novelty"] = seen.drift.novelty
        found["staleness"] = seen.staleness
    if seen.prediction_psi is not None:
        found["prediction_psi"] = seen.prediction_psi
    if seen.scored:
        found["unlabelled"] = 1 - seen.labelled / seen.scored
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def course(watched: Watched, seen: Observation) -> Course:
    """The metric of every window up to this one of which it can be told."""
    rows = {name: scored_rows(frame, watched.label) for name, frame in watched.past.items()}
    found = {
        name: score(watched.metric, each.kind, each.labels, each.predictions)
        for name, each in rows.items()
    }
    if seen.performance:
        found[watched.predictions.window] = seen.performance.value
    values = {name: value for name, value in found.items() if np.isfinite(value)}
    return Course(metric=watched.metric, values=values, now=seen.performance)


def _performances(
    watched: Watched, scored: Scored
) -> tuple[Performance | None, Performance | None]:
    evaluation, metric = watched.champion.candidate.evaluation, watched.metric
    if metric not in evaluation.metrics:
        raise DataError(
            f"Version {watched.champion.version} was never measured by {metric}.",
            hint=f"Train again: evaluation.metric was changed to {metric} since.",
        )
    holdout, seed = evaluation.metrics[metric], int(watched.predictions.digest[:8], 16)
    then = perform(scored_rows(watched.holdout, watched.label), metric, holdout, seed)
    now = perform(scored, metric, holdout, seed)
    return (now, then) if now and then else (None, None)


def _drift(watched: Watched) -> Drift:
    table = watched.champion.candidate.fitted.split.table
    gone = [name for name in table.features if name not in watched.window]
    if gone:
        raise DataError(
            f"The window lacks {len(gone)} features of version {watched.champion.version}: "
            f"{', '.join(gone[:5])}.",
            hint="Keep those features until a champion without them is in charge.",
        )
    return compare(
        watched.reference,
        watched.window[list(table.features)],
        table.categorical,
        watched.champion.candidate.evaluation.importances,
    )


def _prediction_psi(watched: Watched, said: pd.DataFrame) -> float:
    before, after = watched.holdout["prediction"], said["prediction"]
    if watched.label.kind == "multiclass":
        return categorical_psi(before, after)
    return psi(before.to_numpy(dtype=np.float64), after.to_numpy(dtype=np.float64))

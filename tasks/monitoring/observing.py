"""From frames to what the verdict is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from infra.errors import DataError
from tasks.data.spec import LabelSpec
from tasks.metrics import Array
from tasks.monitoring.attribution import Attribution, Contributions, attribution
from tasks.monitoring.causes import Observation
from tasks.monitoring.coverage import Coverage, coverage
from tasks.monitoring.drift import FALSE_ALARMS, Drift, compare
from tasks.monitoring.feed import Bounds, Feed, bounds, come, feed
from tasks.monitoring.learned import PREDICTION, Learned
from tasks.monitoring.one_class import OneClass, one_class
from tasks.monitoring.performance import (
    Performance,
    Scored,
    calibration,
    estimated,
    lower_bound,
    metrics_of,
    perform,
)
from tasks.monitoring.picture import Course
from tasks.monitoring.rosters import Absence, absences
from tasks.monitoring.sketches.columns import NumberColumn
from tasks.monitoring.sketches.profiles import Profile
from tasks.monitoring.slices import Yardstick, slices
from tasks.monitoring.sources import (
    VERSION,
    Seen,
    class_names,
    labelled_rows,
    said_rows,
    scored_rows,
)
from tasks.monitoring.spec import MonitoringSpec, RosterSpec
from tasks.monitoring.spikes import Renaming, Spike, far, renaming, spike
from tasks.monitoring.worth import worth
from tasks.references import Champion, Incident, Predictions, SliceResult
from tasks.windows import first_day

_ERROR = FALSE_ALARMS / 2
"""Of the predictions and of the labels, each: chance alone moves either in no more windows."""


@dataclass(frozen=True)
class Watched:
    """What is read of one window, and who is judged by it.

    Attributes:
        predictions: whose window it is.
        champion: who is in charge.
        learned: what the champion learned from; None for a version without a profile.
        features: of the window, counted on that; None where it is missing or there are too few.
        window: labels and predictions of the window's rows.
        holdout: likewise, of the champion's holdout.
        since: labelled rows that came after those that the champion learned from.
        usual_rows: that a window of as many days has; None for too few windows before it.
        label: what is predicted.
        metric: what performance is measured by.
        as_of: the time of looking; without it ages are not told.
        timezone: in which windows begin and end.
        repeated: predictions of a row that has one already.
        strangers: predictions of rows that the window does not have.
        rosters: who must have a prediction: as declared, and by name.
        incident: what the contract did not let pass whole of the window's batch.
        newest: the end of the newest window that is there.
        contributions: of the features; None where they are not declared, or there is no profile.
    """

    predictions: Predictions
    champion: Champion
    learned: Learned | None
    features: Seen | None
    window: pd.DataFrame
    holdout: pd.DataFrame
    since: int
    usual_rows: float | None
    label: LabelSpec
    metric: str
    as_of: datetime | None = None
    timezone: str = "UTC"
    repeated: int = 0
    strangers: int = 0
    rosters: tuple[tuple[RosterSpec, frozenset[str]], ...] = ()
    incident: Incident | None = None
    newest: datetime | None = None
    contributions: Contributions | None = None

    @property
    def within(self) -> Bounds | None:
        """The ends of the window."""
        return bounds(self.predictions.window, self.timezone)

    @cached_property
    def own(self) -> pd.DataFrame:
        """The rows that the champion itself predicted: those of another say nothing about it."""
        whose = self.window.get(VERSION)
        if whose is None:
            mine = self.predictions.model_version == self.champion.version
            return self.window if mine else self.window.head(0)
        own = (whose == self.champion.version) & self.window[PREDICTION].notna()
        others = whose.notna() & (whose != self.champion.version)
        return self.window[own] if others.any() else self.window

    @cached_property
    def sampled(self) -> tuple[tuple[str, NumberColumn, Array], ...]:
        """Each feature of numbers with the sample of its values that is at hand."""
        if self.learned is None or self.features is None:
            return ()
        return tuple(
            (name, column, _floats(self.features.sample[name]))
            for name, column in self.learned.features.columns.items()
            if isinstance(column, NumberColumn)
        )


def observe(watched: Watched, spec: MonitoringSpec) -> Observation:
    """What is seen of a window; statistics of fewer rows than `min_rows` are left out."""
    window, label, known = watched.window, watched.label, watched.learned
    said, own_said = (int(each[PREDICTION].notna().sum()) for each in (window, watched.own))
    scored, labelled = scored_rows(watched.own, label), len(labelled_rows(window, label))
    enough = len(window) >= spec.min_rows
    told = enough and len(scored.labels) >= spec.min_rows
    now, then = _performances(watched, scored) if told else (None, None)
    can_say = enough and len(watched.own) >= spec.min_rows
    said_psi, said_chance = _psi(
        known.predictions if known and can_say else None, watched.own[PREDICTION]
    )
    came = enough and labelled >= spec.min_rows
    target_psi, target_chance = _psi(known.target if known and came else None, window[label.name])
    return Observation(
        rows=len(window),
        scored=said,
        labelled=labelled,
        drift=_drift(watched),
        prediction_psi=said_psi,
        prediction_chance=said_chance,
        target_psi=target_psi,
        target_chance=target_chance,
        profiled=known is not None,
        usual_rows=watched.usual_rows,
        estimate=_estimated(watched) if can_say and not told else None,
        worth=worth(scored, spec.value) if told and spec.value else None,
        performance=now,
        promotion=then,
        gap=calibration(scored) if told else None,
        staleness=watched.since / watched.champion.candidate.fitted.rows,
        scored_by=watched.predictions.model_version,
        champion=watched.champion.version,
        others=said - own_said,
        own_labels=len(scored.labels),
        coverage=_coverage(watched),
        feed=_feed(watched, spec),
        absences=_absences(watched),
        incident=watched.incident,
        age=_since(watched, watched.champion.candidate.as_of),
        data_age=_since(watched, watched.newest),
        slices=_slices(watched, then, spec) if then else (),
        attribution=_attribution(watched),
        spikes=tuple(found for each in watched.sampled if (found := spike(*each))),
        renamings=_renamings(watched),
        prediction_spike=_spike(known.predictions, watched.own[PREDICTION])
        if known and can_say
        else None,
        label_spike=_spike(known.target, window[label.name])
        if known and enough and label.kind == "regression"
        else None,
        outside=_outside(watched),
        far=tuple(away for each in watched.sampled if (away := far(*each))),
        one_class=_one_class(watched, scored) if told else None,
    )


def numbers(watched: Watched, seen: Observation, spec: MonitoringSpec) -> dict[str, float]:
    """Every number behind a verdict by name: metrics of the labels, then what they are held to."""
    found: dict[str, float] = {}
    if seen.labelled:
        rows = watched.own if seen.own_labels else watched.window
        found |= metrics_of(scored_rows(rows, watched.label))
    found |= _of_performance(seen, spec)
    if seen.drift:
        found["severity"] = seen.drift.severity
        found["novelty"] = seen.drift.novelty
        found["staleness"] = seen.staleness
    if seen.attribution:
        found["attribution_change"] = seen.attribution.change
    shifts = {"prediction_psi": seen.prediction_psi, "target_psi": seen.target_psi}
    found |= {name: value for name, value in shifts.items() if value is not None}
    if seen.gap:
        found["calibration_gap"] = seen.gap.value
    found |= _of_features(seen)
    found |= _of_arrival(seen)
    if seen.age is not None:  # that of the data is told elsewhere: later windows change it
        found["champion_days"] = seen.age.total_seconds() / 86_400
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def _of_performance(seen: Observation, spec: MonitoringSpec) -> dict[str, float]:
    found: dict[str, float] = {}
    now, then = seen.performance, seen.promotion
    if now and then:
        found[f"expected_{now.metric}"] = now.expected
        found[f"holdout_{now.metric}"] = then.value
        found["fall"] = now.fall
        found["fall_at_promotion"] = then.fall
        found["further_fall_at_least"] = lower_bound(now, then, spec.confidence)
    if seen.estimate:
        found[f"estimated_{seen.estimate.metric}"] = seen.estimate.value
    if seen.worth:
        found["value"] = seen.worth.total
        found["value_gained"] = seen.worth.total - seen.worth.without
    return found


def _of_features(seen: Observation) -> dict[str, float]:
    """Of the feature that is furthest from how it was; a name for each rule of data quality."""
    features = list(seen.drift.features.values()) if seen.drift else []
    if not features:
        return {}
    return {
        "missing_rise": max(each.missing - each.missing_before for each in features),
        "distinct_change": max(max(each.coarser, each.finer) for each in features),
        "stuck_features": sum(each.stuck for each in features),
    }


def _of_arrival(seen: Observation) -> dict[str, float]:
    """How rows, labels and predictions came."""
    found: dict[str, float] = {}
    if seen.rows:
        feed = seen.feed
        found["unscored"] = 1 - seen.scored / seen.rows
        found["set_aside"] = seen.incident.share if seen.incident else 0.0
        found["impossible_rows"] = feed.repeated + feed.strangers + feed.astray + feed.foretold
        found |= {"volume": seen.rows / seen.usual_rows} if seen.usual_rows else {}
    if seen.scored:
        found["unlabelled"] = 1 - seen.labelled / seen.scored
    if seen.coverage and seen.coverage.overdue:
        found["overdue"] = seen.coverage.overdue
        found["overdue_days"] = seen.coverage.overdue_for.total_seconds() / 86_400
    if seen.feed.late:
        found["late"] = seen.feed.late / seen.feed.made
    if seen.feed.early:
        found["early"] = seen.feed.early
    if seen.feed.gap:
        found["silent_hours"] = seen.feed.gap.length.total_seconds() / 3600
    if seen.absences:
        found["absent"] = sum(len(each.names) for each in seen.absences)
    return found


def course(watched: Watched, past: Mapping[str, Mapping[str, float]], seen: Observation) -> Course:
    """The metric of every window up to this one of which it can be told.

    Args:
        watched: the window.
        past: metrics of windows that were judged before, by name.
        seen: of the window.
    """
    metric, window = watched.metric, watched.predictions.window
    start = first_day(window)
    found = {
        name: metrics[metric]
        for name, metrics in sorted(past.items(), key=lambda item: first_day(item[0]))
        if metric in metrics and first_day(name) < start
    }
    if seen.performance:
        found[window] = seen.performance.value
    return Course(metric=metric, values=found, now=seen.performance)


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


def _estimated(watched: Watched) -> Performance | None:
    holdout = scored_rows(watched.holdout, watched.label)
    seed = int(watched.predictions.digest[:8], 16)
    return estimated(said_rows(watched.own, watched.label), holdout, watched.metric, seed)


def _slices(
    watched: Watched, promotion: Performance, spec: MonitoringSpec
) -> tuple[SliceResult, ...]:
    seed = int(watched.predictions.digest[:8], 16)
    yardstick = Yardstick(watched.metric, watched.holdout, promotion, seed)
    return slices(watched.own, watched.label, yardstick, spec)


def _attribution(watched: Watched) -> Attribution | None:
    if watched.contributions is None or watched.features is None or watched.features.sample.empty:
        return None
    seed = int(watched.predictions.digest[:8], 16)
    return attribution(watched.contributions, watched.features.sample, seed)


def _since(watched: Watched, moment: datetime | None) -> timedelta | None:
    return watched.as_of - moment if watched.as_of and moment else None


def _coverage(watched: Watched) -> Coverage | None:
    if watched.as_of is None:
        return None
    return coverage(watched.window, watched.label, watched.within, watched.as_of)


def _drift(watched: Watched) -> Drift | None:
    if watched.learned is None or watched.features is None:
        return None
    importances = watched.champion.candidate.evaluation.importances
    return compare(watched.learned.features, watched.features.sketch, importances)


def _feed(watched: Watched, spec: MonitoringSpec) -> Feed:
    odd = (watched.repeated, watched.strangers)
    return feed(watched.window, watched.within, spec.objective, *odd, watched.as_of)


def _absences(watched: Watched) -> tuple[Absence, ...]:
    now = pd.Timestamp(watched.as_of) if watched.as_of else None
    learned = watched.learned.features if watched.learned else None
    return absences(watched.window, watched.rosters, learned, come(watched.within, now))


def _one_class(watched: Watched, scored: Scored) -> OneClass | None:
    names, label = class_names(watched.own, watched.label), watched.label
    if names != class_names(watched.holdout, label):
        return None
    return one_class(scored, scored_rows(watched.holdout, label), names)


def _renamings(watched: Watched) -> tuple[Renaming, ...]:
    if watched.learned is None or watched.features is None:
        return ()
    sketch = watched.features.sketch.columns
    columns = watched.learned.features.columns
    found = [renaming(name, column, sketch[name]) for name, column in columns.items()]
    return tuple(each for each in found if each)


def _spike(profile: Profile, values: "pd.Series[Any]") -> Spike | None:
    """Likewise, of a profile's one column; None where it holds no numbers."""
    [(name, column)] = profile.columns.items()
    return spike(name, column, _floats(values)) if isinstance(column, NumberColumn) else None


def _floats(values: "pd.Series[Any]") -> Array:
    found: Array = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _outside(watched: Watched) -> int:
    """Predictions that are no chance; of numbers those that are infinite."""
    said = said_rows(watched.window, watched.label).predictions
    if watched.label.kind == "regression":
        return int(np.isinf(said).sum())
    beyond = ~((said >= 0) & (said <= 1))
    return int((beyond.any(axis=1) if beyond.ndim > 1 else beyond).sum())


def _psi(profile: Profile | None, values: "pd.Series[Any]") -> tuple[float | None, float]:
    """PSI of those of the values that are there, None where none is; and what chance makes."""
    if profile is None:
        return None, 0.0
    [(name, column)] = profile.columns.items()
    known = values.dropna().to_frame(name)
    if known.empty:
        return None, 0.0
    sketch = profile.sketch([pa.RecordBatch.from_pandas(known, preserve_index=False)])
    found = column.distances(sketch.columns[name], _ERROR)  # type: ignore[arg-type]  # counted by it
    return found.psi, found.chance

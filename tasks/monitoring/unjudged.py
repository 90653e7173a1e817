"""What could not be judged of a window: nothing that is watched is left out without a word."""

from collections.abc import Iterator

from tasks.monitoring.causes import Observation
from tasks.monitoring.spec import MonitoringSpec


def unjudged(seen: Observation, spec: MonitoringSpec) -> tuple[str, ...]:
    """What could not be judged of a window, each with why."""
    if not seen.rows:
        return ("Everything: the window has no rows.",)
    return (
        *_of_features(seen, spec),
        *_of_labels(seen, spec),
        *_of_arrival(seen, spec),
        *_of_declared(seen, spec),
    )


def _of_features(seen: Observation, spec: MonitoringSpec) -> Iterator[str]:
    few = f"{seen.rows:,} of the {spec.min_rows:,} rows that it takes"
    if not seen.profiled:
        yield f"Drift, data quality: version {seen.champion} has no profile."
    elif seen.drift is None:
        short = seen.rows < spec.min_rows
        why = f"the window has {few}" if short else "its features were not read"
        yield f"Drift, data quality: {why}."
    if seen.profiled and seen.prediction_psi is None and seen.rows >= spec.min_rows:
        yield f"Predictions: the window has {_too_few(seen, spec) if seen.others else 'none'}."


def _of_labels(seen: Observation, spec: MonitoringSpec) -> Iterator[str]:
    """What takes labels, in one line for each reason."""
    enough = seen.labelled >= spec.min_rows
    known = f"{seen.labelled:,} of the {spec.min_rows:,} labels that it takes are known"
    unknown = seen.performance is None
    blind = {
        "performance": unknown,
        "value": unknown and spec.value is not None and seen.worth is None,
        "slices": unknown and spec.slices is not None,
        "calibration": spec.max_calibration_gap is not None and seen.gap is None,
        "target": spec.max_target_psi is not None and seen.target_psi is None and seen.profiled,
    }
    names = [name for name, missing in blind.items() if missing]
    if not enough and names:
        yield f"{', '.join(names).capitalize()}: {known}."
        if seen.estimate is None and seen.performance is None and seen.rows >= spec.min_rows:
            yield f"Estimate: {_why_no_estimate(seen, spec)}."
    elif enough:
        mine = [name for name in names if name != "target"]
        if mine:
            yield f"{', '.join(mine).capitalize()}: {_why_unknown(seen, spec)}."
        if spec.slices and seen.performance and not seen.slices:
            yield f"Slices: none has {spec.slices.min_rows:,} labels."


def _of_arrival(seen: Observation, spec: MonitoringSpec) -> Iterator[str]:
    if spec.max_volume_change is not None and seen.usual_rows is None:
        yield "Volume: what is usual takes three windows before this one, and a day of it."
    if spec.objective and not seen.feed.made:
        yield "Lateness: no prediction says when it was made."


def _of_declared(seen: Observation, spec: MonitoringSpec) -> Iterator[str]:
    for each in seen.absences:
        if not each.roster:
            yield f"Roster {each.column}: nobody stands in it."
    if spec.attribution and seen.attribution is None:
        yield f"Attribution: {_why_no_attribution(seen, spec)}."


def _why_unknown(seen: Observation, spec: MonitoringSpec) -> str:
    if seen.others and seen.others < seen.scored:
        own = seen.own_labels or 0
        if own < spec.min_rows:
            return (
                f"of its labels {own:,} of the {spec.min_rows:,} that it takes are the champion's"
            )
    elif seen.scored_by != seen.champion:
        return f"version {seen.scored_by} predicted the window, and not the champion"
    return "the metric cannot be told of these labels and predictions"


def _too_few(seen: Observation, spec: MonitoringSpec) -> str:
    own = seen.scored - seen.others
    return f"{own:,} of the champion's, and it takes {spec.min_rows:,}"


def _why_no_attribution(seen: Observation, spec: MonitoringSpec) -> str:
    if not seen.profiled:
        return f"version {seen.champion} has no profile"
    if seen.drift is None and seen.rows < spec.min_rows:
        return f"the window has {seen.rows:,} of the {spec.min_rows:,} rows that it takes"
    return "no rows are at hand, or the champion says the same of all of them"


def _why_no_estimate(seen: Observation, spec: MonitoringSpec) -> str:
    if seen.scored_by != seen.champion or seen.others:
        return _why_unknown(seen, spec)
    return "the predictions carry no confidence that the metric could be told by"

"""Rules about the data of a window: its rows, predictions, labels and missing values.

What they find beyond its limit is a fault of the data, which no training should learn.
"""

from collections.abc import Iterator
from typing import Final

from infra.errors import few
from tasks.monitoring.causes import Observation, Rule, cause, weight
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind


def _rows(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.rows:
        yield cause(WatchKind.VOLUME, Action.ALERT, "The window has no rows.", 1.0)
    elif seen.rows < spec.min_rows:
        yield cause(
            WatchKind.VOLUME,
            Action.ALERT,
            f"The window has {seen.rows:,} rows; fewer than {spec.min_rows:,} are not judged.",
            weight(spec.min_rows, seen.rows),
        )


def _volume(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    limit = spec.max_volume_change
    if limit is None or not seen.usual_rows or not seen.rows:
        return
    share = seen.rows / seen.usual_rows
    if abs(share - 1) > limit:
        yield cause(
            WatchKind.VOLUME,
            Action.ALERT,
            f"The window has {seen.rows:,} rows, {share:.0%} of the {seen.usual_rows:,.0f} that "
            f"are usual for its days; a change of {limit:.0%} is let pass.",
            weight(abs(share - 1), limit),
        )


def _scored(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    missing = seen.rows - seen.scored
    if seen.rows and missing / seen.rows > spec.max_unscored:
        yield cause(
            WatchKind.MISSING,
            Action.ALERT,
            f"{missing:,} of {seen.rows:,} rows ({missing / seen.rows:.1%}) have no prediction; "
            f"{spec.max_unscored:.1%} may.",
            weight(missing / seen.rows, spec.max_unscored),
            missing,
        )
    if seen.scored_by != seen.champion:
        yield cause(
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
        yield cause(WatchKind.COVERAGE, Action.ALERT, sentence, 1.0, missing)
    elif seen.labelled < spec.min_rows:
        yield cause(
            WatchKind.COVERAGE,
            Action.ALERT,
            f"{seen.labelled:,} rows have a label; fewer than {spec.min_rows:,} are not judged.",
            weight(spec.min_rows, seen.labelled),
            missing,
        )
    elif missing / seen.scored > spec.max_unlabelled:
        yield cause(
            WatchKind.COVERAGE,
            Action.ALERT,
            f"{missing:,} of {seen.scored:,} predictions ({missing / seen.scored:.1%}) have no "
            f"label yet; {spec.max_unlabelled:.1%} may.",
            weight(missing / seen.scored, spec.max_unlabelled),
            missing,
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
        yield cause(
            WatchKind.QUALITY,
            Action.ALERT,
            f"Missing values rose by more than {spec.max_missing:.0%}: {few(listed)}.",
            weight(most, spec.max_missing),
        )


DATA_RULES: Final[tuple[Rule, ...]] = (_rows, _volume, _scored, _labelled, _quality)

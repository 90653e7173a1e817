"""Rules about the data of a window: its rows, predictions, labels and missing values.

What they find beyond its limit is a fault of the data, which no training should learn.
"""

from collections.abc import Iterator
from typing import Final

from infra.errors import few
from tasks.monitoring.causes import Observation, Rule, cause, weight
from tasks.monitoring.coverage import Coverage, length, span
from tasks.monitoring.feed_rules import FEED_RULES, told
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
            f"{spec.max_unscored:.1%} may.{_in_one_piece(seen, missing)}",
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


def _in_one_piece(seen: Observation, missing: int) -> str:
    """From when to when nothing was said, where most of what is missing is missing at a stretch."""
    unsaid = seen.feed.unsaid
    if unsaid is None or unsaid.rows * 2 < missing:
        return ""
    which = "All" if unsaid.rows == missing else f"{unsaid.rows:,}"
    return f" {which} of them are from {told(unsaid.start)} to {told(unsaid.end)}."


def _labelled(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    if not seen.scored or seen.rows < spec.min_rows:
        return
    missing = seen.scored - seen.labelled
    if not seen.labelled:
        sentence = f"None of the {seen.scored:,} predictions has a label yet.{_since(seen)}"
        yield cause(WatchKind.COVERAGE, Action.ALERT, sentence, 1.0, missing)
    elif seen.labelled < spec.min_rows:
        yield cause(
            WatchKind.COVERAGE,
            Action.ALERT,
            f"{seen.labelled:,} rows have a label; fewer than {spec.min_rows:,} are not judged."
            + _since(seen),
            weight(spec.min_rows, seen.labelled),
            missing,
        )
    elif missing / seen.scored > spec.max_unlabelled:
        yield _incomplete(seen, spec)


def _incomplete(seen: Observation, spec: MonitoringSpec) -> VerdictCause:
    """Labels that are overdue are a fault; those that are not due yet are only told."""
    missing = seen.scored - seen.labelled
    late = seen.coverage.overdue if seen.coverage else missing
    head = f"{missing:,} of {seen.scored:,} predictions ({missing / seen.scored:.1%}) have no label"
    if seen.coverage and late / seen.scored <= spec.max_unlabelled:
        said = f"{head} yet; the last are due on {seen.coverage.due:%F}.{_ages(seen.coverage)}"
        return cause(WatchKind.COVERAGE, Action.REST, said, 0.0, missing)
    return cause(
        WatchKind.COVERAGE,
        Action.ALERT,
        f"{head} yet; {spec.max_unlabelled:.1%} may.{_since(seen)}",
        weight(late / seen.scored, spec.max_unlabelled),
        missing,
    )


def _since(seen: Observation) -> str:
    """For how long labels have been overdue, and how far they have come by age."""
    if not seen.coverage or not seen.coverage.overdue:
        return ""
    found = seen.coverage
    late = f" {found.overdue:,} are overdue, for up to {length(found.overdue_for)}."
    return late + (_ages(found) if seen.labelled else "")


def _ages(found: Coverage) -> str:
    """The ages that lack labels; what has all of them is told in a word."""
    if len(found.ages) < 2:  # noqa: PLR2004 - one age says no more than the whole
        return ""
    lacking = [each for each in found.ages if each.labelled < each.rows]
    shares = [f"{each.labelled / each.rows:.0%} of {span(each)}" for each in lacking]
    rest = " and all of the others" if len(lacking) < len(found.ages) else ""
    return f" Labelled are {few(shares, most=8)}{rest}."


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


def _stuck(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    features = seen.drift.features if seen.drift else {}
    found = [name for name, each in features.items() if each.stuck]
    found = [name for name in found if name not in spec.may_stand_still]
    if found:
        yield cause(
            WatchKind.QUALITY,
            Action.ALERT,
            f"One single value in all rows: {few(found)}; no value had half of the training rows. "
            "If it may be so, monitoring.may_stand_still names it.",
            1.0,
        )


def _resolution(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    """Values that were rounded, or have digits that they never had."""
    limit = spec.max_distinct_change
    if seen.drift is None or limit is None:
        return
    found = {
        name: max(each.coarser, each.finer)
        for name, each in seen.drift.features.items()
        if not each.stuck and max(each.coarser, each.finer) > limit
    }
    if found:
        features = seen.drift.features
        listed = [
            f"{name} {features[name].distinct:,.0f} ({features[name].distinct_before:,.0f})"
            for name in found
        ]
        yield cause(
            WatchKind.QUALITY,
            Action.ALERT,
            f"Distinct values, and how many the training rows have: {few(listed)}. No "
            f"{limit:g} times fewer or more are to be expected of so many rows.",
            weight(max(found.values()), limit),
        )


DATA_RULES: Final[tuple[Rule, ...]] = (
    _rows,
    _volume,
    _scored,
    _labelled,
    _quality,
    _stuck,
    _resolution,
    *FEED_RULES,
)

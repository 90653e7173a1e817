"""Rules about the data of a window: how many rows, predictions and labels it has.

What they find beyond its limit is a fault of the data, which no training should learn.
"""

from collections.abc import Iterator
from typing import Final

from infra.errors import few
from tasks.monitoring.causes import SUSPECT, DataRule, Fault, Observation, cause, counted, weight
from tasks.monitoring.coverage import Coverage, length, span
from tasks.monitoring.feed_rules import FEED_RULES, told
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.value_rules import VALUE_RULES
from tasks.references import Action, WatchKind


def _rows(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    if not seen.rows:
        yield Fault(cause(WatchKind.VOLUME, Action.ALERT, "The window has no rows.", 1.0))
    elif seen.rows < spec.min_rows:
        usual = f"; {seen.usual_rows:,.0f} are usual" if seen.usual_rows else ""
        yield Fault(
            cause(
                WatchKind.VOLUME,
                Action.ALERT,
                f"The window has {counted(seen.rows, 'row')}; fewer than {spec.min_rows:,} are "
                f"not judged{usual}.",
                weight(spec.min_rows, seen.rows),
                seen.rows,
            )
        )


def _volume(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    limit = spec.max_volume_change
    if limit is None or not seen.usual_rows or seen.rows < max(spec.min_rows, 1):
        return
    share = seen.rows / seen.usual_rows
    beyond = abs(share - 1) > limit
    if beyond or 1 - share > limit * SUSPECT:
        yield Fault(
            cause(
                WatchKind.VOLUME,
                Action.ALERT if beyond else Action.REST,
                f"The window has {counted(seen.rows, 'row')}, {share:.0%} of the "
                f"{seen.usual_rows:,.0f} that are usual for its days; a change of {limit:.0%} is "
                "let pass.",
                weight(abs(share - 1), limit),
                seen.rows,
            ),
            share=1.0 if beyond else 1 - share,
            suspect=not beyond,
        )


def _scored(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    missing = seen.rows - seen.scored
    if seen.rows and missing / seen.rows > spec.max_unscored:
        have = "has" if missing == 1 else "have"
        yield Fault(
            cause(
                WatchKind.MISSING,
                Action.ALERT,
                f"{missing:,} of {counted(seen.rows, 'row')} ({missing / seen.rows:.1%}) {have} no "
                f"prediction; {spec.max_unscored:.1%} may.{_in_one_piece(seen, missing)}",
                weight(missing / seen.rows, spec.max_unscored),
                missing,
            ),
            share=missing / seen.rows,
        )


def _in_one_piece(seen: Observation, missing: int) -> str:
    """From when to when nothing was said, where most of what is missing is missing at a stretch."""
    unsaid = seen.feed.unsaid
    if unsaid is None or unsaid.rows * 2 < missing:
        return ""
    which = "All" if unsaid.rows == missing else f"{unsaid.rows:,}"
    return f" {which} of them are from {told(unsaid.start)} to {told(unsaid.end)}."


def _labelled(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Labels that are overdue are a fault; those that are not due yet are only told."""
    if not seen.scored or seen.rows < spec.min_rows:
        return
    missing = seen.scored - seen.labelled
    late = seen.coverage.overdue if seen.coverage else missing
    if seen.labelled >= spec.min_rows and missing / seen.scored <= spec.max_unlabelled:
        return
    if seen.coverage and late < missing and late / seen.scored <= spec.max_unlabelled:
        due = f" yet; the last are due on {seen.coverage.due:%F}."
        ages = _ages(seen.coverage) if seen.labelled else ""
        said = f"{_unlabelled(seen)}{due}{ages}"
        found = cause(WatchKind.COVERAGE, Action.REST, said, 0.0, missing)
    else:
        said, beyond = _lacking(seen, spec, late)
        found = cause(WatchKind.COVERAGE, Action.ALERT, f"{said}{_since(seen)}", beyond, missing)
    yield Fault(found, share=missing / seen.scored, moves=False)


def _unlabelled(seen: Observation) -> str:
    """How many predictions have no label."""
    missing, said = seen.scored - seen.labelled, seen.scored
    if not seen.labelled:
        return f"None of the {counted(said, 'prediction')} has a label"
    have = "has" if missing == 1 else "have"
    return f"{missing:,} of {said:,} predictions ({missing / said:.1%}) {have} no label"


def _lacking(seen: Observation, spec: MonitoringSpec, late: int) -> tuple[str, float]:
    """What is lacking of the labels that should be there, and how far that is beyond the limit."""
    if not seen.labelled:
        return f"{_unlabelled(seen)} yet.", 1.0
    if seen.labelled < spec.min_rows:
        have = "has" if seen.labelled == 1 else "have"
        said = f"{counted(seen.labelled, 'row')} {have} a label; "
        beyond = weight(spec.min_rows, seen.labelled)
        return f"{said}fewer than {spec.min_rows:,} are not judged.", beyond
    said = f"{_unlabelled(seen)} yet; {spec.max_unlabelled:.1%} may."
    return said, weight(late / seen.scored, spec.max_unlabelled)


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


DATA_RULES: Final[tuple[DataRule, ...]] = (
    _rows,
    _volume,
    _scored,
    _labelled,
    *VALUE_RULES,
    *FEED_RULES,
)

"""Rules about how a window's predictions came: who has none, what is late, what cannot be so.

What they find beyond its limit is a fault of the data, as in `data_rules`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from infra.errors import few
from tasks.monitoring.causes import DataRule, Fault, Observation, cause, counted, weight
from tasks.monitoring.coverage import length
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, WatchKind


def _absent(seen: Observation, _: MonitoringSpec) -> Iterator[Fault]:
    for each in seen.absences:
        missing = len(each.names)
        if missing > each.may_miss:
            allowed = f"; {each.may_miss:,} may have none" if each.may_miss else ""
            are = "row is" if each.rows == 1 else "rows are"
            rows = f" Their {each.rows:,} {are} there." if each.rows else ""
            have = "has" if missing == 1 else "have"
            yield Fault(
                cause(
                    WatchKind.MISSING,
                    Action.ALERT,
                    f"{missing:,} of the {each.roster:,} entities of the roster {each.column} "
                    f"{have} no prediction: {few(list(each.names))}{allowed}.{rows}",
                    weight(missing, each.may_miss),
                    each.rows,
                ),
                share=each.share,
            )


def _silent(seen: Observation, _: MonitoringSpec) -> Iterator[Fault]:
    """One of a roster went silent within the window, while the others went on."""
    for each in seen.absences:
        if each.gap is None or not each.silent:
            continue
        longest, count = each.silent[0][1], len(each.silent)
        listed = [
            f"{name} {length(silence.length)}, from {told(silence.start)} to {told(silence.end)}"
            for name, silence in each.silent
        ]
        yield Fault(
            cause(
                WatchKind.LATE,
                Action.ALERT,
                f"{count:,} of the {each.roster:,} entities of the roster {each.column} had no "
                f"prediction for more than {length(each.gap)}: {few(listed)}.",
                weight(longest.length / each.gap, 1),
            ),
            share=each.silent_share,
        )


def _late(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """What is made too late moves nothing; what is made too early may know too little."""
    feed, objective = seen.feed, spec.objective
    if objective and feed.made and feed.late / feed.made > 1 - objective.share:
        share, allowed = feed.late / feed.made, 1 - objective.share
        were = "was" if feed.late == 1 else "were"
        yield Fault(
            cause(
                WatchKind.LATE,
                Action.ALERT,
                f"{feed.late:,} of {counted(feed.made, 'prediction')} ({share:.1%}) {were} made "
                f"more than {length(objective.within)} after their time, the last "
                f"{length(feed.latest)} after it; {allowed:.1%} may.",
                weight(share, allowed),
                feed.late,
            ),
            share=0.0,
        )
    if feed.early:
        share = feed.early / feed.made
        were = "was" if feed.early == 1 else "were"
        yield Fault(
            cause(
                WatchKind.LATE,
                Action.ALERT if share > spec.max_impossible else Action.REST,
                f"{feed.early:,} of {counted(feed.made, 'prediction')} {were} made before their "
                "time: a clock is wrong, or they know less than they should.",
                weight(share, spec.max_impossible),
                feed.early,
            ),
            share=share,
            moves=False,
        )


def _outage(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    limit = spec.objective.gap if spec.objective else None
    gap = seen.feed.gap
    if limit is not None and gap is not None and gap.length > limit:
        sentence = (
            f"No prediction for {length(gap.length)}, from {told(gap.start)} to {told(gap.end)}; "
            f"{length(limit)} may pass without one."
        )
        whole = seen.feed.length
        yield Fault(
            cause(WatchKind.LATE, Action.ALERT, sentence, weight(gap.length / limit, 1)),
            share=min(gap.length / whole, 1.0) if whole else 1.0,
        )


class _Odd(NamedTuple):
    """What no window can have: how many rows, in words for one and for several, what it moves."""

    rows: int
    one: str
    several: str
    moves: bool


def _impossible(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """What no window can have; of a few rows it is told, and nothing follows from it."""
    for each in _odd(seen):
        if each.rows:
            share = min(each.rows / max(seen.rows, 1), 1.0)
            told = each.one if each.rows == 1 else each.several
            yield Fault(
                cause(
                    WatchKind.QUALITY,
                    Action.ALERT if share > spec.max_impossible else Action.REST,
                    f"{each.rows:,} {told}.",
                    weight(share, spec.max_impossible),
                    each.rows,
                ),
                share=share,
                moves=each.moves,
            )


def _odd(seen: Observation) -> tuple[_Odd, ...]:
    feed, clock = seen.feed, "a clock is wrong"
    earliest = "of a row that has one already; the earliest of each counts"
    stranger, other = "that the window does not have, and", "neither predicted nor happened within"
    return (
        _Odd(feed.repeated, f"prediction is {earliest}", f"predictions are {earliest}", False),
        _Odd(
            feed.strangers,
            f"prediction is of a row {stranger} counts for nothing",
            f"predictions are of rows {stranger} count for nothing",
            False,
        ),
        _Odd(
            feed.astray,
            f"row was {other} the window: {clock}",
            f"rows were {other} the window: {clock}",
            True,
        ),
        _Odd(
            feed.foretold,
            "label was known before its row was predicted: nothing was foretold",
            "labels were known before their rows were predicted: nothing was foretold",
            True,
        ),
        _Odd(
            feed.ahead,
            f"prediction was made, or due, after the time of looking: {clock}",
            f"predictions were made, or due, after the time of looking: {clock}",
            False,
        ),
    )


def _to_come(seen: Observation, _: MonitoringSpec) -> Iterator[Fault]:
    """Rows that are planned may lie ahead, so that nothing follows from it."""
    rows = seen.feed.to_come
    if rows:
        happen = "happens" if rows == 1 else "happen"
        said = f"{counted(rows, 'row')} {happen} after the time of looking: planned, or a clock."
        yield Fault(cause(WatchKind.QUALITY, Action.REST, said, rows=rows), share=0.0)


def _contract(seen: Observation, spec: MonitoringSpec) -> Iterator[Fault]:
    """Rows that were set aside are gone; a batch that was let in has been decided about."""
    batch = seen.incident
    if batch is None:
        return
    share = batch.share
    if batch.set_aside:
        beyond = share > spec.max_set_aside
        yield Fault(
            cause(
                WatchKind.QUALITY,
                Action.ALERT if beyond else Action.REST,
                f"The contract set {batch.set_aside:,} of "
                f"{counted(batch.rows + batch.set_aside, 'row')} of the batch aside "
                f"({share:.1%}); {spec.max_set_aside:.1%} may be.",
                weight(share, spec.max_set_aside),
                batch.set_aside,
            ),
            share=share,
        )
    if batch.approval:
        said = "The contract held the batch, and a person let it in"
        found = cause(WatchKind.QUALITY, Action.REST, f"{said} (ledger {batch.approval[:12]}).")
        yield Fault(found, share=0.0)


def told(moment: datetime) -> str:
    """A moment as people read it."""
    return f"{moment:%F %H:%M} UTC"


FEED_RULES: Final[tuple[DataRule, ...]] = (
    _absent,
    _silent,
    _late,
    _outage,
    _impossible,
    _to_come,
    _contract,
)

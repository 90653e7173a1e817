"""Rules about how a window's predictions came: who has none, what is late, what cannot be so.

What they find beyond its limit is a fault of the data, as in `data_rules`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from infra.errors import few
from tasks.monitoring.causes import Observation, Rule, cause, weight
from tasks.monitoring.coverage import length
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action, VerdictCause, WatchKind


def _absent(seen: Observation, _: MonitoringSpec) -> Iterator[VerdictCause]:
    for each in seen.absences:
        missing = len(each.names)
        if missing > each.may_miss:
            allowed = f"; {each.may_miss:,} may have none" if each.may_miss else ""
            rows = f" Their {each.rows:,} rows are there." if each.rows else ""
            yield cause(
                WatchKind.MISSING,
                Action.ALERT,
                f"{missing:,} of the {each.roster:,} entities of the roster {each.column} have no "
                f"prediction: {few(list(each.names))}{allowed}.{rows}",
                weight(missing, each.may_miss),
                each.rows,
            )


def _late(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    feed, objective = seen.feed, spec.objective
    if objective is None or not feed.made:
        return
    share, allowed = feed.late / feed.made, 1 - objective.share
    if share > allowed:
        yield cause(
            WatchKind.LATE,
            Action.ALERT,
            f"{feed.late:,} of {feed.made:,} predictions ({share:.1%}) were made more than "
            f"{length(objective.within)} after their time, the last {length(feed.latest)} after "
            f"it; {allowed:.1%} may.",
            weight(share, allowed),
            feed.late,
        )
    if feed.early:
        yield cause(
            WatchKind.LATE,
            Action.ALERT,
            f"{feed.early:,} of {feed.made:,} predictions were made before their time: a clock is "
            "wrong, or they know less than they should.",
            1.0,
            feed.early,
        )


def _outage(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    limit = spec.objective.gap if spec.objective else None
    gap = seen.feed.gap
    if limit is not None and gap is not None and gap.length > limit:
        yield cause(
            WatchKind.LATE,
            Action.ALERT,
            f"No prediction for {length(gap.length)}, from {told(gap.start)} to {told(gap.end)}; "
            f"{length(limit)} may pass without one.",
            weight(gap.length / limit, 1),
        )


def _impossible(seen: Observation, _: MonitoringSpec) -> Iterator[VerdictCause]:
    """What no window can have, however few rows it concerns."""
    feed = seen.feed
    faults = {
        "predictions are of a row that has one already; the earliest of each counts": feed.repeated,
        "predictions are of rows that the window does not have, and count for nothing": (
            feed.strangers
        ),
        "rows were neither predicted nor happened within the window: a clock is wrong": feed.astray,
        "labels were known before their rows were predicted: nothing was foretold": feed.foretold,
    }
    for what, rows in faults.items():
        if rows:
            share = min(rows / max(seen.rows, 1), 1.0)
            yield cause(WatchKind.QUALITY, Action.ALERT, f"{rows:,} {what}.", share, rows)


def _contract(seen: Observation, spec: MonitoringSpec) -> Iterator[VerdictCause]:
    """Rows that were set aside are gone; a batch that was let in has been decided about."""
    batch = seen.incident
    if batch is None:
        return
    share = batch.set_aside / max(batch.rows + batch.set_aside, 1)
    if batch.set_aside:
        beyond = share > spec.max_set_aside
        yield cause(
            WatchKind.QUALITY,
            Action.ALERT if beyond else Action.REST,
            f"The contract set {batch.set_aside:,} of {batch.rows + batch.set_aside:,} rows of the "
            f"batch aside ({share:.1%}); {spec.max_set_aside:.1%} may be.",
            weight(share, spec.max_set_aside),
            batch.set_aside,
        )
    if batch.approval:
        said = "The contract held the batch, and a person let it in"
        yield cause(WatchKind.QUALITY, Action.REST, f"{said} (ledger {batch.approval[:12]}).")


def told(moment: datetime) -> str:
    """A moment as people read it."""
    return f"{moment:%F %H:%M} UTC"


FEED_RULES: Final[tuple[Rule, ...]] = (_absent, _late, _outage, _impossible, _contract)

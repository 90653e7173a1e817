"""What was seen of a window, and how a rule tells a cause of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from tasks.monitoring.attribution import Attribution
from tasks.monitoring.coverage import Coverage
from tasks.monitoring.drift import Drift
from tasks.monitoring.feed import Feed
from tasks.monitoring.one_class import OneClass
from tasks.monitoring.performance import Gap, Performance
from tasks.monitoring.rosters import Absence
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.spikes import Far, Renaming, Spike
from tasks.monitoring.worth import Worth
from tasks.references import Action, Incident, SliceResult, VerdictCause, WatchKind

SUSPECT: Final = 0.5
"""Part of its limit from which on a fault is told, and may turn a training into a question."""

REACH: Final = 3.0
"""Times as many rows as it concerns a fault may explain: the season moves some beside it."""


@dataclass(frozen=True)
class Observation:
    """What was seen of one window; None where it could not be told.

    Attributes:
        rows: of the window.
        scored: rows with a prediction.
        labelled: rows with a prediction and a label known by now.
        drift: features against the training rows.
        prediction_psi: predictions against those on the holdout.
        prediction_chance: what chance alone exceeds of that in few windows.
        target_psi: labels against those of the training rows.
        target_chance: likewise.
        performance: on the window's labels.
        promotion: on the champion's holdout, when it was promoted.
        gap: mean prediction minus mean label.
        staleness: labelled rows that came since training, as a share of those learned from.
        scored_by: version whose predictions they are.
        champion: version in charge.
        others: predictions that are of another version than that.
        own_labels: labelled rows that the champion itself predicted; None where that is all.
        profiled: what the champion learned from is on record.
        usual_rows: that a window of as many days has, by those before; None for too few of them.
        estimate: performance by the champion's confidence, before labels; what is expected is what
            the same confidence said of its holdout.
        worth: of the labelled predictions, in money.
        coverage: labels by age, and those overdue.
        feed: how the predictions came.
        absences: of each roster, who has no prediction.
        incident: what the contract did not let pass whole of the window's batch.
        age: since the time that the champion was trained for.
        slices: parts of the window, the most surely worse first.
        attribution: what features contribute, beside what they did on the training rows.
        data_age: since the end of the newest window.
        spikes: of each feature of numbers the single value that rose most, if any did.
        renamings: of each feature of categories the names that are new by their spelling.
        prediction_spike: likewise, of predictions that are numbers.
        label_spike: likewise, of labels that are numbers.
        outside: predictions that are no chance, or infinite.
        far: of each feature of numbers the values that lie where no world takes them.
        one_class: the class that labels went to as if a default was filled in, if they did.
    """

    rows: int
    scored: int
    labelled: int
    drift: Drift | None = None
    prediction_psi: float | None = None
    prediction_chance: float = 0.0
    target_psi: float | None = None
    target_chance: float = 0.0
    performance: Performance | None = None
    promotion: Performance | None = None
    gap: Gap | None = None
    staleness: float = 0.0
    scored_by: int = 0
    champion: int = 0
    others: int = 0
    own_labels: int | None = None
    profiled: bool = True
    usual_rows: float | None = None
    estimate: Performance | None = None
    worth: Worth | None = None
    coverage: Coverage | None = None
    feed: Feed = field(default_factory=Feed)
    absences: tuple[Absence, ...] = ()
    incident: Incident | None = None
    age: timedelta | None = None
    data_age: timedelta | None = None
    slices: tuple[SliceResult, ...] = ()
    attribution: Attribution | None = None
    spikes: tuple[Spike, ...] = ()
    renamings: tuple[Renaming, ...] = ()
    prediction_spike: Spike | None = None
    label_spike: Spike | None = None
    outside: int = 0
    far: tuple[Far, ...] = ()
    one_class: OneClass | None = None


@dataclass(frozen=True)
class Fault:
    """A fault of the data, and how much it can have moved.

    Attributes:
        cause: as it is told.
        share: of the rows that it concerns, 0 to 1; 1 where nobody knows.
        values: features of which it concerns the values, each with their share: then no others.
        moves: features can have moved by it, and not labels or predictions alone.
        suspect: it is within its limit, or the world does the like: it is told, explains no more
            than it concerns, and makes a training that it may have made a question.
    """

    cause: VerdictCause
    share: float = 1.0
    values: Mapping[str, float] = field(default_factory=dict)
    moves: bool = True
    suspect: bool = False

    @property
    def reach(self) -> float:
        """Times as many rows as it concerns that it may explain."""
        return 1.0 if self.suspect else REACH


Rule = Callable[[Observation, MonitoringSpec], Iterator[VerdictCause]]
"""Tells what it sees of a window, within its limits or beyond them; nothing where it cannot."""

DataRule = Callable[[Observation, MonitoringSpec], Iterator[Fault]]
"""Likewise, of what a training should not learn."""


def weight(value: float, limit: float) -> float:
    """How far a value is beyond its limit: 0 within it, 0.5 at twice, towards 1 without end.

    >>> weight(0.1, 0.2), weight(0.4, 0.2), weight(float("inf"), 1)
    (0.0, 0.5, 1.0)
    """
    if not value > limit:
        return 0.0
    return 1 - limit / value if value < float("inf") else 1.0


def cause(
    kind: WatchKind, action: Action, sentence: str, weight: float = 0.0, rows: int = 0
) -> VerdictCause:
    """A cause of this window alone: who publishes the verdict adds which it is."""
    return VerdictCause(kind=kind, action=action, weight=weight, sentence=sentence, rows=rows)


def counted(number: int, noun: str) -> str:
    """A number of things in words.

    >>> counted(1, "row"), counted(2300, "row")
    ('1 row', '2,300 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")

"""References to verdicts: of the gates on a candidate, of monitoring on a window."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tasks.references.frozen import Reference
from tasks.references.models import Cause
from tasks.windows import WindowName


class Comparison(Reference):
    """Challenger against champion (or the baseline, before there is one) on the same rows."""

    against: str = Field(description="'baseline' or the champion's version.")
    metric: str
    challenger: float
    incumbent: float
    gain: float = Field(description="Positive when the challenger is better, whatever the metric.")
    lower: float
    upper: float
    rows: int
    rounds: int


class Promote(Reference):
    """The candidate may replace the champion."""

    kind: Literal["promote"] = "promote"
    why: str


class Ask(Reference):
    """A person decides."""

    kind: Literal["ask"] = "ask"
    why: str


class Refuse(Reference):
    """The champion stays."""

    kind: Literal["refuse"] = "refuse"
    why: str


Verdict = Annotated[Promote | Ask | Refuse, Field(discriminator="kind")]


class Action(StrEnum):
    """What monitoring asks for, and what the policy makes of it, from least to most."""

    REST = "rest"
    ALERT = "alert"
    ASK = "ask"
    RETRAIN = "retrain"
    ROLLBACK = "rollback"

    @property
    def rank(self) -> int:
        """From 0 (rest) to 4 (rollback)."""
        return list(Action).index(self)

    @property
    def state(self) -> str:
        """Name of the monitoring run's final state."""
        return {"rollback": "Rolling back"}.get(self.value, self.value.capitalize())


class WatchKind(StrEnum):
    """What is watched: a cause of a verdict is of one of these kinds."""

    QUALITY = "quality"
    VOLUME = "volume"
    MISSING = "missing"
    LATE = "late"
    COVERAGE = "coverage"
    FEATURES = "features"
    NOVELTY = "novelty"
    PREDICTIONS = "predictions"
    TARGET = "target"
    ATTRIBUTION = "attribution"
    ESTIMATE = "estimate"
    PERFORMANCE = "performance"
    CALIBRATION = "calibration"
    VALUE = "value"
    SLICES = "slices"
    STALENESS = "staleness"

    @property
    def is_of_data(self) -> bool:
        """Whether it is a fault of the data, which no training should learn."""
        return self in {
            WatchKind.QUALITY,
            WatchKind.VOLUME,
            WatchKind.MISSING,
            WatchKind.LATE,
            WatchKind.COVERAGE,
        }


class VerdictCause(Reference):
    """One thing that was seen of a window, and what it would lead to by itself."""

    kind: WatchKind
    action: Action
    weight: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How far beyond its limit: 0 within it, 0.5 at twice, towards 1 without end.",
    )
    sentence: str = Field(description="One sentence with numbers.")
    rows: int = Field(0, ge=0, description="Rows concerned; 0 for the whole window.")
    windows: tuple[WindowName, ...] = Field((), description="Where it was seen, newest last.")
    explained: bool = Field(
        False, description="A fault of the data explains it, or may: no sign that the world moved."
    )


class LabelCoverage(Reference):
    """How many predictions of rows of an age have a label."""

    least: timedelta = Field(description="Age from which on rows are counted here.")
    most: timedelta = Field(description="Age below which they are.")
    rows: int = Field(description="Rows with a prediction.")
    labelled: int = Field(description="Those of them whose label has come.")
    overdue: int = Field(description="Those whose label should have come and has not.")


class SliceResult(Reference):
    """How the champion does on the rows of a window that have one value."""

    column: str
    value: str
    rows: int = Field(description="With a label.")
    metric: str
    now: float
    expected: float = Field(description="Of these rows, by the champion's confidence or holdout.")
    fall: float = Field(description="How much worse than expected; of an error its growth.")
    further: float = Field(description="How much further than at promotion.")
    chance: float = Field(description="That chance explains it, with so many slices looked at.")
    beyond: bool = Field(description="It falls short by too much, and chance does not explain it.")


class TurnedDown(Reference):
    """A challenger that was trained for drift and did not take the champion's place."""

    version: int
    as_of: datetime = Field(description="The time that it was trained for.")
    growth: float = Field(
        description="Labelled rows that came since its holdout, as a share of those that it "
        "learned from."
    )


class DriftVerdict(Reference):
    """What monitoring concluded of one window, and why."""

    model: str
    window: WindowName
    as_of: datetime
    action: Action
    reasons: tuple[str, ...]
    causes: tuple[VerdictCause, ...] = Field(
        (), description="The same by kind: what asks for most first, then the heaviest."
    )
    unjudged: tuple[str, ...] = Field((), description="What could not be judged, and why.")
    coverage: tuple[LabelCoverage, ...] = Field(
        (), description="Labels by the age of the rows, the youngest first."
    )
    absent: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Column of a roster to those without a prediction."
    )
    slices: tuple[SliceResult, ...] = Field(
        (), description="Parts of the window, the most surely worse first."
    )
    attribution: dict[str, float] = Field(
        default_factory=dict, description="Feature to its share in what was predicted."
    )
    missing: dict[str, float] = Field(
        default_factory=dict, description="Feature to its share of rows without a value."
    )
    drift: dict[str, float] = Field(description="Column to PSI against the training data.")
    moved: tuple[str, ...] | None = Field(
        None,
        description="Those of them whose PSI is above the limit and above what chance makes, the "
        "largest first; null in a record of before it was kept.",
    )
    metrics: dict[str, float] = Field(description="Performance on the window's labels.")
    champion: int
    rows: int
    report_url: str
    data_version: str = Field("", description="Digest of the history that it was reached on.")
    turned_down: TurnedDown | None = Field(
        None, description="The last challenger that was trained for drift of this champion."
    )
    growth: float | None = Field(
        None,
        description="Labelled rows that came since the champion's holdout, as a share of those "
        "that it learned from.",
    )
    digest: str

    @property
    def weights(self) -> dict[WatchKind, float]:
        """Each kind of cause that is beyond its limit, the heaviest first."""
        return weights_of(self.causes)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people read below its reasons."""
        return remarks(self.weights, self.unjudged)

    @property
    def picture_url(self) -> str:
        """Address of its picture, which lies beside the report; empty without one."""
        beside, _, page = self.report_url.rpartition("/")
        return f"{beside}/picture.png" if page == "index.html" else ""


def weights_of(causes: Iterable[VerdictCause]) -> dict[WatchKind, float]:
    """Each kind of cause that is beyond its limit with its largest weight, the heaviest first."""
    found: dict[WatchKind, float] = {}
    for each in sorted(causes, key=lambda cause: cause.weight, reverse=True):
        if each.weight:
            found.setdefault(each.kind, each.weight)
    return found


def remarks(weights: Mapping[WatchKind, float], unjudged: Sequence[str]) -> tuple[str, ...]:
    """What people read below the reasons of a verdict: how heavy they are, and what is not known.

    >>> remarks({WatchKind.FEATURES: 0.618, WatchKind.TARGET: 0.5}, ["Drift: no row."])
    ('By weight, 0.5 at twice the limit: features 0.62, target 0.50.', 'Not judged: Drift: no row.')
    """
    heavy = ", ".join(f"{kind} {weight:.2f}" for kind, weight in weights.items())
    said = [f"By weight, 0.5 at twice the limit: {heavy}."] if heavy else []
    return (*said, *([f"Not judged: {' '.join(unjudged)}"] if unjudged else []))


class Restraint(StrEnum):
    """Why a policy does less than a verdict asks for, in a word."""

    FOLLOW = "follow"
    MOST = "most"
    PERSIST = "persist"
    FAULT = "fault"
    UNDERWAY = "underway"
    REVIEWING = "reviewing"
    REPEATED = "repeated"
    COOLDOWN = "cooldown"
    BUDGET = "budget"
    FAILING = "failing"
    TURNED_DOWN = "turned_down"
    DECLINED = "declined"
    ASKING = "asking"
    FREEZE = "freeze"
    NO_PREDECESSOR = "no_predecessor"


class Conclusion(Reference):
    """What the policy made of a verdict."""

    action: Action
    why: tuple[str, ...] = Field(
        (), description="What the policy changed or counted; empty for nothing."
    )
    kinds: tuple[WatchKind, ...] = Field((), description="The causes that ask for the action.")
    version: int | None = Field(None, description="For a rollback, the version that comes back.")
    cause: Cause = Field(Cause.DRIFT, description="Of the training that it starts.")
    held: str = Field("", description="Why its training waits, and until when; empty for nothing.")
    restraints: tuple[Restraint, ...] = Field(
        (), description="What made less of it than the verdict asks for, in the order of `why`."
    )

    @property
    def state(self) -> str:
        """Name of the monitoring run's final state."""
        return "Waiting" if self.held else self.action.state

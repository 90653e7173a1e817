"""What a replay tells: every window, training and decision of each policy."""

from datetime import datetime

from pydantic import Field

from tasks.references import Action, Ending, WatchKind
from tasks.references.frozen import Reference


class Arrival(Reference):
    """How a window came in; the same for all policies."""

    window: str
    as_of: datetime
    ending: Ending
    admitted: bool = Field(description="Its rows were committed.")
    why: str = Field("", description="What the contract held against it; empty for nothing.")


class Retraining(Reference):
    """A training that a policy asked for, and what became of it."""

    as_of: datetime
    version: int = Field(description="The same number for the same training of all policies.")
    verdict: str = Field(description="What the gates said: promote, ask or refuse.")
    promoted: bool
    why: str
    gain: float | None = Field(None, description="On its holdout, against the champion.")
    cpu_s: float = Field(description="CPU seconds of fitting, evaluating and profiling.")
    gpu_hours: float = Field(0.0, description="Hours of a whole GPU; parts count as parts.")


class Watch(Reference):
    """A window whose labels came, under one policy."""

    window: str
    as_of: datetime
    version: int | None = Field(None, description="Whose predictions they are.")
    rows: int = 0
    labelled: int = 0
    metric: float | None = None
    money: float | None = Field(None, description="Worth of the window, where it is declared.")
    verdict: Action = Action.REST
    action: Action = Field(Action.REST, description="What the policy made of the verdict.")
    alarm: Action = Field(
        Action.REST, description="Likewise, the calendar left out: what was due is no alarm."
    )
    kinds: tuple[WatchKind, ...] = ()
    why: tuple[str, ...] = ()
    training: Retraining | None = None
    failed: str = Field("", description="Why nothing could be predicted, judged or trained.")


class Gain(Reference):
    """A policy against another on the same rows, in units of the metric; more is better."""

    against: str
    gain: float
    lower: float
    upper: float
    confidence: float


class Course(Reference):
    """What one policy would have done, gained and cost."""

    policy: str
    windows: tuple[Watch, ...]
    metric: float | None = Field(description="Mean over the windows, by labelled rows.")
    worst: str | None = Field(description="The window with the worst metric.")
    trainings: int
    promotions: int
    alarms: int = Field(
        description="Windows that would lead to an alert or more without the calendar."
    )
    questions: int = Field(description="Windows on which a person was asked.")
    cpu_s: float = Field(description="Of its trainings; shared ones count for each policy.")
    gpu_hours: float = Field(0.0, description="Of its trainings, counted alike.")
    money: float | None
    gain: Gain | None = Field(None, description="Null for the policy that others are held to.")


class Replay(Reference):
    """History under several policies."""

    model: str
    metric: str
    more_is_better: bool
    reviewer: str
    currency: str | None = None
    arrivals: tuple[Arrival, ...]
    courses: tuple[Course, ...]
    trainings: int = Field(description="That were done; policies share those of one time.")
    left_out: tuple[str, ...] = Field(description="What a replay does not do.")
    picture: str = Field("", description="Where the picture is.")

"""References to verdicts: of the gates on a candidate, of monitoring on a window."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from tasks.references.frozen import Reference
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
    """What monitoring asks for."""

    REST = "rest"
    ALERT = "alert"
    ASK = "ask"
    RETRAIN = "retrain"

    @property
    def state(self) -> str:
        """Name of the monitoring run's final state."""
        return self.value.capitalize()


class DriftVerdict(Reference):
    """What monitoring concluded of one window, and why."""

    model: str
    window: WindowName
    as_of: datetime
    action: Action
    reasons: tuple[str, ...]
    drift: dict[str, float] = Field(description="Column to PSI against the training data.")
    metrics: dict[str, float] = Field(description="Performance on the window's labels.")
    champion: int
    rows: int
    report_url: str
    digest: str

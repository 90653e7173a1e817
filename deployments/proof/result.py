"""What a proof found: the JSON of ``perennial verify continuous NAME --json``."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from tasks.governance.notices import Occasion
from tasks.references import Action, Cause, Ending
from tasks.verification.rates import Rate
from tasks.verification.spec import ShiftKind


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Injection(_Part):
    """One shift in one shadow, and what came of it."""

    kind: ShiftKind
    size: float
    gross: bool = Field(description="The largest size of its kind.")
    repetition: int = Field(description="Which shadow, from 1.")
    where: str = Field(description="Features or column that it was injected into.")
    window: str = Field(description="The window in which it begins.")
    contract: Ending | None = Field(
        None, description="How the batch would end; null for what is no fault of the feed."
    )
    monitor: int | None = Field(
        None, description="Windows until the monitor saw it by itself; null for never."
    )
    actions: tuple[Action, ...] = Field(
        (), description="What the policy made of each window that reached the monitor."
    )
    calm: tuple[Action, ...] = Field(
        (), description="What it made of the same windows without the shift."
    )
    causes: tuple[str, ...] = Field(
        (), description="Kinds of the causes in the first window that the monitor saw."
    )
    by: str = Field("", description="Who saw it: contract, builder, monitor; empty for nobody.")
    delay: int | None = Field(None, description="Windows until it was seen, 1 for the first.")
    days: float | None = Field(None, description="From its beginning until it was seen.")
    followed: str = Field("", description="hold, reject, failed, alert, ask, retrain, rollback.")
    says: str = Field("", description="One sentence of who saw it.")

    @property
    def would_train(self) -> bool:
        """Whether the monitor starts a training that it does not start without the shift."""
        both = zip(self.actions, self.calm, strict=False)
        return any(now is Action.RETRAIN and then is not now for now, then in both)

    @property
    def trained(self) -> bool:
        """Whether a training followed, in the end: nobody had stopped it before."""
        return self.would_train and self.by == "monitor"


class Shift(_Part):
    """A kind at a size, over all shadows."""

    kind: ShiftKind
    size: float
    gross: bool
    tried: int = Field(description="Shadows in which it was injected.")
    seen: int = Field(description="Shadows in which it was seen.")
    delay: int | None = Field(
        description="Windows until the last shadow saw it; null: not all did."
    )
    days: float | None
    by: tuple[str, ...] = Field(description="Who saw it, the most frequent first.")
    followed: tuple[str, ...] = Field(description="What followed, the most frequent first.")
    where: tuple[str, ...]


class Calm(_Part):
    """Windows without a shift."""

    @model_validator(mode="before")
    @classmethod
    def _reads_its_own(cls, facts: object) -> object:
        """What follows from the counts is written with them, and counted anew when it is read."""
        if not isinstance(facts, dict):
            return facts
        return {name: each for name, each in facts.items() if name not in cls.model_computed_fields}

    windows: int
    years: float
    alarms: int
    retrains: int
    told: tuple[str, ...] = Field((), description="Window and reason of each alarm, ten at most.")

    @computed_field  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def alarms_a_month(self) -> float:
        """Alarms a month."""
        return round(Rate(self.alarms, self.years).a_month, 4)

    @computed_field  # type: ignore[prop-decorator]  # likewise
    @property
    def alarms_a_year(self) -> float:
        """Alarms a year."""
        return round(Rate(self.alarms, self.years).a_year, 4)

    @computed_field  # type: ignore[prop-decorator]  # likewise
    @property
    def at_most_a_year(self) -> float | None:
        """The largest rate that would show so few, with 95 % confidence; null for no window."""
        return round(Rate(self.alarms, self.years).at_most(), 4) if self.years else None


class Started(_Part):
    """A run that was asked for, as Prefect would have got it."""

    deployment: str = Field(description="Flow and model.")
    cause: Cause | None = Field(description="Of a training; null for another run.")
    as_of: datetime | None = Field(description="The time that a training is for.")
    key: str = Field(description="Under which one run is made at most.")


class Followed(_Part):
    """What a verdict led to, tried on the real functions: people are told, a training runs."""

    kind: ShiftKind
    verdict: str
    as_of: datetime = Field(description="The time of the verdict.")
    conclusion: Action
    declared: bool = Field(
        description="Whether the model declares alerts; where it does not, a rule was assumed."
    )
    wanted: tuple[str, ...] = Field(description="Channels that are to be told of it.")
    told: tuple[str, ...] = Field(
        description="Channels that were, each led to a receiver on this machine through Apprise."
    )
    message: str
    started: Started | None = Field(description="The run that it asked for; null for none.")
    trained_rows: int = Field(0, description="Of the training that followed; 0 for none.")
    metric: str
    champion: float | None = Field(None, description="On the held out rows of the shifted stream.")
    challenger: float | None = None
    gates: str = Field("", description="What the gates would say of the challenger.")


class Continuous(_Part):
    """Whether a model's monitor sees what it must and is silent otherwise."""

    model: str
    passed: bool
    failures: tuple[str, ...]
    seed: int
    repetitions: int
    grain: str
    source_windows: int
    max_false_alarms: float
    max_delay: int
    contract: Calm = Field(description="The model's own windows, held to its contract.")
    unshifted: Calm = Field(description="Windows dealt anew, without a season.")
    steady: Calm | None = Field(
        description="The windows as they came behind the champion that the first ones make, where "
        "nothing moves in them."
    )
    unlabelled_windows: tuple[str, ...] = Field(
        (), description="Windows left out: their labels are not due, or none has come."
    )
    unlabelled_rows: int = Field(0, description="Rows of the others that were not dealt likewise.")
    shifts: tuple[Shift, ...]
    left_out: dict[str, str] = Field(
        description="Kinds and limits that were not tried, those that the declaration leaves out "
        "among them, and columns that a kind would not change, with why."
    )
    followed: Followed | None
    channels: tuple[str, ...] = Field((), description="Channels that the declaration names.")
    untold: dict[Occasion, tuple[ShiftKind, ...]] = Field(
        default_factory=dict,
        description="What gross shifts lead to and no declared channel is told of, with the kinds.",
    )
    injections: tuple[Injection, ...]
    seconds: float

"""What a proof found: the JSON of ``perennial verify continuous NAME --json``."""

from pydantic import BaseModel, ConfigDict, Field, computed_field

from tasks.references import Action, Ending
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
        None, description="How the batch would end; null for a shift of the world."
    )
    monitor: int | None = Field(
        None, description="Windows until the monitor saw it by itself; null for never."
    )
    actions: tuple[Action, ...] = Field(
        (), description="What the policy made of each window that reached the monitor."
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
    def trained(self) -> bool:
        """Whether a training followed, in the end."""
        return Action.RETRAIN in self.actions and self.by == "monitor"


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


class Followed(_Part):
    """What a verdict led to, tried on the real functions: people are told, a training runs."""

    kind: ShiftKind
    verdict: str
    conclusion: Action
    delivered: bool = Field(description="A local receiver got the alert through Apprise.")
    message: str
    trained_rows: int = Field(description="Of the training that followed; 0 for none.")
    metric: str
    champion: float | None = Field(description="On the held out rows of the shifted stream.")
    challenger: float | None
    gates: str = Field(description="What the gates would say of the challenger.")


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
    steady: Calm | None = Field(description="The windows as they came, where nothing moves.")
    shifts: tuple[Shift, ...]
    left_out: dict[ShiftKind, str] = Field(description="Kinds that were not tried, with why.")
    followed: Followed | None
    injections: tuple[Injection, ...]
    seconds: float

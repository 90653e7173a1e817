"""References to models: what was trained, how it does, who is in charge, what it predicted."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from infra.hardware import Hardware
from tasks.references.data import Split
from tasks.references.frozen import Reference
from tasks.windows import WindowName


class Cause(StrEnum):
    """Why a training was started."""

    PERSON = "person"
    SCHEDULE = "schedule"
    DRIFT = "drift"
    DATA = "data"
    CODE = "code"
    APPLICATION = "application"
    EVENT = "event"
    CI = "ci"


class Trial(Reference):
    """One candidate of a tuning, with its score on the validation window."""

    parameters: dict[str, JsonValue]
    metric: str
    score: float
    seconds: float


class Fitted(Reference):
    """A trained model on disk."""

    uri: str = Field(description="Folder that holds model.skops and sample.parquet.")
    digest: str
    trainer: str
    parameters: dict[str, JsonValue]
    seed: int
    trials: tuple[Trial, ...]
    rows: int
    split: Split
    trusted_types: tuple[str, ...] = Field(description="Types that skops may load, and no others.")
    hardware: Hardware | None = Field(
        None, description="What it was trained on; null where no worker had leased it."
    )

    @property
    def artifacts(self) -> tuple[str, ...]:
        """URIs of the files of the folder that must be there."""
        return tuple(f"{self.uri}/{name}" for name in ("model.skops", "sample.parquet"))


class Evaluation(Reference):
    """How a fitted model does on the holdout, beside the baseline."""

    metrics: dict[str, float]
    baseline: dict[str, float]
    slices: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="column=value to metrics, with n."
    )
    importances: dict[str, float] = Field(default_factory=dict)
    predictions_uri: str = Field(description="Parquet of key, label and prediction on the holdout.")
    picture_url: str = ""
    holdout: tuple[str, ...]
    rows: int
    digest: str


class Profiled(Reference):
    """What a version learned from and said of its holdout, as sketches that stand for the rows."""

    uris: dict[str, str] = Field(description="File to where it is.")
    digests: dict[str, str] = Field(description="File to SHA-256 of its bytes.")
    rows: int = Field(description="Training rows that were counted.")


class Candidate(Reference):
    """A registered model version."""

    model: str
    version: int
    run_id: str
    run_url: str
    uri: str = Field(description="models:/NAME/VERSION")
    cause: Cause
    as_of: datetime
    fitted: Fitted
    evaluation: Evaluation
    profiled: Profiled | None = Field(None, description="Null for a version of before profiles.")
    data_version: str = Field(description="Digest of the history that it was trained from.")
    commit: str
    model_commit: str = Field(
        "", description="Of the repository that holds the model's folder; empty before it was kept."
    )
    lock: str
    digest: str

    @property
    def gpu_hours(self) -> float:
        """Hours of a whole GPU: the parts that were held, for as long as parameters were tried."""
        hardware = self.fitted.hardware
        held = sum(each.share for each in hardware.devices) if hardware else 0.0
        return held * sum(each.seconds for each in self.fitted.trials) / 3600


class Bento(Reference):
    """A candidate packaged for serving; `smoke` is set once its own process has answered."""

    tag: str
    uri: str
    digest: str
    version: int
    smoke: str = ""


class Champion(Reference):
    """The version in charge at a time, by the ledger."""

    model: str
    version: int
    since: datetime
    candidate: Candidate
    bento: Bento
    entry: str = Field(description="Digest of the ledger's entry.")


class Contest(Reference):
    """The version in charge, and the last challenger for drift that did not take its place."""

    champion: Champion
    turned_down: Candidate | None = None
    course: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="Windows judged before to their metrics, as judged last."
    )


class Predictions(Reference):
    """The predictions of one window."""

    uri: str
    version: int
    window: WindowName
    rows: int
    model: str
    model_version: int
    digest: str

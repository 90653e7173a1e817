"""The frozen values that travel between tasks: where something is, what it holds, what people see.

A reference is small enough to be stored as JSON with every task, names its content by digest,
and points back at the references that it was made from: the chain is the provenance graph.
Frames, models and clients never travel.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from infra.hardware import Hardware
from infra.store import digest_of
from tasks.windows import WindowName, end_day, first_day


class Reference(BaseModel):
    """A frozen value; a field that nobody declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Cause(StrEnum):
    """Why a training was started."""

    PERSON = "person"
    SCHEDULE = "schedule"
    DRIFT = "drift"
    DATA = "data"
    CODE = "code"
    CI = "ci"


class Ending(StrEnum):
    """The five ways in which a batch ends, from best to worst."""

    ACCEPT = "accept"
    WARN = "warn"
    QUARANTINE = "quarantine"
    HOLD = "hold"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """Rank from 0 (accept) to 4 (reject)."""
        return list(Ending).index(self)

    @property
    def state(self) -> str:
        """Name of the run's final state."""
        return {"warn": "Warned"}.get(self.value, self.value.capitalize().rstrip("e") + "ed")


class Delivery(Reference):
    """What a source handed over for one window, before anyone has looked inside."""

    model: str
    window: WindowName
    as_of: datetime
    files: dict[str, str] = Field(description="Table to URI of what was delivered.")
    digests: dict[str, str] = Field(description="Table to SHA-256 of the delivered bytes.")


class Finding(Reference):
    """One thing that a check saw in a batch."""

    table: str
    check: str = Field(description="Name of the check or the expectation.")
    ending: Ending
    message: str = Field(description="One sentence with numbers, safe to show anywhere.")
    column: str | None = None
    rows: int = Field(0, ge=0, description="Rows concerned; 0 for the whole table.")
    examples: tuple[str, ...] = Field((), description="At most five, as text, escaped by viewers.")


class TableVersion(Reference):
    """The rows of one table for one window, at one version of its Delta table."""

    table: str
    window: WindowName
    uri: str
    version: int
    digest: str = Field(description="SHA-256 of the rows in canonical order.")
    rows: int


class Inspection(Reference):
    """What the contract said of a delivery; the rows that passed wait in staging."""

    delivery: Delivery
    ending: Ending
    findings: tuple[Finding, ...]
    staged: tuple[TableVersion, ...] = Field((), description="Rows that may be committed.")
    quarantined: dict[str, int] = Field(
        default_factory=dict, description="Table to rows set aside."
    )
    quarantine_uris: dict[str, str] = Field(default_factory=dict)
    report_uri: str
    report_url: str
    digest: str = Field(description="SHA-256 of findings and staged digests: the evidence.")


class Manifest(Reference):
    """The commit point of an ingest: the versions of all tables of one window."""

    model: str
    window: WindowName
    as_of: datetime
    ending: Ending
    tables: tuple[TableVersion, ...]
    quarantined: dict[str, int] = Field(default_factory=dict)
    report_url: str = ""
    approval: str = Field(
        "", description="Digest of the ledger's entry by which a person let a held batch in."
    )
    digest: str = Field(description="SHA-256 over the digests of the tables.")

    def table(self, name: str) -> TableVersion:
        """The version of one of the feed's tables in this window."""
        return next(table for table in self.tables if table.table == name)


class History(Reference):
    """The manifests in force as of a time, oldest window first."""

    model: str
    as_of: datetime
    manifests: tuple[Manifest, ...]
    digest: str

    @property
    def windows(self) -> tuple[str, ...]:
        """Names of the windows, oldest first."""
        return tuple(manifest.window for manifest in self.manifests)

    def before(self, window: str) -> "History":
        """The same without a window and those after it: what was usual when it came.

        The time of asking goes too, so that a step which reads it is keyed by content alone.
        """
        start = first_day(window)
        kept = tuple(each for each in self.manifests if end_day(each.window) <= start)
        moments = [each.as_of for each in kept]
        digest = digest_of([(each.window, each.digest) for each in kept])
        as_of = max(moments, default=datetime.min.replace(tzinfo=UTC))
        return self.model_copy(update={"manifests": kept, "digest": digest, "as_of": as_of})


class FeaturePart(Reference):
    """The features of one window."""

    window: WindowName
    digest: str
    rows: int
    labelled: int = Field(description="Rows whose label was known as of the history's time.")


class FeatureTable(Reference):
    """Features, labels and times of every window of a history, in one Delta table."""

    model: str
    uri: str
    version: int
    parts: tuple[FeaturePart, ...]
    key: tuple[str, ...]
    label: str
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    as_of: datetime
    history: str = Field(description="Digest of the history that it was made from.")
    digest: str


class Split(Reference):
    """Which windows a candidate trains on and which it is judged on."""

    table: FeatureTable
    train: tuple[str, ...]
    holdout: tuple[str, ...]
    holdout_share: float | None = Field(
        None, description="For rows without time: the share held out, by hash of their key."
    )
    digest: str


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
    lock: str
    digest: str


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


class Predictions(Reference):
    """The predictions of one window."""

    uri: str
    version: int
    window: WindowName
    rows: int
    model: str
    model_version: int
    digest: str


class Contest(Reference):
    """The version in charge, and the last challenger for drift that did not take its place."""

    champion: Champion
    turned_down: Candidate | None = None


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


class Subject(StrEnum):
    """What a review is about."""

    BATCH = "batch"
    CANDIDATE = "candidate"
    DRIFT = "drift"


class Evidence(Reference):
    """What a reviewer is shown: stored before the review suspends."""

    subject: Subject
    model: str
    as_of: datetime
    title: str
    markdown: str
    payload: dict[str, JsonValue] = Field(description="The reference that is decided about.")
    uri: str = ""
    digest: str


class Decision(Reference):
    """What a person, or the default at the deadline, decided."""

    approved: bool
    reason: str
    actor: str
    evidence: str
    entry: str = Field(description="Digest of the ledger's entry.")

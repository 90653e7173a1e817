"""References to data: what came, what the contract said of it, what became of it."""

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import Field

from infra.store import digest_of
from tasks.references.frozen import Reference
from tasks.windows import WindowName, end_day, first_day


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

    @property
    def rows(self) -> int:
        """Rows of all its tables."""
        return sum(table.rows for table in self.tables)

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
    data: str = Field("", description="Digest of its window's manifest; empty before it was noted.")
    delivered: int = Field(0, description="Rows that were delivered for its window, of all tables.")


class Incident(Reference):
    """A batch of a window that the contract did not let pass whole."""

    window: WindowName
    ending: Ending
    rows: int = Field(description="Rows that were let in.")
    set_aside: int = Field(description="Rows that were not.")
    approval: str = Field(
        "", description="Digest of the ledger's entry by which a person let it in."
    )

    @property
    def share(self) -> float:
        """Of its rows those that were not let in: 0 to 1."""
        return self.set_aside / max(self.rows + self.set_aside, 1)


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
    incidents: tuple[Incident, ...] = Field(
        (), description="What the contract set aside, or held until a person let it in."
    )
    digest: str

    def holding(self, window: str) -> "FeatureTable":
        """The same, in which a window that never came is one without rows."""
        if any(part.window == window for part in self.parts):
            return self
        absent = FeaturePart(window=window, digest="", rows=0, labelled=0)
        return self.model_copy(update={"parts": (*self.parts, absent)})


class Split(Reference):
    """Which windows a candidate trains on and which it is judged on."""

    table: FeatureTable
    train: tuple[str, ...]
    holdout: tuple[str, ...]
    holdout_share: float | None = Field(
        None, description="For rows without time: the share held out, by hash of their key."
    )
    digest: str

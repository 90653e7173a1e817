"""References to decisions: what a reviewer is shown, and what was decided."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue

from tasks.references.frozen import Reference


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

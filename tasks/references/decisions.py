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


class Diagnosis(StrEnum):
    """What a reviewer of drift says it is; each leads to its action.

    The world has changed: a training. The model or a feed is broken: people are told, and nothing
    is trained on it. It is expected: nothing.
    """

    WORLD = "world"
    BROKEN = "broken"
    EXPECTED = "expected"


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
    diagnosis: Diagnosis | None = Field(None, description="Null for all but drift.")
    void: bool = Field(False, description="What was shown was not so any more.")

    @property
    def outcome(self) -> str:
        """The name of the state that the review ends in."""
        if self.void:
            return "Void"
        if self.diagnosis is not None and not self.approved:
            return self.diagnosis.value.capitalize()
        return "Approved" if self.approved else "Refused"

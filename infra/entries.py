"""What a record of the ledger says, and the one text of it that is sealed."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

GENESIS: Final = "0" * 64
"""What the first record follows."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Kind(StrEnum):
    """What a record is about."""

    INGEST = "ingest"
    HOLD = "hold"
    REFUSAL = "refusal"
    GATE = "gate"
    QUESTION = "question"
    ANSWER = "answer"
    REVIEW = "review"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    REPACKAGE = "repackage"
    DRIFT = "drift"
    EVENT = "event"
    ALERT = "alert"
    PROOF = "proof"


def canonical(value: JsonValue) -> str:
    r"""The one text of a JSON value: sorted keys, no spaces, ASCII.

    >>> canonical({"b": 1.0, "a": "ü"})
    '{"a":"\\u00fc","b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def storable(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value as PostgreSQL and JSON can hold it, with nothing lost that a reader would miss.

    NUL and lone surrogates become U+FFFD, infinities and NaN their names.
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Line = Annotated[str, BeforeValidator(storable)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class Entry(BaseModel):
    """One decision as it is handed to the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    model: Line
    as_of: Moment = Field(description="Logical time: what the decision counts for.")
    subject: Line = Field(description="Digest of what was decided about.")
    actor: Line = Field("perennial", description="Who decided: a person, or a flow.")
    evidence: Line = Field("", description="Digest of what the decision rests on.")
    reason: Line = ""
    payload: Annotated[dict[str, JsonValue], BeforeValidator(storable)] = Field(
        default_factory=dict
    )
    key: Line = Field(
        "",
        description="Idempotency key: a decision is recorded once under it. "
        "By default kind, model, subject, evidence and as_of.",
    )

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        if not self.key:
            parts = (self.kind, self.model, self.subject, self.evidence, self.as_of.isoformat())
            object.__setattr__(self, "key", ":".join(parts))
        return self

    def content(self) -> str:
        """The canonical text of all that the entry says."""
        plain = Entry.model_dump(self, mode="json", include=set(Entry.model_fields))
        return canonical(plain | {"as_of": self.as_of.isoformat()})


class Recorded(Entry):
    """An entry in its place in the chain."""

    id: int = Field(ge=1, description="Its place: consecutive, from 1.")
    at: Moment = Field(description="Wall clock of the database when it was written.")
    prev: str = Field(description="Digest of the record before it.")
    digest: str

    @classmethod
    def sealed(cls, entry: Entry, newest: "Recorded | None", at: datetime) -> Self:
        """The entry as the record that follows the newest one."""
        place = {"id": 1, "prev": GENESIS}
        if newest is not None:
            place = {"id": newest.id + 1, "prev": newest.digest}
        draft = cls.model_validate({**dict(entry), **place, "at": at, "digest": ""})
        return draft.model_copy(update={"digest": draft.recomputed()})

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """The record of a row of the ledger's table.

        Raises:
            ValueError: the row is none that we wrote.
        """
        return cls.model_validate({**row, "payload": json.loads(row["payload"])})

    def columns(self) -> dict[str, object]:
        """The row of the ledger's table."""
        return {**dict(self), "kind": self.kind.value, "payload": canonical(self.payload)}

    def entry(self) -> Entry:
        """What was handed in, without its place."""
        return Entry(**{name: getattr(self, name) for name in Entry.model_fields})

    def recomputed(self) -> str:
        """SHA-256 of the record's canonical text: content, place, time and predecessor."""
        seal: dict[str, JsonValue] = {
            "id": self.id,
            "at": self.at.isoformat(),
            "prev": self.prev,
            "entry": self.content(),
        }
        return hashlib.sha256(canonical(seal).encode()).hexdigest()

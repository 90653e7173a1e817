"""Answers that decide nothing: the first of several approvals, and those that did not count."""

import hashlib
from typing import Final

from pydantic import JsonValue

from infra.ledger import Entry, Kind, Ledger
from infra.signatures import fingerprint
from tasks.governance.answers import Answer
from tasks.references import Evidence

_LONGEST: Final = {"reviewer": 200, "reason": 2_000, "signature": 10_000, "handed_over": 2_000}
"""Characters that the ledger keeps of what did not count."""


def record_answer(
    evidence: Evidence, answer: Answer, why: tuple[str, ...], gate: str, handed_over: str = ""
) -> None:
    """Keep an answer; the same gate is passed again whenever the run is resumed.

    What is longer than an answer may be is kept shortened, with the digest of the whole.

    Args:
        evidence: what it was said about.
        answer: what was said.
        why: what kept it from counting; empty for an approval that waits for others.
        gate: the run, and its try.
        handed_over: the text as it came, where it was no answer at all.

    Raises:
        BackendError: the database is gone.
    """
    ledger, key = Ledger(), f"{Kind.ANSWER}:{evidence.digest}:{gate}"
    if ledger.find(key) is not None:
        return
    said = {
        "reviewer": answer.reviewer.strip() or "nobody",
        "reason": answer.reason,
        "signature": answer.signature,
        "handed_over": handed_over,
    }
    cut: dict[str, JsonValue] = {
        name: hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        for name, text in said.items()
        if len(text) > _LONGEST[name]
    }
    short = {name: text[: _LONGEST[name]] for name, text in said.items()}
    more: dict[str, JsonValue] = {"handed_over": short["handed_over"]} if handed_over else {}
    ledger.append(
        Entry(
            kind=Kind.ANSWER,
            model=evidence.model,
            as_of=evidence.as_of,
            subject=evidence.digest,
            actor=short["reviewer"],
            evidence=evidence.digest,
            reason=short["reason"],
            payload={
                "counts": not why,
                "why": list(why),
                "answered": answer.approve,
                "diagnosis": answer.diagnosis,
                "signed": bool(answer.signature),
                "signature": short["signature"],
                **more,
                **({"shortened": cut} if cut else {}),
            },
            key=key,
        )
    )


def approvers(model: str | None = None) -> dict[str, dict[str, str]]:
    """Who has approved so far where several must, by the digest of the evidence.

    Each to the key that signed; an empty one where none did.

    Raises:
        BackendError: the database is gone.
    """
    found: dict[str, dict[str, str]] = {}
    for each in Ledger().entries(model, Kind.ANSWER):
        if each.payload["counts"]:
            signature = str(each.payload.get("signature") or "")
            found.setdefault(each.evidence, {})[each.actor] = fingerprint(signature)
    return found

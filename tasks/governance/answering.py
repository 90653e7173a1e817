"""Answers that decide nothing: the first of several approvals, and those that did not count."""

import hashlib
from collections.abc import Collection
from typing import Final

from pydantic import JsonValue

from infra.ledger import Entry, Kind, Ledger, Recorded
from infra.signatures import fingerprint
from tasks.governance.answers import Answer
from tasks.governance.objections import of_the_signature
from tasks.governance.rules import rules_for
from tasks.governance.spec import ApprovalSpec
from tasks.references import Evidence

_LONGEST: Final = {"reviewer": 200, "reason": 2_000, "signature": 10_000, "handed_over": 2_000}
"""Characters that the ledger keeps of what did not count."""


def record_answer(
    evidence: Evidence, answer: Answer, why: tuple[str, ...], gate: str, handed_over: str = ""
) -> Recorded:
    """The record of an answer; the same gate is passed again whenever the run is resumed.

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
    earlier = ledger.find(key)
    if earlier is not None:
        return earlier
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
    return ledger.append(
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


def approvers(model: str | None = None, about: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """Who has approved so far where several must, by the digest of the evidence.

    Each to the key that signed; an empty one where none did. A signature is weighed anew: one
    whose key was taken off the file since counts no more.

    Args:
        model: only of this model.
        about: the digests of the evidence that is asked about.

    Raises:
        BackendError: the database is gone.
    """
    found: dict[str, dict[str, str]] = {}
    for each in Ledger().entries(model, Kind.ANSWER):
        if each.evidence in about and each.payload["counts"] and _still_holds(each):
            signature = str(each.payload.get("signature") or "")
            found.setdefault(each.evidence, {})[each.actor] = fingerprint(signature)
    return found


def _still_holds(recorded: Recorded) -> bool:
    """Whether an answer that counted does; one of before the rules were kept does."""
    rules = rules_for(recorded.model, recorded.evidence, ApprovalSpec())
    if not rules.approval.signers:
        return True
    answer = Answer.model_validate(
        {
            "approve": recorded.payload["answered"],
            "diagnosis": recorded.payload["diagnosis"],
            "reason": recorded.reason,
            "reviewer": recorded.actor,
            "signature": recorded.payload["signature"],
        }
    )
    return not of_the_signature(answer, rules, recorded.model, recorded.evidence)

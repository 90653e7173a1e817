"""Answers that decide nothing: the first of several approvals, and those that did not count."""

from infra.ledger import Entry, Kind, Ledger
from tasks.governance.answers import Answer
from tasks.references import Evidence


def record_answer(evidence: Evidence, answer: Answer, why: tuple[str, ...], gate: str) -> None:
    """Keep an answer; the same gate is passed again whenever the run is resumed.

    Args:
        evidence: what it was said about.
        answer: what was said.
        why: what kept it from counting; empty for an approval that waits for others.
        gate: the run, and its try.

    Raises:
        BackendError: the database is gone.
    """
    ledger, key = Ledger(), f"{Kind.ANSWER}:{evidence.digest}:{gate}"
    if ledger.find(key) is not None:
        return
    ledger.append(
        Entry(
            kind=Kind.ANSWER,
            model=evidence.model,
            as_of=evidence.as_of,
            subject=evidence.digest,
            actor=answer.reviewer.strip() or "nobody",
            evidence=evidence.digest,
            reason=answer.reason,
            payload={
                "counts": not why,
                "why": list(why),
                "answered": answer.approve,
                "diagnosis": answer.diagnosis,
                "signed": bool(answer.signature),
                "signature": answer.signature,
            },
            key=key,
        )
    )


def approvers(model: str | None = None) -> dict[str, tuple[str, ...]]:
    """Who has approved so far where several must, by the digest of the evidence.

    Raises:
        BackendError: the database is gone.
    """
    found: dict[str, tuple[str, ...]] = {}
    for each in Ledger().entries(model, Kind.ANSWER):
        if each.payload["counts"]:
            found[each.evidence] = (*found.get(each.evidence, ()), each.actor)
    return found

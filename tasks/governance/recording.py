"""Decisions into the ledger: what was decided, by whom, on which evidence; each once."""

from pydantic import BaseModel, JsonValue

from infra.entries import storable
from infra.errors import ConfigError
from infra.ledger import Entry, Kind, Ledger, Recorded
from infra.steps import step
from tasks.governance.answers import DEADLINE, Answer
from tasks.governance.currency import outdated
from tasks.governance.drifts import conclusion_of, verdict_of
from tasks.governance.objections import barred, keys_of, objections
from tasks.governance.rules import Rules, rules_for
from tasks.governance.showing import show_batch, show_verdict
from tasks.governance.spec import ApprovalSpec
from tasks.references import (
    Candidate,
    Conclusion,
    Decision,
    Diagnosis,
    DriftVerdict,
    Ending,
    Evidence,
    Inspection,
    Manifest,
    Verdict,
)

__all__ = [
    "conclusion_of",
    "decide",
    "decided",
    "is_refusal",
    "record",
    "record_approved",
    "record_batch",
    "record_drift",
    "record_verdict",
    "review_key",
    "verdict_of",
]

_KIND_OF = {Ending.HOLD: Kind.HOLD, Ending.REJECT: Kind.REFUSAL}


@step(moving=True)
def record(entry: Entry) -> Recorded:
    """The record of an entry; the same entry again is the same record.

    Raises:
        IntegrityError: its key is taken by something else.
        BackendError: the database is gone.
    """
    return Ledger().append(entry)


@step(moving=True)
def record_batch(inspection: Inspection) -> Recorded:
    """The record of how a batch ended: ingested, held or refused; the run's page shows it.

    Raises:
        BackendError: the database is gone.
    """
    show_batch(inspection)
    delivery, findings = inspection.delivery, inspection.findings
    worst = max(findings, key=lambda finding: finding.ending.severity, default=None)
    kind = _KIND_OF.get(inspection.ending, Kind.INGEST)
    return Ledger().append(
        Entry(
            kind=kind,
            model=delivery.model,
            as_of=delivery.as_of,
            subject=inspection.digest,
            actor="contract",
            evidence=inspection.digest,
            reason=worst.message if worst else "Every check passed.",
            payload={
                "window": delivery.window,
                "ending": inspection.ending.value,
                "delivered": dict(delivery.digests),
                "staged": {table.table: table.digest for table in inspection.staged},
                "quarantined": dict(inspection.quarantined),
                "findings": len(findings),
            },
            key=f"{kind}:{delivery.model}:{delivery.window}:{inspection.digest}"
            f":{delivery.as_of.isoformat()}",
        )
    )


@step(moving=True)
def record_approved(manifest: Manifest, decision: Decision) -> Recorded:
    """The record that a held batch was let in: by whom, on which evidence, and what it became.

    Raises:
        BackendError: the database is gone.
    """
    return Ledger().append(
        Entry(
            kind=Kind.INGEST,
            model=manifest.model,
            as_of=manifest.as_of,
            subject=manifest.digest,
            actor=decision.actor,
            evidence=decision.evidence,
            reason=decision.reason,
            payload={
                "window": manifest.window,
                "ending": manifest.ending.value,
                "approval": decision.entry,
                "committed": {each.table: each.digest for each in manifest.tables},
                "quarantined": dict(manifest.quarantined),
            },
            key=f"{Kind.INGEST}:{manifest.model}:{manifest.window}:{decision.entry}",
        )
    )


@step(moving=True)
def record_verdict(evidence: Evidence, verdict: Verdict) -> Recorded:
    """The record of what the gates said of a candidate; the run's page shows it.

    Raises:
        BackendError: the database is gone.
    """
    show_verdict(evidence, verdict)
    candidate, comparison = _part(evidence, "candidate"), _part(evidence, "comparison")
    entry = Entry(
        kind=Kind.GATE,
        model=evidence.model,
        as_of=evidence.as_of,
        subject=str(candidate["digest"]),
        actor="gate",
        evidence=evidence.digest,
        reason=verdict.why,
        payload={
            "verdict": verdict.kind,
            "version": candidate["version"],
            "cause": candidate["cause"],
            "gpu_hours": Candidate.model_validate(candidate).gpu_hours,
            "comparison": comparison,
        },
    )
    earlier = Ledger().find(entry.key)
    if earlier is not None and not {"cause", "gpu_hours"} <= earlier.payload.keys():
        return earlier  # of before these were kept; the evidence in its key says the same
    return Ledger().append(entry)


@step(moving=True)
def record_drift(evidence: Evidence, verdict: DriftVerdict, conclusion: Conclusion) -> Recorded:
    """The record of what monitoring saw of a window, and of what the policy made of it.

    Raises:
        BackendError: the database is gone.
    """
    return Ledger().append(
        Entry(
            kind=Kind.DRIFT,
            model=verdict.model,
            as_of=verdict.as_of,
            subject=verdict.digest,
            actor="monitor",
            evidence=evidence.digest,
            reason=" ".join((*conclusion.why, *verdict.reasons)),
            payload={
                **_facts(verdict, without={"report_url", "reasons"}),
                "conclusion": _facts(conclusion, without=set()),
            },
        )
    )


@step(moving=True)
def decide(evidence: Evidence, answers: tuple[Answer, ...], approval: ApprovalSpec) -> Decision:
    """The decision on evidence: the first that was recorded stands.

    It is void where what was shown is not so any more: then nothing follows from it.

    Args:
        evidence: what was decided about.
        answers: the one that decides last, behind the approvals that came before it.
        approval: what the model declares; what it declared when it was asked counts.

    Raises:
        ConfigError: an answer does not count, or too few have approved.
        BackendError: the database is gone.
    """
    earlier = decided(evidence.digest)
    if earlier is not None:
        return earlier
    _require_counting(evidence, answers, rules_for(evidence.model, evidence.digest, approval))
    *before, answer = answers
    people = [*(before if answer.approve else ()), answer]
    void = outdated(evidence)
    return _decision(
        Ledger().append(
            Entry(
                kind=Kind.REVIEW,
                model=evidence.model,
                as_of=evidence.as_of,
                subject=evidence.digest,
                actor=" and ".join(each.reviewer.strip() for each in people),
                evidence=evidence.digest,
                reason=f"{void} {answer.reason}".strip(),
                payload={
                    **_said(evidence, answer, void),
                    "approvals": [each.reviewer.strip() for each in before],
                },
                key=review_key(evidence.digest),
            )
        )
    )


def _require_counting(evidence: Evidence, answers: tuple[Answer, ...], rules: Rules) -> None:
    people = rules.approval.approvals
    for place, answer in enumerate(answers):
        if answer.reviewer == DEADLINE:
            wrong = list(barred(rules, evidence) if answer.approve else ())
        else:
            wrong = list(objections(answer, rules, evidence, keys_of(answers[:place])))
            if answer.approve and answer is answers[-1] and len(answers) < people:
                wrong.append(f"It takes {people} people.")
        if wrong:
            raise ConfigError(f"The answer does not count: {' '.join(wrong)}", hint="Answer again.")


def decided(digest: str) -> Decision | None:
    """The decision on the evidence of a digest, if there is one."""
    earlier = Ledger().find(review_key(digest))
    return None if earlier is None else _decision(earlier)


def is_refusal(review: Recorded) -> bool:
    """Whether the record of a review turned something down; one that was void did not."""
    return review.payload["approved"] is False and not review.payload.get("void")


def review_key(digest: str) -> str:
    """The key under which the decision on evidence is recorded, whoever takes it."""
    return f"{Kind.REVIEW}:{digest}"


def _said(evidence: Evidence, answer: Answer, void: str) -> dict[str, JsonValue]:
    """What the ledger keeps of an answer; one from a form is unsigned."""
    return {
        "approved": answer.approve is True and not void,
        "subject": evidence.subject.value,
        "diagnosis": answer.diagnosis,
        "answered": answer.approve,
        "void": void,
        "signed": bool(answer.signature),
        "signature": answer.signature,
    }


def _decision(recorded: Recorded) -> Decision:
    diagnosis = recorded.payload.get("diagnosis")
    return Decision(
        approved=recorded.payload["approved"] is True,
        diagnosis=Diagnosis(str(diagnosis)) if diagnosis else None,
        void=bool(recorded.payload.get("void")),
        reason=recorded.reason,
        actor=recorded.actor,
        evidence=recorded.evidence,
        entry=recorded.digest,
    )


def _part(evidence: Evidence, name: str) -> dict[str, JsonValue]:
    part = evidence.payload[name]
    return part if isinstance(part, dict) else {}


def _facts(reference: BaseModel, without: set[str]) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = storable(reference.model_dump(mode="json", exclude=without))
    return facts

"""Ask a person, keep the answer, and start what it allows."""

from prefect import State, flow

from infra.runs import ended, named, start
from tasks.data import commit
from tasks.governance import ask, decide, read_evidence
from tasks.references import Candidate, Cause, Inspection, Subject
from tasks.spec import load_spec


@flow(name="review", flow_run_name=named("model", "subject"))
def review(model: str, subject: Subject, evidence: str) -> State[None]:
    """Suspend until a person has decided on stored evidence.

    Args:
        model: name of the model.
        subject: what the decision is about.
        evidence: URI of the evidence, stored before this run was started.
    """
    approval, seen = load_spec(model).approval, read_evidence(evidence)
    decision = decide(seen, ask(seen, approval), approval)

    if not decision.approved:
        return ended("Refused", decision.reason)
    match subject:
        case Subject.BATCH:
            commit(Inspection.model_validate(seen.payload["inspection"]))
        case Subject.CANDIDATE:
            start(
                "promote",
                model,
                because=seen.digest,
                version=Candidate.model_validate(seen.payload["candidate"]).version,
                reason=decision.reason,
                actor=decision.actor,
                as_of=seen.as_of,
                evidence=seen.digest,
            )
        case Subject.DRIFT:
            start("train", model, because=seen.digest, cause=Cause.DRIFT, as_of=seen.as_of)
    return ended("Approved", decision.reason)

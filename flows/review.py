"""Ask a person, keep the answer, and start what it allows."""

from prefect import State, flow

from infra.runs import ended, named
from tasks.data import commit
from tasks.governance import (
    alert,
    ask,
    decide,
    decision_notice,
    read_evidence,
    record_approved,
    request_promotion,
    request_training,
)
from tasks.references import Inspection, Subject
from tasks.spec import load_spec


@flow(name="review", flow_run_name=named("model", "subject"))
def review(model: str, subject: Subject, evidence: str) -> State[None]:
    """Suspend until a person has decided on stored evidence.

    Args:
        model: name of the model.
        subject: what the decision is about.
        evidence: URI of the evidence, stored before this run was started.
    """
    spec, seen = load_spec(model), read_evidence(evidence)
    decision = decide(seen, ask(seen, spec.approval), spec.approval)
    alert(decision_notice(seen, decision), spec.alerts)

    if not decision.approved:
        return ended(decision.outcome, decision.reason)
    match subject:
        case Subject.BATCH:
            held = Inspection.model_validate(seen.payload["inspection"])
            record_approved(commit(held, decision.entry), decision)
        case Subject.CANDIDATE:
            request_promotion(seen, decision.reason, decision.actor)
        case Subject.DRIFT:
            request_training(seen)
    return ended(decision.outcome, decision.reason)

"""The review flow's question and decision, without what an approval starts."""

from prefect import State, flow

from infra.runs import ended, named
from tasks.governance import ask, decide, read_evidence
from tasks.governance.spec import ApprovalSpec


@flow(name="asking", flow_run_name=named("model"))
def asking(
    model: str,
    evidence: str,
    deadline_s: float = 3600,
    declared: dict[str, object] | None = None,
) -> State[None]:
    """Ask about stored evidence and decide."""
    usual = {"deadline": deadline_s, "reviewers": ["ann", "bob"]}
    approval = ApprovalSpec.model_validate(usual | (declared or {}))
    seen = read_evidence(evidence)
    decision = decide(seen, ask(seen, approval), approval)
    return ended(decision.outcome, decision.reason)

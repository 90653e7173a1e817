"""What a verdict leads to: on record, then started, in the turn in which it was decided."""

from infra.steps import step
from tasks.governance.consequences import request_review, request_rollback, request_training
from tasks.governance.evidence import evidence_for_drift
from tasks.governance.recording import record_drift
from tasks.references import Action, Conclusion, DriftVerdict


@step(moving=True)
def settle(verdict: DriftVerdict, conclusion: Conclusion) -> str:
    """Put on record what is done about a verdict, and start it.

    It belongs into the turn (`deciding`) in which it was concluded: the next one then sees what was
    started. After a kill the upkeep starts what is on record and was not.

    Args:
        verdict: of a window.
        conclusion: what the policy made of it.

    Returns:
        Id of the run that asks a person; empty where nobody is asked.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of what is to be started.
    """
    evidence = evidence_for_drift.fn(verdict, conclusion)
    record_drift.fn(evidence, verdict, conclusion)
    match conclusion.action:
        case Action.ASK:
            return request_review(evidence)
        case Action.RETRAIN if not conclusion.held:
            request_training(evidence)
        case Action.ROLLBACK:
            request_rollback(evidence, conclusion)
    return ""

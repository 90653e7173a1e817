"""What follows from evidence: the runs that it starts, each of them once."""

from infra.runs import start
from tasks.governance.trainings import attempt_of, because_of
from tasks.references import Candidate, Cause, Conclusion, DriftVerdict, Evidence


def request_review(evidence: Evidence) -> str:
    """Id of the run that asks a person about stored evidence.

    Raises:
        ConfigError: the model has no deployment of ``review``.
    """
    return start(
        "review",
        evidence.model,
        because=evidence.digest,
        subject=evidence.subject,
        evidence=evidence.uri,
    )


def request_promotion(evidence: Evidence, reason: str, actor: str) -> str:
    """Id of the run that puts the candidate of the evidence in charge.

    Args:
        evidence: what was decided on.
        reason: why, for the ledger.
        actor: who decided: a person's name, or ``gate``.

    Raises:
        ConfigError: the model has no deployment of ``promote``.
    """
    version = Candidate.model_validate(evidence.payload["candidate"]).version
    return _promotion(evidence, version, reason, actor)


def request_training(evidence: Evidence) -> str:
    """Id of the run that trains again because the world has moved: one for a version of the data.

    Where that one failed another verdict starts another, three in all.

    Raises:
        ConfigError: the model has no deployment of ``train``.
        BackendError: Prefect's server does not answer.
    """
    seen = DriftVerdict.model_validate(evidence.payload["verdict"])
    return start(
        "train",
        evidence.model,
        because=because_of(seen, attempt_of(seen)),
        cause=Cause.DRIFT,
        as_of=evidence.as_of,
    )


def request_rollback(evidence: Evidence, conclusion: Conclusion) -> str:
    """Id of the run that puts the version before the champion in charge again.

    Raises:
        ConfigError: the model has no deployment of ``promote``.
    """
    reason = " ".join((*conclusion.why, evidence.title))
    return _promotion(evidence, conclusion.version, reason, "policy")


def _promotion(evidence: Evidence, version: int | None, reason: str, actor: str) -> str:
    return start(
        "promote",
        evidence.model,
        because=evidence.digest,
        version=version,
        reason=reason,
        actor=actor,
        as_of=evidence.as_of,
        evidence=evidence.digest,
    )

"""What follows from evidence: the runs that it starts, each of them once."""

from infra.runs import start
from tasks.governance.trainings import attempt_of, because_of
from tasks.references import Candidate, Conclusion, DriftVerdict, Evidence, Subject


def request_review(evidence: Evidence) -> str:
    """Id of the run that asks a person about stored evidence.

    Raises:
        ConfigError: the model has no deployment of ``review``.
    """
    return start(
        "review",
        evidence.model,
        because=question_of(evidence),
        subject=evidence.subject,
        evidence=evidence.uri,
    )


def question_of(evidence: Evidence) -> object:
    """What a person is asked about: the same question starts one review.

    About drift it is the same whenever it is asked: of the champion, the window, the version of
    the data and the kinds of causes.
    """
    if evidence.subject is not Subject.DRIFT:
        return evidence.digest
    seen, asked = parts_of(evidence)
    data = seen.data_version or seen.digest
    return (evidence.subject.value, seen.champion, seen.window, data, sorted(asked.kinds))


def parts_of(evidence: Evidence) -> tuple[DriftVerdict, Conclusion]:
    """The verdict and what was concluded of it, of evidence about drift."""
    payload = evidence.payload
    return (
        DriftVerdict.model_validate(payload["verdict"]),
        Conclusion.model_validate(payload["conclusion"]),
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
    """Id of the run that trains again for a verdict: one for a version of the data.

    Its cause is the conclusion's: drift, or the schedule where one was due. Where that one failed
    another verdict starts another, three in all.

    Raises:
        ConfigError: the model has no deployment of ``train``.
        BackendError: Prefect's server does not answer.
    """
    seen, asked = parts_of(evidence)
    return start(
        "train",
        evidence.model,
        because=because_of(seen, attempt_of(seen)),
        cause=asked.cause,
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

"""Evidence: built once, stored before anyone is asked, named by its content."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, JsonValue, ValidationError

from infra import store
from infra.entries import storable
from infra.errors import IntegrityError
from infra.steps import step
from tasks.governance.authorship import Authorship, written
from tasks.governance.pages import batch_page, candidate_page, drift_page
from tasks.references import (
    Bento,
    Candidate,
    Champion,
    Comparison,
    Conclusion,
    DriftVerdict,
    Evidence,
    Inspection,
    Subject,
    Verdict,
)


@step
def evidence_for_batch(inspection: Inspection) -> Evidence:
    """What a reviewer needs to decide about a batch on hold."""
    delivery = inspection.delivery
    return _stored(
        Subject.BATCH,
        delivery.model,
        delivery.as_of,
        batch_page(inspection),
        inspection=inspection,
    )


@step
def evidence_for_candidate(
    candidate: Candidate,
    bento: Bento,
    comparison: Comparison,
    verdict: Verdict,
    incumbent: Champion | None = None,
    paths: Sequence[str] = (),
) -> Evidence:
    """What a reviewer needs to decide whether a candidate takes over.

    Who wrote what is new is told by git now, from the commit of the one in charge on: in the
    model's folder, its suites, and the paths that its trigger ``code`` names.
    """
    new = written(candidate, incumbent, paths)
    return _stored(
        Subject.CANDIDATE,
        candidate.model,
        candidate.as_of,
        candidate_page(candidate, bento, comparison, verdict, new),
        new,
        candidate=candidate,
        bento=bento,
        comparison=comparison,
        verdict=verdict,
    )


@step
def evidence_for_drift(verdict: DriftVerdict, conclusion: Conclusion) -> Evidence:
    """What a reviewer needs to decide whether to train again."""
    return _stored(
        Subject.DRIFT,
        verdict.model,
        verdict.as_of,
        drift_page(verdict, conclusion),
        verdict=verdict,
        conclusion=conclusion,
    )


@step(moving=True)
def read_evidence(uri: str) -> Evidence:
    """Stored evidence, checked against its digest.

    Raises:
        DataError: it is gone.
        IntegrityError: it is not what was stored.
    """
    try:
        evidence = Evidence.model_validate_json(store.get_bytes(uri))
    except ValidationError as error:
        raise IntegrityError(f"The evidence {uri} cannot be read.") from error
    if evidence.digest != _digest(evidence):
        raise IntegrityError(f"The evidence {uri} was changed after it was stored.")
    return evidence


def _stored(
    subject: Subject,
    model: str,
    as_of: datetime,
    page: tuple[str, str],
    new: Authorship | None = None,
    **references: BaseModel,
) -> Evidence:
    payload: dict[str, JsonValue] = {
        name: storable(value.model_dump(mode="json")) for name, value in references.items()
    }
    if new is not None:
        payload |= storable(new._asdict())
    draft = Evidence(
        subject=subject,
        model=model,
        as_of=as_of,
        title=page[0],
        markdown=page[1],
        payload=payload,
        digest="",
    )
    digest = _digest(draft)
    uri = store.uri("evidence", model, f"{digest}.json")
    evidence = draft.model_copy(update={"digest": digest, "uri": uri})
    store.put_bytes(uri, evidence.model_dump_json(indent=1).encode())
    return evidence


def _digest(evidence: Evidence) -> str:
    """SHA-256 of all that a reviewer was shown; where it lies is not part of it."""
    return store.digest_of(evidence.model_copy(update={"digest": "", "uri": ""}))

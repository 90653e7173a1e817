"""Candidates in MLflow, and champions with a Bento on record: trained for real, and not served."""

from datetime import datetime

from infra import store
from infra.bentos import bento_record
from tasks.references import Bento, Candidate, Cause, Champion
from tasks.registry import crown, register
from tests.support.trained import AS_OF, trained


def registered(model: str, seed: int = 1, cause: Cause = Cause.PERSON) -> Candidate:
    """A candidate in MLflow."""
    fitted, evaluation = trained(model, seed=seed)
    return register.fn(fitted, evaluation, cause, AS_OF)


def bento_on_record(candidate: Candidate) -> Bento:
    """A Bento that is on record as tested; what it would answer is another test's matter."""
    bento = Bento(
        tag=f"{candidate.model}:{candidate.digest[:12]}",
        uri=str(store.local_path(candidate.fitted.uri)),
        digest=candidate.digest,
        version=candidate.version,
        smoke="50 holdout rows agree.",
    )
    place = bento_record(candidate.model, candidate.digest)
    store.put_bytes(place, bento.model_dump_json().encode())
    return bento


def crowned(candidate: Candidate, as_of: datetime = AS_OF, evidence: str = "e" * 8) -> Champion:
    """The candidate as champion."""
    return crown.fn(candidate, bento_on_record(candidate), as_of, "better", "gate", evidence)

"""Evidence as it is stored: whole, named by its content, and checked when it is read."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import DataError, IntegrityError
from tasks.governance.evidence import (
    evidence_for_batch,
    evidence_for_candidate,
    evidence_for_drift,
    read_evidence,
)
from tasks.references import Action, Ask, Candidate, Conclusion, DriftVerdict, Inspection
from tests.support.homes import environment
from tests.support.subjects import batch, bento, candidate, comparison, drift, finding


@pytest.fixture(autouse=True)
def _own_store(tmp_path: Path) -> Iterator[None]:
    with environment({"PERENNIAL_HOME": str(tmp_path), "PERENNIAL_STORE": str(tmp_path / "s")}):
        yield


def test_evidence_is_read_as_it_was_stored() -> None:
    """Through the file nothing is lost, and the subject can be decided about from it alone."""
    held = batch(finding("odd", "<b>"))

    stored = evidence_for_batch.fn(held)
    read = read_evidence.fn(stored.uri)

    assert read == stored
    assert Inspection.model_validate(read.payload["inspection"]) == held


def test_the_same_subject_gives_the_same_evidence() -> None:
    """A run that was killed and started again asks about the evidence it had asked about."""
    first, again = evidence_for_batch.fn(batch()), evidence_for_batch.fn(batch())

    assert again == first


def test_other_findings_are_other_evidence() -> None:
    """A decision on the one is no decision on the other."""
    digests = {evidence_for_batch.fn(batch(finding(words))).digest for words in ("a", "b")}

    assert len(digests) == 2


def test_numbers_that_json_cannot_hold_come_back() -> None:
    """An infinite PSI and a metric that could not be computed must not stop a review."""
    odd, conclusion = candidate(2, roc_auc=math.nan), Conclusion(action=Action.ASK)

    asked = evidence_for_candidate.fn(odd, bento(), comparison(), Ask(why="why"))
    moved = read_evidence.fn(evidence_for_drift.fn(drift(hour=math.inf), conclusion).uri)

    back = Candidate.model_validate(read_evidence.fn(asked.uri).payload["candidate"])
    assert math.isnan(back.evaluation.metrics["roc_auc"])
    assert DriftVerdict.model_validate(moved.payload["verdict"]).drift == {"hour": math.inf}


@pytest.mark.parametrize("change", [(b"kilometres", b"miles"), (b"{", b"")])
def test_evidence_that_was_changed_is_refused(change: tuple[bytes, bytes]) -> None:
    """Nobody decides on what was not stored."""
    path = Path(evidence_for_batch.fn(batch(finding())).uri)
    path.write_bytes(path.read_bytes().replace(*change))

    with pytest.raises(IntegrityError):
        read_evidence.fn(str(path))


def test_evidence_that_is_gone_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """The message says what to run."""
    with pytest.raises(DataError, match="gone"):
        read_evidence.fn(str(tmp_path / "s" / "none.json"))

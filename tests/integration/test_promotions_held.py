"""Challengers that the gates let through in a freeze: the upkeep promotes them afterwards."""

import pytest

from infra.ledger import Entry, Kind, Ledger
from tasks.governance import evidence_for_candidate, record_verdict
from tasks.governance.promoting import promote_waiting, waiting_challenger
from tasks.references import Cause, Promote
from tests.support.concluded import DAY, deployed, runs_of
from tests.support.subjects import bento, candidate, comparison

pytestmark = pytest.mark.usefixtures("ledger_beside_runs")


def test_a_challenger_that_a_freeze_held_back_is_promoted_once_when_it_is_over(model: str) -> None:
    """By the gates' own words; one that a person had trained, or that was in charge, is not."""
    deployed(model, "promote")
    made = candidate(2).model_copy(update={"model": model, "cause": Cause.PERSON})
    by_event = made.model_copy(update={"cause": Cause.EVENT, "digest": "by an event"})
    said = Promote(why="It gains.")
    record_verdict.fn(evidence_for_candidate.fn(made, bento(2), comparison(), said), said)
    of_person = waiting_challenger(model)
    evidence = evidence_for_candidate.fn(by_event, bento(2), comparison(), said)
    record_verdict.fn(evidence, said)

    waits = waiting_challenger(model)
    first, again = promote_waiting(model), promote_waiting(model)

    [run] = runs_of(model)
    assert of_person is None
    assert waits is not None
    assert waits.digest == evidence.digest
    assert first == f"The promotion of version 2 of {model} was asked for: it had waited."
    assert again == ""
    assert {key: run.parameters[key] for key in ("version", "reason", "actor", "evidence")} == {
        "version": 2,
        "reason": "It gains.",
        "actor": "gate",
        "evidence": evidence.digest,
    }


def test_a_challenger_that_another_champion_has_overtaken_waits_no_longer(model: str) -> None:
    """It was compared with version 1: a person has put version 3 in charge since."""
    deployed(model, "promote")
    made = candidate(2).model_copy(update={"model": model, "cause": Cause.EVENT})
    said = Promote(why="It gains.")
    record_verdict.fn(evidence_for_candidate.fn(made, bento(2), comparison(), said), said)
    crowned = candidate(3).model_copy(update={"model": model})
    payload = {
        "candidate": crowned.model_dump(mode="json"),
        "bento": bento(3).model_dump(mode="json"),
    }
    Ledger().append(
        Entry(
            kind=Kind.PROMOTION, model=model, as_of=made.as_of + DAY, subject="3", payload=payload
        )
    )

    assert (waiting_challenger(model), promote_waiting(model)) == (None, "")

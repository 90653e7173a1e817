"""Challengers that the gates let through and that wait for the end of a freeze."""

from typing import Final

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from infra.runs import find
from tasks.governance.consequences import request_promotion
from tasks.governance.currency import outdated
from tasks.governance.evidence import read_evidence
from tasks.governance.reviews import reachable_prefect
from tasks.references import Candidate, Cause, Evidence

_BY_PEOPLE: Final = frozenset({Cause.PERSON, Cause.CI})
_BY_ITSELF: Final = frozenset(Cause) - _BY_PEOPLE


def promotion_held(cause: Cause, *freezes: str | None) -> str:
    """Why a promotion by the gates waits; empty where it does not.

    What a person has started is not held back.

    Args:
        cause: why the candidate was trained.
        freezes: those of ``promote`` that count; None where there is none.
    """
    return "" if cause in _BY_PEOPLE else next(filter(None, freezes), "")


def waiting_challenger(model: str) -> Evidence | None:
    """The evidence of the newest challenger that the gates let through and nobody promoted.

    None where it was ever in charge or its promotion was asked for, another champion is in charge
    than the one that it was compared with, or a person had it trained.

    Args:
        model: its name.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: its evidence is gone.
    """
    passed = [
        gate
        for gate in Ledger().entries(model, Kind.GATE)
        if gate.payload["verdict"] == "promote" and gate.payload.get("cause") in _BY_ITSELF
    ]
    if not passed or _was_in_charge(passed[-1]):
        return None
    with reachable_prefect():
        if find("promote", model, passed[-1].evidence) is not None:
            return None
    evidence = read_evidence.fn(store.uri("evidence", model, f"{passed[-1].evidence}.json"))
    return None if outdated(evidence) else evidence


def promote_waiting(model: str) -> str:
    """What was promoted now that no freeze holds it, a sentence; empty where nothing waits.

    Args:
        model: its name.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of ``promote``.
        DataError: the evidence of the challenger is gone.
    """
    evidence = waiting_challenger(model)
    if evidence is None:
        return ""
    request_promotion(evidence, _reason(evidence), "gate")
    version = Candidate.model_validate(evidence.payload["candidate"]).version
    return f"The promotion of version {version} of {model} was asked for: it had waited."


def _was_in_charge(gate: Recorded) -> bool:
    crowned = Ledger().entries(gate.model, (Kind.PROMOTION, Kind.ROLLBACK))
    versions = {Candidate.model_validate(each.payload["candidate"]).version for each in crowned}
    return gate.payload["version"] in versions


def _reason(evidence: Evidence) -> str:
    verdict = evidence.payload["verdict"]
    return str(verdict.get("why", "")) if isinstance(verdict, dict) else ""

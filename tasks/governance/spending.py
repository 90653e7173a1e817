"""What trainings took that nobody asked for, and whether another one may start."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from tasks.governance.drifts import conclusion_of
from tasks.governance.evidence import read_evidence
from tasks.governance.past import Training
from tasks.governance.policy import over_budget
from tasks.governance.policy_spec import WEEK, BudgetSpec
from tasks.governance.trainings import going_on, started_by
from tasks.references import Action, Candidate, Cause

TRIGGERED: Final = frozenset({Cause.DATA, Cause.CODE, Cause.APPLICATION, Cause.EVENT})
"""Causes that no verdict, no schedule and nobody by hand starts a training for."""


def held_by_budget(model: str, budget: BudgetSpec, as_of: datetime) -> str:
    """Why no training may start by itself now, a sentence; empty where one may.

    Args:
        model: its name.
        budget: what is declared.
        as_of: the time that the training would be for.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of a training is gone.
    """
    if budget == BudgetSpec():
        return ""
    return over_budget(trained_by_itself(model, as_of, budget, verdicts=True), budget)


def trained_by_itself(
    model: str, as_of: datetime, budget: BudgetSpec, *, verdicts: bool = False
) -> tuple[Training, ...]:
    """The trainings of the seven days before a time that nobody asked for, oldest first.

    Args:
        model: its name.
        as_of: the time.
        budget: what is declared; without GPU hours what they took is not looked up.
        verdicts: those for drift too.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of a training is gone.
    """
    counted = {*TRIGGERED, *([Cause.DRIFT] if verdicts else [])}
    said = Ledger().entries(model, (Kind.DRIFT, Kind.GATE), as_of)
    due = {each.as_of for each in said if verdicts and _is_due(each)}
    found = {at: 0.0 for cause, at in _running(model) if cause in counted or at in due}
    for each in said:
        if each.kind == Kind.GATE and (each.payload.get("cause") in counted or each.as_of in due):
            found[each.as_of] = spent_on(each) if budget.gpu_hours else 0.0
    within = [at for at in found if timedelta(0) < as_of - at < WEEK]
    return tuple(Training(at, found[at]) for at in sorted(within))


def spent_on(gate: Recorded) -> float:
    """Hours of a whole GPU that a candidate took which came before the gates.

    Raises:
        DataError: the evidence is gone.
    """
    if "gpu_hours" in gate.payload:
        return float(str(gate.payload["gpu_hours"]))
    place = store.uri("evidence", gate.model, f"{gate.evidence}.json")
    return Candidate.model_validate(read_evidence.fn(place).payload["candidate"]).gpu_hours


def _is_due(said: Recorded) -> bool:
    """Whether a verdict asked for a training because one was due."""
    if said.kind != Kind.DRIFT:
        return False
    asked = conclusion_of(said)
    return asked.action is Action.RETRAIN and asked.cause is Cause.SCHEDULE


def _running(model: str) -> Iterator[tuple[Cause, datetime]]:
    for run in going_on(model):
        begun = started_by(run)
        if begun is not None:
            yield begun

"""What trainings took that nobody asked for, and whether another one may start."""

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import zip_longest
from typing import Final

from prefect.client.schemas.objects import FlowRun

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from tasks.governance.drifts import conclusion_of
from tasks.governance.evidence import read_evidence
from tasks.governance.past import Training
from tasks.governance.policy import over_budget
from tasks.governance.policy_spec import WEEK, BudgetSpec
from tasks.governance.trainings import begun_since, started_by
from tasks.references import Action, Candidate, Cause

TRIGGERED: Final = frozenset({Cause.DATA, Cause.CODE, Cause.APPLICATION, Cause.EVENT})
"""Causes that no verdict, no schedule and nobody by hand starts a training for."""

BY_THE_CLOCK: Final = frozenset({Cause.CODE, Cause.APPLICATION, Cause.EVENT})
"""Causes whose trainings count by when they began: an event may name any time to train for."""


_For = tuple[Cause, datetime]
"""What a training is for: its cause and its time."""


def held_by_budget(model: str, budget: BudgetSpec, at: datetime, own: Collection[str] = ()) -> str:
    """Why no training may start by itself now, a sentence; empty where one may.

    Args:
        model: its name.
        budget: what is declared.
        at: the time: for new data that which they are known at, for the rest the clock's.
        own: ids of runs that do not count: what is asked for has started them.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of a training is gone.
    """
    if budget == BudgetSpec():
        return ""
    return over_budget(trained_by_itself(model, at, budget, verdicts=True, own=own), budget)


def trained_by_itself(
    model: str,
    at: datetime,
    budget: BudgetSpec,
    *,
    verdicts: bool = False,
    own: Collection[str] = (),
) -> tuple[Training, ...]:
    """The trainings within seven days of a time that nobody asked for, oldest first.

    Each run counts that began, whatever became of it. Those for verdicts and new data count by the
    time that they are for, so that a year can be played again; those for commits and events by when
    they began. What was trained for a time soon after counts too, as where windows are caught up.

    Args:
        model: its name.
        at: the time.
        budget: what is declared; without GPU hours what they took is not looked up.
        verdicts: those for drift too.
        own: ids of runs that do not count.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of a training is gone.
    """
    ledger = Ledger()
    said = ledger.entries(model, (Kind.DRIFT, Kind.GATE))
    counted = {*TRIGGERED, *([Cause.DRIFT] if verdicts else [])}
    due = {(Cause.SCHEDULE, each.as_of) for each in said if verdicts and _is_due(each)}
    runs = _runs(begun_since(model, ledger.now() - WEEK))
    gates = _gates(each for each in said if each.kind == Kind.GATE)
    found = []
    for wanted in runs.keys() | gates.keys():
        if wanted not in due and wanted[0] not in counted:
            continue
        for run, gate in zip_longest(runs.get(wanted, ()), gates.get(wanted, ())):
            if run is None or str(run.id) not in own:
                hours = spent_on(gate) if gate and budget.gpu_hours else 0.0
                found.append(Training(_counted_at(wanted, run, gate), hours))
    within = (each for each in found if abs(at - each.as_of) < WEEK)
    return tuple(sorted(within, key=lambda each: each.as_of))


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


def _runs(begun: Iterable[FlowRun]) -> dict[_For, list[FlowRun]]:
    found: dict[_For, list[FlowRun]] = {}
    for run in begun:
        wanted = started_by(run)
        if wanted is not None:
            found.setdefault(wanted, []).append(run)
    return found


def _gates(said: Iterable[Recorded]) -> dict[_For, list[Recorded]]:
    """The candidates that came before the gates, each once however often it did."""
    versions: dict[_For, dict[str, Recorded]] = {}
    for gate in said:
        cause = str(gate.payload.get("cause", ""))
        if cause in set(Cause):
            wanted = (Cause(cause), gate.as_of)
            versions.setdefault(wanted, {}).setdefault(str(gate.payload["version"]), gate)
    return {wanted: list(each.values()) for wanted, each in versions.items()}


def _counted_at(wanted: _For, run: FlowRun | None, gate: Recorded | None) -> datetime:
    cause, as_of = wanted
    if cause not in BY_THE_CLOCK:
        return as_of
    if run is not None:
        return run.created or as_of
    return gate.at if gate is not None else as_of

"""Decisions about trainings at once, and what counts against the budget: real ledger and server."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Failed

from infra.ledger import Kind, Ledger
from infra.runs import start
from tasks.governance import deciding, settle
from tasks.governance.drifts import conclusion_of
from tasks.governance.policy_spec import BudgetSpec, PolicySpec
from tasks.governance.spending import held_by_budget
from tasks.references import Action, Cause, Conclusion, DriftVerdict, WatchKind
from tests.support.concluded import (
    DAY,
    came_before_the_gates,
    deployed,
    finished,
    followed,
    on,
    recorded,
    runs_of,
    seen,
)

pytestmark = pytest.mark.usefixtures("ledger_beside_runs")


def at_once(verdicts: Sequence[DriftVerdict], policy: PolicySpec) -> list[Conclusion]:
    """What is concluded of verdicts that are reached at the same moment, each in its own turn."""
    together = Barrier(len(verdicts))

    def monitored(verdict: DriftVerdict) -> Conclusion:
        together.wait()
        with deciding(verdict.model):
            done = followed(verdict, policy)
            settle.fn(verdict, done)
        return done

    with ThreadPoolExecutor(len(verdicts)) as pool:
        jobs = [pool.submit(copy_context().run, monitored, each) for each in verdicts]
        return [each.result() for each in jobs]


def test_two_monitors_at_once_start_one_training(model: str) -> None:
    """Of different windows and data: whichever is second finds what the first has started."""
    deployed(model, "train")
    windows = [on("2013-05", seen(model, 0)), on("2013-06", seen(model, 30))]

    done = at_once(windows, PolicySpec())

    [run] = runs_of(model)
    assert sorted(each.action for each in done) == ["alert", "retrain"]
    [waits] = [each for each in done if each.action is Action.ALERT]
    assert waits.why == (f"{run.name} trains for drift already.",)
    on_record = {conclusion_of(each).action for each in Ledger().entries(model, Kind.DRIFT)}
    assert on_record == {Action.ALERT, Action.RETRAIN}


def test_two_monitors_at_once_ask_one_person(model: str) -> None:
    """The question that waits for a worker is open, though nobody has put it on record yet."""
    deployed(model, "review")
    asks = PolicySpec.model_validate({"follow": {"novelty": "ask"}})
    windows = [on("2013-05", seen(model, 0)), on("2013-06", seen(model, 30))]

    done = at_once(windows, asks)

    [run] = runs_of(model)
    [waits] = [each for each in done if each.action is Action.ALERT]
    assert waits.why[-1] == f"{run.name} asks a person already."
    asking = next(window for window, each in zip(windows, done, strict=True) if each is not waits)
    assert followed(asking, asks).action is Action.ASK, "its own question is no other"


def test_a_window_that_is_caught_up_waits_for_the_training_of_a_newer_one(model: str) -> None:
    """Cooldown and budget look both ways: what was trained for the day after counts as well."""
    deployed(model, "train")
    newer, older = on("2013-06", seen(model, 3)), on("2013-05", seen(model, 0))
    at_once([newer], PolicySpec())
    finished(runs_of(model)[0].name)
    came_before_the_gates(newer, 2, promoted=False)

    cooled = followed(older, PolicySpec(cooldown=14 * DAY))
    spent = followed(older, PolicySpec(budget=BudgetSpec(retrains=1)))

    assert cooled.why == (
        "The last training for drift was as of 2013-05-04; the cooldown is 14 days.",
    )
    assert spent.why == ("1 trainings began within seven days; 1 may.",)


def test_every_training_that_began_counts_whatever_became_of_it(model: str) -> None:
    """By the clock where an event names the time: the same time again, or an earlier one."""
    deployed(model, "train")
    as_of, now, budget = seen(model, 0).as_of, Ledger().now(), BudgetSpec(retrains=3)
    held = []

    for place, days in enumerate((0, 0, -40)):
        held.append(held_by_budget(model, budget, Ledger().now()))
        because, wanted = (Cause.EVENT.value, place), as_of + days * DAY
        run = start("train", model, because=because, cause=Cause.EVENT, as_of=wanted)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run), Failed(), force=True)

    assert held == ["", "", ""]
    assert held_by_budget(model, budget, now) == "3 trainings began within seven days; 3 may."
    assert held_by_budget(model, budget, now, [run]) == "", "one's own does not hold one back"
    assert held_by_budget(model, budget, now + timedelta(days=8)) == ""


def test_trainings_of_one_time_count_each(model: str) -> None:
    """Each version that came before the gates, though all were for one time."""
    verdict = seen(model, 0)
    recorded(verdict, Conclusion(action=Action.RETRAIN, kinds=(WatchKind.NOVELTY,)))
    for version in (2, 3, 3):
        came_before_the_gates(verdict, version, promoted=False)

    assert held_by_budget(model, BudgetSpec(retrains=2), verdict.as_of).startswith("2 trainings")
    assert held_by_budget(model, BudgetSpec(retrains=3), verdict.as_of) == ""

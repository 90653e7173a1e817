"""Verdicts that come again: after a training, after an answer, beside another, after a kill."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client

from infra.ledger import Entry, Kind, Ledger
from tasks.governance import (
    evidence_for_candidate,
    evidence_for_drift,
    follow,
    record_drift,
    record_verdict,
    request_review,
    request_training,
    train_on_new_data,
)
from tasks.governance.alerting import tell_outside
from tasks.governance.currency import outdated
from tasks.governance.notices import AlertSpec
from tasks.governance.policy_spec import BudgetSpec, PolicySpec
from tasks.governance.spending import held_by_budget
from tasks.governance.taking_up import take_up, untold
from tasks.governance.triggers import DataTrigger
from tasks.references import (
    Action,
    Ask,
    Cause,
    Conclusion,
    DriftVerdict,
    Subject,
    WatchKind,
)
from tests.support.concluded import (
    DAY,
    answered,
    begun,
    came_before_the_gates,
    deployed,
    finished,
    followed,
    on,
    recorded,
    runs_of,
    seen,
)
from tests.support.homes import environment
from tests.support.subjects import bento, candidate, comparison, drift
from tests.support.webhooks import receiver
from tests.unit.test_triggers import known

pytestmark = pytest.mark.usefixtures("ledger_beside_runs")


def test_what_a_freeze_held_back_starts_once_when_it_is_over(model: str) -> None:
    """By the newest verdict, and not if something was trained since."""
    verdict = seen(model, 0).model_copy(update={"data_version": "v"})
    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow_from_name("train"), name=model)
    long_ago, words = drift().as_of - 400 * DAY, "year end, frozen until 2027-01-03"

    held = follow.fn(verdict, long_ago, None, PolicySpec(), words)
    recorded(verdict, held)
    frozen, first, again = take_up(model, frozen=True), take_up(model), take_up(model)
    [run] = runs_of(model)
    finished(run.name)
    came_before_the_gates(verdict, 2, promoted=False)

    assert (held.action, held.held) == (Action.RETRAIN, words)
    assert first.endswith("cause drift: the freeze is over that held it.")
    assert (frozen, again, take_up(model)) == ("", "", "")
    assert run.parameters["as_of"] == verdict.as_of.isoformat()


def test_a_concept_that_turns_and_turns_asks_a_person(model: str) -> None:
    """Each challenger is promoted, and none helps: train, ask, alert, and train after a yes."""
    months = [on(f"2013-0{5 + n}", seen(model, 30 * n), champion=n + 1) for n in range(5)]
    finished(begun(months[0]))
    came_before_the_gates(months[0], 2, promoted=True)

    def followed_under(verdict: DriftVerdict) -> Conclusion:
        return follow.fn(verdict, verdict.as_of - 30 * DAY, None, PolicySpec())

    asked = followed_under(months[1])
    told = "Version 2 was trained for drift as of 2013-05-01 and is in charge; it did not help "
    assert (asked.action, asked.why) == ("ask", (f"{told}against novelty: a person decides.",))
    digest = recorded(months[1], asked)

    still = months[2].model_copy(update={"champion": 2, "growth": 0.1})
    answered(digest, months[1], approved=False)
    since = months[1].as_of - 30 * DAY
    assert follow.fn(still, since, None, PolicySpec()).action is Action.ALERT
    grown = still.model_copy(update={"growth": 0.3})
    assert follow.fn(grown, since, None, PolicySpec()).action is Action.RETRAIN


def test_after_a_yes_the_cycle_begins_anew(model: str) -> None:
    """A person wanted the training; the next verdict may start one by itself."""
    first = on("2013-05", seen(model, 0))
    digest = recorded(first, Conclusion(action=Action.ASK, kinds=(WatchKind.NOVELTY,)))
    answered(digest, first, approved=True)
    came_before_the_gates(first, 2, promoted=True)

    after = on("2013-06", seen(model, 30), champion=2)

    assert followed(after, PolicySpec()).action is Action.RETRAIN


def test_the_same_data_are_trained_on_once_and_asked_about_once(model: str) -> None:
    """Judged again at another time a window starts nothing, counts as nothing and asks nobody."""
    first, again = on("2013-05", seen(model, 0)), on("2013-05", seen(model, 1))
    finished(begun(first))
    came_before_the_gates(first, 2, promoted=False)
    other, later = on("2013-06", seen(model, 30)), on("2013-06", seen(model, 31))
    no = recorded(other, Conclusion(action=Action.ASK, kinds=(WatchKind.NOVELTY,)))
    answered(no, other, approved=False)

    trained, settled = followed(again, PolicySpec()), followed(later, PolicySpec())

    assert trained.action is Action.ALERT
    assert trained.why == ("These data were trained on already, as version 2.",)
    assert settled.action is Action.REST


def test_two_monitors_at_once_ask_one_question(model: str) -> None:
    """A second apart, of the same window: one review, and the answer to it is not void."""
    deployed(model, "review")
    done = Conclusion(action=Action.ASK, kinds=(WatchKind.NOVELTY,))
    one = on("2013-05", seen(model, 0))
    two = one.model_copy(update={"as_of": one.as_of + timedelta(seconds=1), "digest": "two"})
    evidences = [evidence_for_drift.fn(each, done) for each in (one, two)]
    for verdict, evidence in zip((one, two), evidences, strict=True):
        record_drift.fn(evidence, verdict, done)

    runs = {request_review(each) for each in evidences}

    assert len(runs) == 1
    assert outdated(evidences[0]) == ""
    recorded(on("2013-05", seen(model, 2), data_version="more"), done)
    assert outdated(evidences[0]) == "A newer verdict on 2013-05 has come since."


@pytest.mark.parametrize(
    ("action", "flow"), [("retrain", "train"), ("ask", "review"), ("rollback", "promote")]
)
def test_what_a_killed_monitor_had_concluded_is_started_once(
    model: str, action: str, flow: str
) -> None:
    """The ledger has the conclusion and nobody has the run: the upkeep takes it up."""
    deployed(model, flow)
    recorded(seen(model, 0), Conclusion(action=Action(action), version=1))

    first, again = take_up(model), take_up(model)

    assert first.endswith(("a monitor was cut off.", "a monitor was cut off before it did."))
    assert again == ""
    assert len(runs_of(model)) == 1


@pytest.mark.parametrize("action", ["alert", "ask"])
def test_what_a_killed_monitor_had_not_told_is_told_once(model: str, action: str) -> None:
    """The first minutes are the monitor's own; a question is told of with where to answer it."""
    deployed(model, "review")
    recorded(seen(model, 0), Conclusion(action=Action(action)))
    take_up(model)
    run = next(iter(runs_of(model)), None)
    rules = (AlertSpec.model_validate({"on": [action], "to": ["team"]}),)
    soon, later = datetime.now(UTC) + timedelta(minutes=1), datetime.now(UTC) + timedelta(hours=1)

    with receiver() as hook, environment({"PERENNIAL_ALERTS": json.dumps({"team": hook.address})}):
        assert untold(model, soon) is None
        notice = untold(model, later)
        assert notice is not None
        told = [list(tell_outside(notice, rules)) for _ in range(2)]

    assert [len(each) for each in told] == [1, 0]
    assert notice.review == (str(run.id) if run else "")
    assert untold(model, later + DAY) is None


def test_the_budget_holds_for_every_training_that_nobody_asked_for(model: str) -> None:
    """New data wait for it, count in it, and are looked at again."""
    verdict, budget = seen(model, 0), BudgetSpec(retrains=1)
    finished(begun(verdict))
    came_before_the_gates(verdict, 2, promoted=False)

    def held(days: int) -> str:
        return held_by_budget(model, budget, verdict.as_of + days * DAY)

    assert held(3) == "1 trainings began within seven days; 1 may."
    assert (held(0), held(7)) == (held(3), "")
    assert held_by_budget(model, BudgetSpec(), verdict.as_of + DAY) == ""

    def started(days: int) -> str:
        history = known("2013-01", "2013-05", "2013-06").model_copy(
            update={"model": model, "as_of": verdict.as_of + days * DAY}
        )
        return train_on_new_data.fn(history, DataTrigger(windows=1), budget=budget)

    waits = "cause data, waits (1 trainings began within seven days; 1 may): "
    assert waits in started(3)
    assert "was asked for, cause data" in started(8)
    assert started(8) == "", "it goes on"


def test_a_challenger_that_waits_for_a_person_holds_back_another(model: str) -> None:
    """Its review is open, so that nothing is trained beside it for the same cause."""
    deployed(model, "review")
    verdict = on("2013-05", seen(model, 0))
    made = candidate(2).model_copy(update={"model": model, "as_of": verdict.as_of})
    asks = Ask(why="A person approves.")
    evidence = evidence_for_candidate.fn(made, bento(2), comparison(), asks)
    record_verdict.fn(evidence, asks)
    run = request_review(evidence)
    Ledger().append(
        Entry(
            kind=Kind.QUESTION,
            model=model,
            as_of=evidence.as_of,
            subject=evidence.digest,
            evidence=evidence.digest,
            payload={
                "subject": Subject.CANDIDATE.value,
                "uri": evidence.uri,
                "run": run,
                "name": "its-review",
                "deadline": evidence.as_of.isoformat(),
                "default": "refuse",
            },
        )
    )

    done = followed(on("2013-06", seen(model, 30)), PolicySpec())

    assert done.action is Action.ALERT
    assert done.why[0].endswith("asks a person about a challenger for drift already.")


def test_a_training_that_was_due_bears_the_schedule_as_its_cause(model: str) -> None:
    """On the run, so that the gates and people know that nothing had moved."""
    deployed(model, "train")
    due = Conclusion(action=Action.RETRAIN, cause=Cause.SCHEDULE)

    request_training(evidence_for_drift.fn(seen(model, 0), due))

    [run] = runs_of(model)
    assert run.parameters["cause"] == "schedule"

"""The story as its users live it: the stack, a worker, deployments, a person who answers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType

from infra.addresses import addresses
from infra.ledger import Kind, Ledger
from infra.serving import serving
from tasks.data import read_history
from tasks.governance.recording import verdict_of
from tasks.references import Cause, Ending
from tests.support.flow_runs import (
    answered,
    command,
    over,
    run,
    runs_of,
    started,
    steps,
    suspended,
)
from tests.support.replaying import replayed
from tests.support.small_model import Declared, delivery
from tests.support.standing import champions, closed, made
from tests.support.webhooks import Webhook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "story"
SECTIONS = {
    "alerts": [{"on": ["retrain", "approve", "decided"], "to": ["team"]}],
    "triggers": {"events": [{"event": "rules.changed", "resource": "office"}]},
}
LEARNED, MOVED = ("2024-01", "2024-02", "2024-03"), "2024-04"
FIRST, SECOND, LATER = closed("2024-03"), closed(MOVED), closed("2024-05")


@dataclass(frozen=True)
class Story:
    """The runs of the story, and who was in charge after its turns."""

    ingests: tuple[FlowRun, ...]
    first: FlowRun
    first_promotion: FlowRun
    scored: FlowRun
    judged: FlowRun
    second: FlowRun
    asked: FlowRun
    review: FlowRun
    second_promotion: FlowRun
    rescored: FlowRun
    after_first: tuple[int | None, ...]
    after_second: tuple[int | None, ...]


@pytest.fixture(scope="module")
def story(declared: Declared) -> Iterator[Story]:
    """Three months, a training, a month that moved, a training that asks, an approval."""
    with declared.entered():
        yield _told()


def _told() -> Story:
    ingests = [run("ingest", MODEL, window=each, as_of=closed(each)) for each in LEARNED]
    first = run("train", MODEL, cause=Cause.PERSON, as_of=FIRST)
    assert named(first) == "Promoted", first.state
    first_promotion = over(started("promote", MODEL).id)
    after_first = champions(MODEL)
    ingests.append(run("ingest", MODEL, window=MOVED, as_of=SECOND))
    scored = run("score", MODEL, window=MOVED, as_of=SECOND)
    judged = run("monitor", MODEL, window=MOVED, as_of=SECOND)
    second = over(started("train", MODEL, after=[first]).id)
    asked = suspended(started("review", MODEL).id)
    review = answered(asked.id, approve=True, reason="March is another world.")
    second_promotion = over(started("promote", MODEL, after=[first_promotion]).id)
    ingests.append(run("ingest", MODEL, window="2024-05", as_of=LATER))
    rescored = run("score", MODEL, window="2024-05", as_of=LATER)
    return Story(
        ingests=tuple(ingests),
        first=first,
        first_promotion=first_promotion,
        scored=scored,
        judged=judged,
        second=second,
        asked=asked,
        review=review,
        second_promotion=second_promotion,
        rescored=rescored,
        after_first=after_first,
        after_second=champions(MODEL),
    )


def named(run: FlowRun) -> str:
    """How a run ended, and what it said if that was no success."""
    assert run.state is not None
    return run.state.name or "" if run.state.is_completed() else f"{run.state!r}"


def test_every_run_ends_in_the_state_that_its_outcome_names(story: Story) -> None:
    """A person who reads the list of runs reads the story."""
    told = [
        *(named(each) for each in story.ingests),
        *(named(each) for each in (story.first, story.first_promotion, story.scored)),
        *(named(each) for each in (story.judged, story.second, story.review)),
        *(named(each) for each in (story.second_promotion, story.rescored)),
    ]

    assert told == [
        *(["Accepted"] * 5),
        *("Promoted", "Promoted", "Scored"),
        *("Retrain", "Asked", "Approved"),
        *("Promoted", "Scored"),
    ]


def test_the_first_training_is_promoted_by_the_gates_alone(story: Story) -> None:
    """Nobody is asked about a candidate that beats the baseline for certain."""
    assert story.after_first == (1, 1, 1)
    assert story.first_promotion.parameters["actor"] == "gate"


def test_a_replay_comes_to_the_decisions_of_the_flows(story: Story, model: str) -> None:
    """On a clock of its own, in a home of its own: the same verdict, training, gates and gain."""
    assert story.review.state_name == "Approved"
    real = verdict_of(Ledger().entries(model, Kind.DRIFT)[0])
    gate = next(each for each in Ledger().entries(model, Kind.GATE) if each.as_of == SECOND)

    again = replayed(model, ["declared"], until=MOVED, reviewer="approve")

    watched = {each.window: each for each in again.courses[0].windows}
    moved, first = watched[MOVED], watched[LEARNED[-1]].training
    assert (first and first.verdict, moved.action) == ("promote", real.action)
    assert moved.metric == pytest.approx(real.metrics["roc_auc"], abs=1e-12)
    assert moved.kinds
    assert moved.training is not None
    assert (moved.training.verdict, moved.training.promoted) == ("ask", True)
    assert f"{abs(moved.training.gain or 0):.4f}" in gate.reason


def test_what_was_predicted_names_the_version_of_its_time(story: Story) -> None:
    """April is predicted by version 1, May by version 2: each by the champion as of then."""
    said = [str(each.state.message) for each in (story.scored, story.rescored) if each.state]

    assert said[0].endswith("of 2024-04 by version 1")
    assert said[1].endswith("of 2024-05 by version 2")


def test_monitoring_starts_a_training_which_asks_a_person(story: Story) -> None:
    """Drift is a cause that this model's declaration wants approved."""
    assert story.second.parameters["cause"] == "drift"
    assert story.asked.state_name == "Suspended"
    assert len(runs_of("train", MODEL)) >= 2


def test_monitoring_tells_the_team_that_a_training_starts(story: Story, team: Webhook) -> None:
    """The alert of the very verdict that started the training, once, with a link to the run."""
    told = [each for each in team.posts if each["title"] == f"{MODEL} {MOVED}: retrain"]

    assert len(told) == 1
    assert f"/runs/flow-run/{story.judged.id}" in told[0]["message"]


def test_who_is_asked_is_led_to_the_form_and_learns_what_came_of_it(
    story: Story, team: Webhook
) -> None:
    """The first message links to the review and to the run; the second names who decided."""
    asks = f"{MODEL} version 2: the gates say ask"
    [asked] = [each["message"] for each in team.posts if each["title"] == asks]
    decided = f"{MODEL}: may version 2 take over? Approved, says ann"

    assert f"Decide: {addresses().run(story.asked.id)}\n" in asked
    assert asked.endswith(f"Run: {addresses().run(story.second.id)}")
    assert [each["title"] for each in team.posts].count(decided) == 1


def test_an_approval_through_prefects_api_puts_the_candidate_in_charge(
    story: Story, model: str
) -> None:
    """Ledger, MLflow's alias and what serves name version 2, and the person's words are kept."""
    decisions = Ledger().entries(model, Kind.REVIEW)
    words = [each.reason for each in decisions if each.actor == "ann"]

    assert story.after_second == (2, 2, 2)
    assert "March is another world." in words
    assert story.second_promotion.parameters["actor"] == "ann"


def test_the_same_training_started_anew_does_no_finished_work(story: Story, model: str) -> None:
    """With the same ``as_of`` and cause every step that is a function of its inputs is cached."""
    before, champion = made(model), champions(model)
    promotions = [each.id for each in runs_of("promote", model)]

    again = run("train", model, cause=Cause.PERSON, as_of=FIRST)

    states = steps(again.id)
    moving = {"read_history", "register", "champion", "record_verdict"}
    assert named(again) == "Promoted"
    assert {step for step, state in states.items() if state != "Cached"} <= moving
    assert {"fit", "evaluate", "package", "smoke_test", "compare"} <= set(states)
    assert made(model) == before
    assert champions(model) == champion
    assert [each.id for each in runs_of("promote", model)] == promotions


def test_the_same_ingest_started_anew_writes_no_second_manifest(story: Story, model: str) -> None:
    """The delivery is looked at, what was found of it is known."""
    before = made(model).manifests

    again = run("ingest", model, window="2024-01", as_of=closed("2024-01"))

    assert named(again) == "Accepted"
    assert steps(again.id)["inspect"] == "Cached"
    assert made(model).manifests == before


def test_a_refused_batch_is_seen_by_nobody(story: Story, model: str, tmp_path: Path) -> None:
    """It waits outside of the history until a person has decided, and stays there if refused."""
    when = closed("2024-06")
    late = delivery(tmp_path, "2024-06", shift=50)

    held = run("ingest", model, window="2024-06", as_of=when, files={"rides": late})
    asked = suspended(_review_about(model, "batch"))
    seen_while_held = read_history.fn(model, when).windows
    refused = answered(asked.id, approve=False, reason="These are centimetres.")
    seen_after = read_history.fn(model, when).windows

    assert (named(held), named(refused)) == ("Held", "Refused")
    assert "2024-06" not in seen_while_held
    assert "2024-06" not in seen_after


def test_an_approved_batch_is_committed(story: Story, model: str, tmp_path: Path) -> None:
    """What the person saw is what everybody sees then, once."""
    when = closed("2024-06") + timedelta(days=1)
    late = delivery(tmp_path, "2024-06", shift=60)
    before = runs_of("review", model)

    held = run("ingest", model, window="2024-06", as_of=when, files={"rides": late})
    asked = suspended(started("review", model, after=before).id)
    approved = answered(asked.id, approve=True, reason="The owner confirms it.")

    manifest = read_history.fn(model, when).manifests[-1]
    assert (named(held), named(approved)) == ("Held", "Approved")
    assert (manifest.window, manifest.ending) == ("2024-06", Ending.HOLD)
    assert made(model).manifests.count("2024-06") == 1
    decision, record = (Ledger().entries(model, kind)[-1] for kind in (Kind.REVIEW, Kind.INGEST))
    assert manifest.approval == decision.digest == record.payload["approval"]
    assert (record.subject, record.reason) == (manifest.digest, "The owner confirms it.")


def test_a_rollback_puts_the_first_version_in_charge_everywhere(story: Story, model: str) -> None:
    """One command; then the ledger verifies and ledger, alias and what serves agree."""
    done = command("deployments.cli", "rollback", model, "--reason", "It fails at night.", "--json")

    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["from_version"], facts["to_version"]) == (2, 1)
    assert champions(model) == (1, 1, 1)
    assert Ledger().verify() > 0
    assert Ledger().entries(model, Kind.ROLLBACK)[-1].reason == "It fails at night."


def test_a_new_bento_of_the_champion_answers_in_the_place_of_the_one_before(
    story: Story, declared: Declared, model: str
) -> None:
    """Built with the code and the declaration of today, and asked before it serves."""
    before, path = serving(model), declared.folder / "model.yaml"
    path.write_text(
        path.read_text().replace("smoke_rows: 10", "smoke_rows: 10\n  max_batch_size: 9")
    )

    done = run("repackage", model, reason="It answers in smaller batches.")

    after = serving(model)
    assert named(done) == "Repackaged"
    assert before is not None
    assert after is not None
    assert (after.version, after.since) == (before.version, before.since)
    assert after.bento != before.bento
    assert Ledger().entries(model, Kind.REPACKAGE)[-1].payload["replaced"] == before.bento


def test_status_tells_how_the_model_stands(story: Story, model: str) -> None:
    """For machines: who is in charge, what the gates said, how each flow ended last."""
    done = command("deployments.cli", "status", model, "--json")

    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert champions(model) == (facts["champion"]["version"],) * 3
    assert [(each["version"], each["verdict"]) for each in facts["candidates"]] == [
        (2, "ask"),
        (1, "promote"),
    ]
    assert facts["last"]["monitor"]["state"] == "Retrain"
    assert facts["last"]["score"]["state"] == "Scored"
    assert facts["verdict"]["action"] == "retrain"
    assert facts["pending_reviews"] == []


def test_an_event_of_an_application_starts_a_training_for_the_time_that_it_names(
    story: Story, model: str
) -> None:
    """It is posted to Prefect's server, an automation wakes the model, a worker looks at it."""
    before = runs_of("train", model)
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "rules.changed",
        "resource": {"prefect.resource.id": "office"},
        "payload": {"as_of": SECOND.isoformat()},
    }

    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event])
    woken = over(started("heed", model).id)
    training = over(started("train", model, after=before).id)

    assert named(woken) == "Heeded"
    assert woken.parameters["event"] == event["id"]
    assert training.parameters["cause"] == "event"
    assert training.parameters["as_of"] == SECOND.isoformat()
    assert training.state_type == StateType.COMPLETED
    [record] = Ledger().entries(model, Kind.EVENT)
    assert (record.subject, record.payload["run"]) == (event["id"], str(training.id))


def _review_about(model: str, subject: str) -> UUID:
    """Id of the newest review of a subject."""
    found = [each for each in runs_of("review", model) if each.parameters["subject"] == subject]
    return found[-1].id

"""A review on a real Prefect server: suspended, answered wrongly, answered, expired, killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import typer
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Crashed, Failed, Scheduled
from typer.testing import CliRunner

from deployments.cli import review, rollback
from deployments.demo import story
from deployments.demo.conductor import Conductor
from infra.entries import Kind
from infra.errors import BackendError, ConfigError
from infra.ledger import Ledger
from infra.runs import start
from infra.settings import PROJECT
from tasks.governance.answers import Answer, DriftAnswer
from tasks.governance.evidence import evidence_for_batch, evidence_for_drift, read_evidence
from tasks.governance.recording import record_drift
from tasks.governance.reviews import find_pending, pending_reviews, submit
from tasks.references import Action, Conclusion, Diagnosis, Evidence
from tests.support.asking_flow import asking
from tests.support.homes import home_on
from tests.support.postgres import postgres_server
from tests.support.subjects import batch, drift, finding

_YES = Answer(approve=True, reason="The airline changed its units.", reviewer="ann")


@pytest.fixture(scope="module")
def servers(api: str) -> Iterator[str]:
    """A PostgreSQL server; the asking flow is deployed to Prefect's, which has no other runs."""
    assert api
    with postgres_server() as url, get_client(sync_client=True) as client:
        for run in client.read_flow_runs():
            client.delete_flow_run(run.id)
        client.create_work_pool(WorkPoolCreate(name="reviews", type="process"))
        loaded = Flow.from_source(str(PROJECT), "tests/support/asking_flow.py:asking")
        assert isinstance(loaded, Flow)
        loaded.deploy("flights", "reviews", print_next_steps=False, ignore_warnings=True)
        yield url


@pytest.fixture
def home(servers: str, tmp_path: Path) -> Iterator[Path]:
    """An empty home on the servers."""
    with home_on(servers, tmp_path):
        yield tmp_path


def evidence() -> Evidence:
    """Stored evidence about a batch on hold."""
    return evidence_for_batch.fn(batch(finding()))


def started(seen: Evidence, deadline_s: float = 3600) -> UUID:
    """A review's flow run, which nobody executes yet."""
    parameters = {"model": "flights", "evidence": seen.uri, "deadline_s": deadline_s}
    run = run_deployment("asking/flights", parameters=parameters, timeout=0, as_subflow=False)
    assert isinstance(run, FlowRun)
    return run.id


def executed(run: UUID) -> FlowRun:
    """The run after it was worked on, from its top to its next suspension or its end."""
    with get_client(sync_client=True) as client:
        with suppress(Pause):
            run_flow(asking, flow_run=client.read_flow_run(run))
        return client.read_flow_run(run)


def executed_elsewhere(run: UUID) -> FlowRun:
    """The run after a process of its own has worked on it, as a worker's would."""
    subprocess.run(
        [sys.executable, "-m", "prefect.engine", str(run)],
        env={**os.environ, "PREFECT__FLOW_RUN_ID": str(run), "PYTHONPATH": str(PROJECT)},
        cwd=PROJECT,
        timeout=90,
        check=False,
        capture_output=True,
    )
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run)


def form_of(run: UUID) -> str:
    """What stands on the form of a suspended run."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        assert state is not None
        assert state.state_details.run_input_keyset is not None
        return client.read_flow_run_input(run, state.state_details.run_input_keyset["description"])


def test_an_answer_that_does_not_count_is_asked_for_again(home: Path) -> None:
    """Without a reason the run suspends anew and the form says why; then the answer is kept."""
    run = started(evidence())
    assert executed_elsewhere(run).state_name == "Suspended"
    submit(find_pending(str(run)), Answer(approve=True, reason="", reviewer="eve"))

    assert executed_elsewhere(run).state_name == "Suspended"
    form = form_of(run)
    submit(find_pending(str(run)), _YES)
    ended = executed_elsewhere(run)

    assert "did not count" in form
    assert "at least 3 characters" in form
    assert "eve is no reviewer" in form
    assert (ended.state_name, ended.state and ended.state.message) == ("Approved", _YES.reason)
    review = Ledger().last("flights", Kind.REVIEW)
    assert review is not None
    assert (review.actor, review.reason, review.payload["approved"]) == ("ann", _YES.reason, True)
    assert pending_reviews() == ()


def test_a_pending_review_tells_what_a_reviewer_needs(home: Path) -> None:
    """Name, subject, deadline, link: and the evidence is on the form."""
    seen = evidence()
    run = started(seen)
    executed(run)

    (pending,) = pending_reviews("flights")

    assert (pending.run_id, pending.state, pending.model) == (str(run), "Suspended", "flights")
    assert pending.run_url.endswith(f"/runs/flow-run/{run}")
    assert pending.deadline - pending.since > timedelta(minutes=55)
    assert read_evidence.fn(pending.evidence_uri) == seen
    assert "distances look like kilometres" in form_of(run)
    assert pending_reviews("employment") == ()


def test_the_demo_leaves_a_review_of_others_waiting(home: Path) -> None:
    """April on hold is none of its story's: it goes on, and the owner can still decide."""
    said: list[str] = []
    with get_client(sync_client=True) as client:
        apart = client.create_deployment(
            client.create_flow_from_name("asking"), name="apart", tags=["apart"]
        )
        parameters = {"model": "flights", "evidence": evidence().uri}
        run = client.create_flow_run_from_deployment(apart, parameters=parameters).id
    executed(run)

    with Conductor("apart", said.append) as conductor:
        ended = conductor.settle(story.review)

    assert ended == []
    assert find_pending(str(run)).state == "Suspended"
    assert any("left waiting" in line for line in said)


def test_an_answer_is_given_once(home: Path) -> None:
    """The second of two reviewers reads that the run is not suspended any more."""
    run = started(evidence())
    executed(run)
    pending = find_pending(str(run))
    submit(pending, _YES)

    with pytest.raises(ConfigError, match="not paused"):
        submit(pending, _YES)


def test_what_was_decided_is_not_asked_again(home: Path) -> None:
    """A second review of the same evidence ends at once with the decision that stands."""
    seen = evidence()
    first = started(seen)
    executed(first)
    submit(find_pending(str(first)), _YES)
    executed(first)

    second = executed(started(seen))

    assert second.state_name == "Approved"
    assert len(Ledger().entries("flights", Kind.REVIEW)) == 1


@pytest.mark.parametrize(
    ("state", "then"), [(Crashed(), "Scheduled"), (Failed(), "Failed"), (Cancelled(), "Cancelled")]
)
def test_what_was_cut_off_goes_on_when_the_same_reason_asks_again(
    home: Path, state: State[None], then: str
) -> None:
    """A flow that is run again finds the run; one that failed or was cancelled is over."""
    seen = evidence()
    asked = {"because": [seen.digest, then], "evidence": seen.uri}
    first = start("asking", "flights", **asked)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(first), state, force=True)

        second = start("asking", "flights", **asked)
        found = client.read_flow_run(UUID(first))

    assert second == first
    assert found.state_name == then
    assert (found.next_scheduled_start_time is not None) is (then == "Scheduled")


def test_a_run_that_was_killed_before_its_form_was_stored_can_be_answered(home: Path) -> None:
    """Prefect suspends first and stores the form then; we put it back."""
    run = started(evidence())
    executed(run)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        assert state is not None
        assert state.state_details.run_input_keyset is not None
        client.delete_flow_run_input(run, state.state_details.run_input_keyset["schema"])

    submit(find_pending(str(run)), _YES)

    assert executed(run).state_name == "Approved"


def test_a_run_that_started_again_without_an_answer_asks_again(home: Path) -> None:
    """Defaults are no answer: a stale gate is passed over, never taken for a decision."""
    run = started(evidence())
    executed(run)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Scheduled(), force=True)

    assert executed(run).state_name == "Suspended"
    assert Ledger().entries(kind=Kind.REVIEW) == ()


def test_the_command_lists_and_decides(home: Path) -> None:
    """What a reviewer does at a shell: read the list, give a reason, and the run goes on."""
    run = started(evidence())
    executed(run)
    app = typer.Typer()
    review.add_to(app)
    rollback.add_to(app)
    decide = ["review", str(run), "--approve", "--reviewer", "ann"]

    listed = CliRunner().invoke(app, ["review", "flights", "--json"])
    shown = CliRunner().invoke(app, ["review"])
    hasty = CliRunner().invoke(app, decide)
    done = CliRunner().invoke(app, [*decide, "--reason", "It is well.", "--json"])

    assert [each["run_id"] for each in json.loads(listed.stdout)] == [str(run)]
    assert "Suspended" in shown.stdout
    assert isinstance(hasty.exception, ConfigError)
    assert json.loads(done.stdout)["approved"] is True
    assert executed(run).state_name == "Approved"


def test_a_prefect_server_that_is_gone_is_an_error_with_a_hint(home: Path) -> None:
    """The list of reviews needs the runs' states."""
    run = started(evidence())
    executed(run)

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}),
        pytest.raises(BackendError, match="does not answer"),
    ):
        pending_reviews()


def test_an_unknown_review_is_an_error_that_lists_the_pending(home: Path) -> None:
    """A typo in a run's name is answered with the names that exist."""
    executed(started(evidence()))

    with pytest.raises(ConfigError, match="flights"):
        find_pending("fligths")


def drifted() -> Evidence:
    """Stored evidence about a window, recorded as monitoring records it."""
    verdict, conclusion = drift(), Conclusion(action=Action.ASK)
    seen = evidence_for_drift.fn(verdict, conclusion)
    record_drift.fn(seen, verdict, conclusion)
    return seen


def test_drift_is_answered_by_what_it_is(home: Path) -> None:
    """A refusal that does not say what it is is not taken; a diagnosis is kept in the ledger."""
    run = started(drifted())
    executed(run)
    with get_client(sync_client=True) as client:
        client.resume_flow_run(
            run, run_input={"diagnosis": None, "reason": "It is so.", "reviewer": "ann"}
        )
        assert client.read_flow_run(run).state_name == "Suspended"
    form = form_of(run)
    answer = DriftAnswer(diagnosis=Diagnosis.BROKEN, reason="A sensor died.", reviewer="ann")

    submit(find_pending(str(run)), answer)
    ended = executed(run)

    assert "or it is refused" in form
    assert "Suggested: `world`." in form
    assert ended.state_name == "Broken"
    kept = Ledger().last("flights", Kind.REVIEW)
    assert kept is not None
    assert (kept.payload["diagnosis"], kept.payload["signed"]) == ("broken", False)


def test_a_decision_is_void_when_a_newer_verdict_has_come(home: Path) -> None:
    """What the reviewer was shown is not so any more: nothing follows from the answer."""
    run = started(drifted())
    executed(run)
    newer = drift().model_copy(update={"digest": "y"})
    record_drift.fn(
        evidence_for_drift.fn(newer, Conclusion(action=Action.ASK)),
        newer,
        Conclusion(action=Action.ASK),
    )
    answer = DriftAnswer(diagnosis=Diagnosis.WORLD, reason="Spring.", reviewer="ann")

    submit(find_pending(str(run)), answer)
    ended = executed(run)

    assert ended.state_name == "Void"
    kept = Ledger().last("flights", Kind.REVIEW)
    assert kept is not None
    assert (kept.payload["approved"], kept.payload["answered"]) == (False, True)
    assert kept.reason == "A newer verdict on 2013-07 has come since. Spring."

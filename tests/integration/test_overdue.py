"""Past the deadline, on a real Prefect server: the default comes about, whatever broke."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Failed, Scheduled

from deployments.overdue import expire
from infra.entries import Kind
from infra.errors import ConfigError
from infra.ledger import Ledger
from infra.settings import settings
from tasks.governance.answers import Answer
from tasks.governance.evidence import evidence_for_batch, evidence_for_candidate
from tasks.governance.gates import gate_key, response_key
from tasks.governance.reviews import find_pending, pending_reviews, submit
from tasks.references import Ask, Evidence
from tests.support.asking_flow import asking
from tests.support.homes import environment, home_on
from tests.support.small_model import write_model
from tests.support.subjects import batch, bento, candidate, comparison, finding

_YES = Answer(approve=True, reason="The airline changed its units.", reviewer="ann")


@pytest.fixture
def home(postgres: str, api: str, tmp_path: Path) -> Iterator[Path]:
    """An empty ledger with the model flights, and the Prefect server that the session shares."""
    assert api
    quiet = temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False})  # no log is looked at
    write_model(tmp_path / "models", "flights", alerts=[{"on": ["expired"], "to": ["team"]}])
    models = {"PERENNIAL_MODELS": str(tmp_path / "models")}
    with home_on(postgres, tmp_path), environment(models), quiet:
        yield tmp_path


def evidence() -> Evidence:
    """Stored evidence about a batch on hold."""
    return evidence_for_batch.fn(batch(finding()))


def asked(seen: Evidence, deadline_s: float = 3600, **declared: object) -> UUID:
    """A review's flow run of a deployment of its own, which nobody executes yet."""
    given = {"deadline_s": deadline_s, "declared": declared}
    parameters = {"model": "flights", "evidence": seen.uri, **given}
    with get_client(sync_client=True) as client:
        place = client.create_deployment(client.create_flow_from_name("asking"), uuid4().hex[:8])
        return client.create_flow_run_from_deployment(place, parameters=parameters).id


def executed(run: UUID) -> FlowRun:
    """The run after it was worked on, from its top to its next suspension or its end."""
    with get_client(sync_client=True) as client:
        with suppress(Pause):
            run_flow(asking, flow_run=client.read_flow_run(run))
        return client.read_flow_run(run)


def test_past_its_deadline_the_declared_default_counts(home: Path) -> None:
    """The server fails an expired run with no process of ours; ours is started again."""
    run = asked(evidence(), deadline_s=4)
    assert executed(run).state_name == "Suspended"
    assert expire(datetime.now(UTC)) == ()
    time.sleep(4)

    (late,) = expire(datetime.now(UTC))
    with get_client(sync_client=True) as client:
        due = client.read_flow_run(run).next_scheduled_start_time
    ended = executed(run)

    assert late.review.run_id == str(run)
    assert late.said.endswith("UTC; the default is refuse.")
    assert due is not None, "a worker must find it"
    assert ended.state_name == "Refused"
    review = Ledger().last("flights", Kind.REVIEW)
    assert review is not None
    assert (review.actor, review.payload["approved"]) == ("deadline", False)
    assert expire(datetime.now(UTC)) == ()


def test_what_nobody_may_approve_no_default_approves(home: Path) -> None:
    """Nobody knows who wrote it, so no person's approval counts; the author need not only wait."""
    seen = evidence_for_candidate.fn(candidate(2), bento(2), comparison(), Ask(why="why"))
    run = asked(seen, deadline_s=4, default="approve")
    assert executed(run).state_name == "Suspended"
    waits = find_pending(str(run))
    time.sleep(4)

    expire(datetime.now(UTC))
    ended = executed(run)

    assert waits.default == "refuse"
    assert ended.state_name == "Refused"
    review = Ledger().last("flights", Kind.REVIEW)
    assert review is not None
    assert "declared default is approve, but nobody may approve. Git could not tell" in (
        review.reason
    )


def test_an_expired_review_whose_run_was_deleted_is_refused(home: Path) -> None:
    """Nobody can act on it any more, and it does not stay pending for ever."""
    run = asked(evidence())
    executed(run)
    with get_client(sync_client=True) as client:
        client.delete_flow_run(run)
    later = datetime.now(UTC) + timedelta(hours=2)

    (late,) = expire(later)

    assert late.review.state == "Gone"
    assert pending_reviews() == ()


def test_an_answer_counts_if_it_came_before_the_deadline(home: Path) -> None:
    """In time it counts however late the run goes on; after it neither the command nor a gate."""
    first, second = evidence(), evidence_for_batch.fn(batch(finding("another")))
    early, late = asked(first, deadline_s=5), asked(second, deadline_s=5)
    assert {executed(run).state_name for run in (early, late)} == {"Suspended"}
    waits = find_pending(str(late))
    submit(find_pending(str(early)), _YES)
    time.sleep(5)

    with pytest.raises(ConfigError, match=r"deadline has passed, at .* UTC\. The default is"):
        submit(waits, _YES)
    with get_client(sync_client=True) as client:
        key = response_key(gate_key(second.digest, 1))
        value = json.dumps(_YES.model_dump(mode="json", by_alias=True))
        client.create_flow_run_input(flow_run_id=late, key=key, value=value)
        client.set_flow_run_state(late, Scheduled(), force=True)

    assert executed(early).state_name == "Approved"
    assert executed(late).state_name == "Refused"
    [answer] = Ledger().entries("flights", Kind.ANSWER)
    assert "after the deadline" in str(answer.payload["why"])


def _deployment_removed(run: UUID) -> None:
    with get_client(sync_client=True) as client:
        place = client.read_flow_run(run).deployment_id
        assert place is not None
        client.delete_deployment(place)


def _evidence_removed(run: UUID) -> None:
    Path(find_pending(str(run)).evidence_uri).unlink()


def _failed_time_and_again(run: UUID) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    with get_client(sync_client=True) as client:
        for _ in range(6):
            client.set_flow_run_state(run, Failed(), force=True)
            expire(later)
        client.set_flow_run_state(run, Failed(), force=True)


def _model_moved_away(run: UUID) -> None:
    assert run
    (settings().models / "flights").rename(settings().models.parent / "flights")


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (_model_moved_away, "no model flights is declared any more"),
        (_deployment_removed, "the deployment of the run that asked was removed"),
        (_evidence_removed, "what was shown cannot be read"),
        (_failed_time_and_again, "its run failed 6 times since"),
    ],
)
def test_what_its_run_cannot_decide_is_refused_at_the_deadline(
    home: Path, happens: Callable[[UUID], None], why: str
) -> None:
    """It is on record why, it waits no more, and those who want to know of it are told."""
    later = datetime.now(UTC) + timedelta(hours=2)
    run = asked(evidence())
    executed(run)
    happens(run)

    [late] = expire(later)

    assert expire(later) == ()
    review = Ledger().last("flights", Kind.REVIEW)
    assert review is not None
    assert (review.actor, review.payload["approved"]) == ("deadline", False)
    assert why in review.reason
    assert review.reason in late.said
    told = Ledger().entries("flights", Kind.ALERT)
    assert [each.payload["occasion"] for each in told] == ["expired"] * (
        happens is not _model_moved_away
    )


def test_the_default_waits_for_a_declaration_that_has_a_mistake_in_it(home: Path) -> None:
    """The run is not started only to fail, and it says what is wrong."""
    run = asked(evidence())
    executed(run)
    (home / "models" / "flights" / "model.yaml").write_text("title: flights")

    [late] = expire(datetime.now(UTC) + timedelta(hours=2))

    assert "the default, refuse, waits" in late.said
    assert "model.yaml" in late.said
    assert find_pending(str(run)).state == "Suspended"

"""The demo's judgement: which reviews are its own, which runs end it, what it says."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from rich.console import Console

from deployments.demo import story
from deployments.demo.__main__ import wide_enough
from deployments.demo.conductor import require_well, shortened
from deployments.demo.opening import opening
from deployments.demo.story import BROKEN, FIRST, LATER, close_of, review
from deployments.demo.summary import Month, show, told
from infra.addresses import Addresses
from infra.errors import BackendError
from infra.store import file_digest
from tasks.governance.evidence import (
    evidence_for_batch,
    evidence_for_candidate,
    evidence_for_drift,
)
from tasks.references import Action, Ask, Cause, Conclusion, Evidence
from tests.support.homes import environment
from tests.support.subjects import batch, bento, candidate, comparison, drift, finding

_RUN = UUID(int=7)
_SERVERS = {
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:2",
    "PERENNIAL_PAGES_URL": "http://127.0.0.1:3",
}
_ADDRESSES = Addresses(prefect_api="a", prefect_ui="u", mlflow="m", pages="p")


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A home without servers."""
    here = {"PERENNIAL_HOME": str(tmp_path), "PERENNIAL_STORE": str(tmp_path / "store")}
    with environment({**here, **_SERVERS}):
        yield tmp_path


def held(window: str, as_of: datetime, file: Path) -> Evidence:
    """Evidence about a batch on hold whose flights are a file's."""
    found = batch(finding())
    change = {"window": window, "as_of": as_of, "digests": {"flights": file_digest(file)}}
    delivery = found.delivery.model_copy(update=change)
    return evidence_for_batch.fn(found.model_copy(update={"delivery": delivery}))


def challenger(
    as_of: datetime, cause: Cause, gain: float = 0.1, model: str = "flights"
) -> Evidence:
    """Evidence about a candidate of a training."""
    trained = candidate().model_copy(update={"as_of": as_of, "cause": cause, "model": model})
    seen = evidence_for_candidate.fn(trained, bento(), comparison(gain), Ask(why="why"))
    known = {"authors": ["Ann Lee <ann@example.org>"], "uncommitted": []}
    return seen.model_copy(update={"payload": {**seen.payload, **known}})


def ended(outcome: StateType, message: str = "") -> FlowRun:
    """A run in a state."""
    state = State(type=outcome, message=message)
    return FlowRun(
        id=_RUN, flow_id=UUID(int=1), name="flights-2013-05", state=state, state_type=outcome
    )


def test_the_month_in_kilometres_is_refused_for_its_kilometres() -> None:
    """The batch is the very file that the story delivers."""
    file = story.broken_delivery()

    assert review(held(BROKEN, close_of(BROKEN), file)) == (
        False,
        "Distances are in kilometres: 1.609 times those in miles.",
    )


def test_a_batch_that_the_story_did_not_bring_is_left_to_others(tmp_path: Path) -> None:
    """Another month, another time or another file on hold says nothing about kilometres."""
    ours, other = story.broken_delivery(), tmp_path / "other"
    other.write_bytes(b"celsius")
    when = close_of(BROKEN)

    answers = [
        review(held("2013-08", when, ours)),
        review(held(BROKEN, when + timedelta(hours=1), ours)),
        review(held(BROKEN, when, other)),
    ]

    assert answers == [None, None, None]


@pytest.mark.parametrize(
    ("as_of", "cause"),
    [
        (close_of("2013-05"), Cause.DRIFT),
        (close_of(FIRST[-1]), Cause.PERSON),
        (close_of(LATER[-1]), Cause.PERSON),
    ],
)
def test_a_candidate_of_the_story_is_decided_by_its_gain(as_of: datetime, cause: Cause) -> None:
    """A gain that is certain is approved, one that may be noise is not."""
    large = review(challenger(as_of, cause, gain=0.1))
    small = review(challenger(as_of, cause, gain=0.001))

    assert large is not None
    assert small is not None
    assert (large[0], small[0]) == (True, False)


@pytest.mark.parametrize("unknown", [{"authors": None}, {"uncommitted": ["trainer.py"]}])
def test_a_candidate_is_refused_where_no_approval_of_it_would_count(
    unknown: dict[str, object],
) -> None:
    """The demo runs in an archive and in a working tree with edits too."""
    seen = challenger(close_of(FIRST[-1]), Cause.PERSON)

    said = review(seen.model_copy(update={"payload": {**seen.payload, **unknown}}))

    assert said is not None
    assert said[0] is False
    assert "git cannot tell who wrote what is new" in said[1]


@pytest.mark.parametrize(
    ("as_of", "cause", "model"),
    [
        (close_of("2013-05") + timedelta(minutes=1), Cause.DRIFT, "flights"),
        (close_of("2013-05"), Cause.DATA, "flights"),
        (close_of("2013-05"), Cause.PERSON, "flights"),
        (close_of("2013-05"), Cause.DRIFT, "employment"),
    ],
)
def test_a_candidate_of_another_training_is_left_to_others(
    as_of: datetime, cause: Cause, model: str
) -> None:
    """Time, cause and model tell which trainings the story started."""
    assert review(challenger(as_of, cause, model=model)) is None


def test_a_question_about_drift_is_left_to_others() -> None:
    """The story asks none."""
    assert review(evidence_for_drift.fn(drift(), Conclusion(action=Action.ASK))) is None


@pytest.mark.parametrize("outcome", [StateType.FAILED, StateType.CRASHED, StateType.CANCELLED])
def test_a_run_without_a_result_ends_the_demo_with_its_page(outcome: StateType) -> None:
    """The sentence says how it ended, the hint where to look."""
    with pytest.raises(BackendError, match=f"as {outcome.value.lower()}: No rows") as caught:
        require_well(ended(outcome, "No rows."))

    assert caught.value.advice.endswith(f"http://127.0.0.1:1/runs/flow-run/{_RUN}")


@pytest.mark.parametrize("outcome", [StateType.COMPLETED, StateType.PAUSED, StateType.RUNNING])
def test_a_run_that_does_well_ends_nothing(outcome: StateType) -> None:
    """Work that is done, goes on or waits for a person lets the story go on."""
    require_well(ended(outcome))


def test_a_long_message_ends_at_a_word() -> None:
    """No number is cut in two: what would not fit whole is left out."""
    message = f"{'word ' * 27}0.0050 is what the gates want at least"

    assert shortened(message) == f"{'word ' * 27}…"


def test_months_that_are_missing_at_the_end_are_named() -> None:
    """The table is of the whole year or there is none."""
    with pytest.raises(BackendError, match="12 months of flights were not ingested: 2013-01, "):
        told("flights", [])


def test_the_first_run_starts_afresh() -> None:
    """Windows of other years are none of the story's."""
    assert opening(["2012-12"]) == "Starts afresh: none of the 12 months is here yet."


def test_the_second_run_continues() -> None:
    """It names the months that are here."""
    assert opening(FIRST).startswith("Continues: 4 of 12 months are here (2013-01 to 2013-04); ")


@pytest.mark.parametrize(("stays", "said"), [(True, "stays up"), (False, "make up brings")])
def test_the_table_does_not_fold_in_a_file(*, stays: bool, said: str) -> None:
    """A row is a line where no terminal says otherwise, and what follows fits the stack's state."""
    text, action = io.StringIO(), "v2 turned down, gates refuse v3, batch turned down, v4 approved"
    month = Month(
        month="2013-07", rows=29425, refused=29425, verdict="retrain", metric=0.7, action=action
    )

    show(wide_enough(Console(file=text)), [month], _ADDRESSES, stays=stays)

    assert action in text.getvalue()
    assert said in text.getvalue()

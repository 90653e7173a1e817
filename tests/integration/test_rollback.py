"""``perennial rollback`` through a real deployment: back to the champion before, or it says why."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.flow_engine import run_flow
from prefect.flows import Flow
from typer.testing import CliRunner

from deployments.cli import review, rollback
from deployments.cli.rollback import roll_back
from infra.errors import BackendError, ConfigError
from infra.settings import PROJECT
from tests.support.crowning_flow import crowned, promote
from tests.support.homes import home_on
from tests.support.postgres import postgres_server

_MAY = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def servers(api: str) -> Iterator[str]:
    """A PostgreSQL server; `promote/flights` is deployed to Prefect's."""
    assert api
    with postgres_server() as url, get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="crowns", type="process"))
        loaded = Flow.from_source(str(PROJECT), "tests/support/crowning_flow.py:promote")
        assert isinstance(loaded, Flow)
        loaded.deploy("flights", "crowns", print_next_steps=False, ignore_warnings=True)
        yield url


@pytest.fixture
def home(servers: str, tmp_path: Path) -> Iterator[Path]:
    """A home in which versions 1, 2 and 3 were crowned in turn."""
    with home_on(servers, tmp_path):
        for version in (1, 2, 3):
            crowned(version, _MAY + timedelta(days=version))
        yield tmp_path


@contextmanager
def worker() -> Iterator[None]:
    """What a worker does: it looks for waiting runs and works on them."""
    stop = threading.Event()
    flows = FlowFilter(name=FlowFilterName(any_=["promote"]))
    waiting = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    )

    def work() -> None:
        with get_client(sync_client=True) as client:
            while not stop.is_set():
                for run in client.read_flow_runs(flow_filter=flows, flow_run_filter=waiting):
                    with suppress(ValueError):
                        run_flow(promote, flow_run=run)
                time.sleep(0.1)

    thread = threading.Thread(target=copy_context().run, args=(work,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)


def test_a_rollback_puts_the_champion_before_in_charge(home: Path) -> None:
    """Without a version it goes one back, and once more one further."""
    with worker():
        first = roll_back("flights", "It fails at night.", "ann")
        second = roll_back("flights", "It fails too.", "ann")

    assert (first.from_version, first.to_version, first.state) == (3, 2, "Promoted")
    assert (second.from_version, second.to_version) == (2, 1)
    with pytest.raises(ConfigError, match="first champion"):
        roll_back("flights", "Still failing.", "ann")


def test_the_command_says_which_version_is_in_charge(home: Path) -> None:
    """For people a sentence, for machines JSON of the same facts."""
    app = typer.Typer()
    rollback.add_to(app)
    review.add_to(app)
    command = ["rollback", "flights", "--to", "1", "--reason", "It fails.", "--json"]

    with worker():
        done = CliRunner().invoke(app, command)

    facts = json.loads(done.stdout)
    assert (facts["model"], facts["from_version"], facts["to_version"]) == ("flights", 3, 1)
    assert "/runs/flow-run/" in facts["run_url"]


@pytest.mark.parametrize(
    ("model", "to", "reason", "said"),
    [
        ("flights", 3, "It fails.", "in charge already"),
        ("flights", 4, "It fails.", "Version 4 of flights was never in charge"),
        ("flights", None, " ", "wants a reason"),
        ("employment", None, "It fails.", "has no champion"),
    ],
)
def test_a_rollback_that_makes_no_sense_starts_nothing(
    home: Path, model: str, to: int | None, reason: str, said: str
) -> None:
    """The message says what is wrong before a run is made."""
    with pytest.raises(ConfigError, match=said):
        roll_back(model, reason, "ann", to)


def test_a_promotion_that_fails_is_an_error_with_its_message(home: Path) -> None:
    """The command's user reads what the run said, and where to look."""
    for day, version in enumerate((12, 3), start=10):
        crowned(version, _MAY + timedelta(days=day))

    with worker(), pytest.raises(BackendError, match="no version 12") as caught:
        roll_back("flights", "It fails.", "ann", 12)

    assert "/runs/flow-run/" in caught.value.advice

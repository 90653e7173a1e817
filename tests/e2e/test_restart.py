"""Kill -9 of the whole stack in the middle of everything, then ``perennial up``."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from deployments.apply import deploy
from infra import processes
from infra.ledger import Kind, Ledger
from infra.places import read_places
from infra.settings import settings
from infra.stack import up
from infra.stack.health import server_status
from tasks.data import read_history
from tasks.governance.reviews import pending_reviews
from tests.support.flow_runs import (
    answered,
    begin,
    command,
    over,
    run,
    started,
    steps,
    suspended,
)
from tests.support.small_model import delivery, write_model
from tests.support.stack import eventually
from tests.support.standing import closed, made

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENT, HASTY = "patient", "hasty"
WHEN, HELD = closed("2024-03"), "2024-04"
_DEADLINE_S = 20


@pytest.fixture
def gate(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stack of its own with two models; the trainer of one waits while the file is there."""
    gate = tmp_path / "gate"
    gate.touch()
    models = tmp_path / "models"
    training = {"parameters": {"max_iter": 20, "wait_while": str(gate)}}
    write_model(models, PATIENT, training=training)
    write_model(models, HASTY, approval={"deadline": f"PT{_DEADLINE_S}S"})
    monkeypatch.setenv("PERENNIAL_MODELS", str(models))
    settings.cache_clear()
    up(owner=os.getpid())
    deploy()
    yield gate
    gate.unlink(missing_ok=True)


def test_after_kill_9_of_everything_up_puts_right_what_it_left(gate: Path, tmp_path: Path) -> None:
    """Runs are Crashed with the reason, reviews wait on or are decided, the rest goes on."""
    from tests.support.deliveries import ingested

    for month in ("2024-01", "2024-02", "2024-03"):
        ingested(month, model=PATIENT)
    reviews = {PATIENT: held(PATIENT, tmp_path)}
    training = begin("train", PATIENT, cause="person", as_of=WHEN)
    eventually(Path(f"{gate}.reached").exists, within_s=120)
    reviews[HASTY] = held(HASTY, tmp_path)  # the last before the kill: its deadline runs
    waiting = {each.model: each for each in pending_reviews()}
    killed = kill_everything()
    time.sleep(max(0.0, (waiting[HASTY].deadline - datetime.now(UTC)).total_seconds()))

    brought_up = command("deployments.cli", "up", "--owner", str(os.getpid()))

    assert brought_up.returncode == 0, brought_up.stderr
    assert len(killed) >= 7
    assert not [pid for pid in killed if psutil.pid_exists(pid) and _is_ours(pid)]
    assert {each.state for each in server_status()} == {"running"}
    crashed = over(training.id)
    assert crashed.state is not None
    assert crashed.state.name == "Crashed"
    assert "No process of this stack runs it any more" in str(crashed.state.message)

    gate.unlink()
    again = run("train", PATIENT, cause="person", as_of=WHEN)
    states = steps(again.id)
    assert again.state_name == "Promoted"
    assert (states["build_features"], states["split_by_time"]) == ("Cached", "Cached")
    assert (made(PATIENT).versions, made(PATIENT).bentos) == ((1,), 1)

    overdue = over(reviews[HASTY])
    decision = Ledger().entries(HASTY, Kind.REVIEW)[-1]
    assert (overdue.state_name, decision.actor) == ("Refused", "deadline")
    assert "the default is refuse" in brought_up.stdout

    approved = answered(reviews[PATIENT], approve=True, reason="The owner confirms it.")
    assert approved.state_name == "Approved"
    assert read_history.fn(PATIENT, closed(HELD)).windows[-1] == HELD
    assert Ledger().verify() > 0


def held(model: str, folder: Path) -> UUID:
    """Id of the suspended review of a batch that is held."""
    late = delivery(folder, HELD, shift=50)
    run("ingest", model, window=HELD, as_of=closed(HELD), files={"rides": late})
    return suspended(started("review", model).id).id


def kill_everything() -> list[int]:
    """Kill -9 of every process of the stack, the keeper first; their ids."""
    found = processes.marked(read_places().identity)
    found.sort(key=lambda process: "infra.keeper" not in process.cmdline())
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(found, timeout=10)
    return [process.pid for process in found]


def _is_ours(pid: int) -> bool:
    found = {process.pid for process in processes.marked(read_places().identity)}
    return pid in found

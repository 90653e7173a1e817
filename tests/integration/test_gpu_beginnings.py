"""A run whose process ends before its flow begins: real server, worker and processes."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from tests.support.pools import Pool, Run, pool_of, waited

_NOBODY = "env PREFECT_API_URL=http://127.0.0.1:1/api"
_ENGINE = f"{sys.executable} -m prefect.engine"
_GIVES_UP = "echo httpx.ConnectError: nobody >&2; sleep 0.3; exit 1"


@pytest.fixture(scope="module")
def served(api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool with a worker, on a machine without GPUs."""
    with pool_of(api, tmp_path_factory.mktemp("served")) as pool:
        pool.start()
        yield pool


def first_and_then(folder: Path, first: str, then: str) -> str:
    """A command that does one thing the first time, and another from then on."""
    script = f"mkdir {folder}/been 2>/dev/null && {{ {first}; }} || {{ {then}; }}"
    return f"sh -c {shlex.quote(script)}"


def history(run: Run) -> list[str]:
    """The names of the states that a run went through, without those of each start."""
    with get_client(sync_client=True) as client:
        states = sorted(client.read_flow_run_states(run.id), key=lambda each: each.timestamp)
    return [each.name or "" for each in states if not each.is_pending()]


def told(run: Run) -> str:
    """What its states have said."""
    with get_client(sync_client=True) as client:
        return "\n".join(str(each.message) for each in client.read_flow_run_states(run.id))


def test_a_run_whose_process_met_no_server_is_started_again(served: Pool) -> None:
    """The engine's first call finds nobody: it gives up, and the flow has not begun."""
    command = first_and_then(served.folder, f"exec {_NOBODY} {_ENGINE}", f"exec {_ENGINE}")
    run = served.run(command=command)
    run.let_go()

    over = run.over()

    assert over.state_name == "Completed"
    assert history(run) == ["Scheduled", "NotBegun", "Running", "Completed"]
    waited(lambda: not served.leases)


def test_a_run_for_which_no_process_could_be_started_is_started_again(pool: Pool) -> None:
    """The server went away after it had answered the worker, and before there was a process."""
    run = pool.run(command=_ENGINE)
    run.let_go()
    pool.start_program("tests.support.cut_off")

    assert run.over().state_name == "Completed"
    assert history(run) == ["Scheduled", "NotBegun", "Running", "Completed"]
    assert "No process could be started for it (no event stream)" in told(run)
    waited(lambda: not pool.leases)


def test_a_run_that_never_meets_its_server_is_crashed_and_says_why(served: Pool) -> None:
    """Three starts more, no endless loop."""
    run = served.run(command=f"sh -c {shlex.quote(_GIVES_UP)}")

    over = run.over()

    assert over.state_name == "Crashed"
    assert history(run) == ["Scheduled", "NotBegun", "NotBegun", "NotBegun", "Crashed"]
    assert run.said() == (
        "Its process ended before its flow had begun, for Prefect's server did not answer it, as "
        "in 3 starts before. Start it again; finished steps are not repeated."
    )
    waited(lambda: not served.leases)


def test_a_run_that_has_begun_is_not_started_again_whatever_its_process_says(served: Pool) -> None:
    """The server knows that it runs: what it did is not done twice."""
    run = served.run(command=f"sh -c {shlex.quote(f'{_ENGINE}; {_GIVES_UP}')}")

    os.kill(run.seen()["pid"], signal.SIGKILL)

    assert run.over().state_name == "Crashed"
    assert history(run) == ["Scheduled", "Running", "Crashed"]
    assert run.said().startswith("Process exited with status code: 1.")


def test_a_run_that_died_unseen_before_it_began_is_started_again(pool: Pool) -> None:
    """Its worker was away as well: whoever takes its lease over finds that it has done nothing."""
    command = first_and_then(pool.folder, "exec sleep 600", f"exec {_ENGINE}")
    run = pool.run(command=command)
    worker = pool.start()
    waited(lambda: any(lease.process for lease in pool.leases))
    worker.kill()
    worker.wait()
    (lease,) = pool.leases
    assert lease.process is not None
    os.kill(lease.process.pid, signal.SIGKILL)
    run.let_go()

    pool.start()

    assert run.over().state_name == "Completed"
    assert history(run) == ["Scheduled", "NotBegun", "Running", "Completed"]

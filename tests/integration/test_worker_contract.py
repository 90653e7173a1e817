"""What a worker promises: each claim held of Prefect's own process worker and of ours.

Both work side by side, for one server; ours starts most runs in processes that have imported.
Where ours differs, the claim says so and docs/gpus.md why. What Prefect's own does changes with its
release only: it is held to the list where ``STOCK_WORKER`` is set, as `make soak` does.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tests.support.nvml.gpus import SimulatedGpus
from tests.support.pools import Pool, pool_of, waited
from tests.support.promises import Promise, Side

KINDS = ("process", "gpu-process") if os.environ.get("STOCK_WORKER") else ("gpu-process",)
LOOKS_S = 1.0
"""Time for several looks of a worker, which looks three times a second here."""


@pytest.fixture(scope="module")
def surroundings(nvml_library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Those of a machine with one GPU."""
    gpus = SimulatedGpus(tmp_path_factory.mktemp("gpus") / "state")
    gpus.clear()
    gpus.add()
    return {"LD_LIBRARY_PATH": str(nvml_library), "SIMULATED_NVML": str(gpus.path)}


@pytest.fixture(scope="module")
def sides(
    api: str, surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Side]]:
    """Pools of each kind, their workers and runs."""
    with ExitStack() as stack:

        def pool(kind: str) -> Pool:
            folder = tmp_path_factory.mktemp(kind)
            return stack.enter_context(pool_of(api, folder, kind, **surroundings))

        found = {kind: Side(pool(kind), pool(kind)) for kind in KINDS}
        for each in found.values():
            stack.callback(each.close)
        yield found


@pytest.fixture(params=KINDS)
def side(request: pytest.FixtureRequest, sides: dict[str, Side]) -> Side:
    """Prefect's pools, and ours, with a worker each."""
    return sides[request.param]


@contextmanager
def limit(pool: Pool, most: int) -> Iterator[None]:
    """No more than so many runs of a pool at once, for a while."""
    with get_client(sync_client=True) as client:
        client.update_work_pool(pool.name, WorkPoolUpdate(concurrency_limit=most))
        yield
        client.update_work_pool(pool.name, WorkPoolUpdate(concurrency_limit=None))


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has asked after is over."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_has_its_environment_its_parameters_and_its_pull_steps(side: Side) -> None:
    """The deployment's variables are its own, the worker's are there, each step was made."""
    run = side.runs["show"]

    assert run.over().state_name == "Completed"
    seen = run.seen()
    assert seen["environment"]["MINE"] == "seven"
    assert seen["environment"]["SIMULATED_NVML"] == os.fspath(
        side.pool.environment["SIMULATED_NVML"]
    )
    assert run.now.parameters["count"] == 7
    assert (side.pool.folder / "pulled").exists()


def test_a_run_works_in_the_folder_that_its_deployment_names(side: Side) -> None:
    """``working_dir`` is where it is started."""
    run = side.runs["there"]

    assert run.over().state_name == "Completed"
    assert run.seen()["folder"] == str(side.folder)


def test_what_a_run_says_is_in_its_log_and_on_the_worker(side: Side) -> None:
    """A line through the logger is in both, a printed one is on the worker, where it is wanted."""
    side.runs["show"].over()

    waited(lambda: "logged while it does show" in side.runs["show"].log())
    waited(lambda: "printed while it does show" in side.pool.log())
    waited(lambda: "logged while it does show" in side.pool.log())
    assert side.pool.log().count("printed while it does show") == 1  # the other run's is not


def test_a_run_that_fails_is_tried_again_and_says_why(side: Side) -> None:
    """Retries are the engine's; the last exception is in the state."""
    run = side.runs["fail"]

    assert run.over().state_name == "Failed"
    assert "no harvest in 2026" in run.said()
    assert run.word("tries").read_text() == ".."


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("terminate", "Execution was aborted by a termination signal"),
        ("exit", "Execution was aborted by Python system exit call"),
    ],
)
def test_a_run_whose_process_dies_is_crashed_and_its_hook_called(
    side: Side, deed: str, said: str
) -> None:
    """By a signal, which the engine tells, or by its own wish."""
    run = side.runs[deed]

    assert run.over().state_name == "Crashed"
    assert said in run.said()
    assert run.hook() == "Crashed"


def test_a_run_that_is_killed_is_crashed_and_leaves_no_process(side: Side) -> None:
    """Ours sees its end at once and ends its children; Prefect's waits until these have gone.

    They hold the pipe of its output, to whose end Prefect's worker reads.
    """
    run = side.runs["kill"]
    pid, child = run.seen()["pid"], run.seen()["child"]
    if not side.ours:
        waited(lambda: not alive(pid))
        assert run.state == "RUNNING"
        assert alive(child)
        os.kill(child, signal.SIGKILL)

    assert run.over().state_name == "Crashed"
    assert "Process exited with status code: -9" in run.said()
    assert run.hook() == "Crashed"
    waited(lambda: not alive(child))


def test_a_run_waits_while_its_pool_is_full_and_can_be_cancelled(side: Side) -> None:
    """A pool's limit holds for ours too; a run that waits is Cancelled at once."""
    side.runs["stay"].seen()
    with limit(side.pool, 1), get_client(sync_client=True) as client:
        run = side.another("show")
        time.sleep(LOOKS_S)
        assert run.state == "SCHEDULED"

        client.set_flow_run_state(run.id, Cancelling())

        assert run.over().state_name == "Cancelled"
        assert not run.told


def test_a_deployment_that_is_removed_takes_the_runs_that_wait_with_it(side: Side) -> None:
    """The server deletes them, and nothing of them is started."""
    with limit(side.pool, 0), get_client(sync_client=True) as client:
        run = side.another("show")
        time.sleep(LOOKS_S)

        client.delete_deployment(run.deployment)

        with pytest.raises(ObjectNotFound):
            client.read_flow_run(run.id)
    time.sleep(LOOKS_S)
    assert not run.told


def test_a_run_that_is_cancelled_ends_in_order(side: Side) -> None:
    """Its ``finally`` runs, its hook is called, it is Cancelled, and its process is gone."""
    run = side.runs["stay"]
    pid = run.seen()["pid"]

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())

    assert run.hook() == "Cancelling"
    assert run.over().state_name == "Cancelled"
    assert run.word("finally").exists()
    waited(lambda: not psutil.pid_exists(pid))


def test_a_run_that_waits_for_a_person_holds_no_process_and_goes_on(side: Side) -> None:
    """Suspended, its process ends without a crash; resumed, it has a new one."""
    run = side.runs["suspend"]
    waited(lambda: run.state == "PAUSED", lambda: repr(run.now.state))
    before = run.now.infrastructure_pid
    waited(lambda: not psutil.pid_exists(int(before or 0)))

    with get_client(sync_client=True) as client:
        client.resume_flow_run(run.id)

    assert run.over().state_name == "Completed"
    assert str(run.seen()["pid"]) != before


def test_a_flow_is_handed_over_without_a_deployment(side: Side) -> None:
    """``worker.submit``: parameters and environment arrive, and its end is told."""
    said, complained = side.handing.communicate(timeout=120)

    assert side.handing.returncode == 0, complained[-2000:]
    assert said.split()[-1] == "Completed"
    assert json.loads(side.handed.read_text())["environment"]["MINE"] == "seven"


def test_a_worker_takes_as_many_runs_as_it_may_the_urgent_first(side: Side) -> None:
    """``--limit`` holds, and queues come by their priority, not by who has waited longer."""
    queues = {"later": 20, "urgent": 10}
    with get_client(sync_client=True) as client:
        for name, priority in queues.items():
            client.create_work_queue(name=name, work_pool_name=side.narrow.name, priority=priority)
        side.holds.seen()

        waiting = {name: Promise(side.narrow, "stay", work_queue_name=name) for name in queues}
        time.sleep(LOOKS_S)
        assert {run.state for run in waiting.values()} == {"SCHEDULED"}
        side.holds.let_go()
        waiting["urgent"].seen()

        assert waiting["later"].state == "SCHEDULED"
        client.set_flow_run_state(waiting["later"].id, Cancelling())
    waiting["urgent"].let_go()
    assert waiting["urgent"].over().state_name == "Completed"
    assert not waiting["later"].told


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_stopped_ends_its_runs(side: Side, sent: signal.Signals) -> None:
    """Ours asks them to end and tells it: Crashed, with the reason.

    Prefect's kills them, and their state stays Running.
    """
    side.holds.let_go()
    pool = side.pool if sent == signal.SIGTERM else side.narrow
    worker, run = pool.workers[-1], Promise(pool, "stay")
    pid = run.seen()["pid"]

    worker.send_signal(sent)
    worker.wait(30)

    waited(lambda: not alive(pid))
    assert run.state == ("CRASHED" if side.ours else "RUNNING")
    assert run.word("finally").exists() == side.ours


def test_a_run_outlives_a_worker_that_is_killed(side: Side) -> None:
    """With Prefect's it dies at the next line that it prints: the pipe has no reader."""
    worker = side.at_work()
    run = side.another("stay")
    pid = run.seen()["pid"]

    worker.kill()
    worker.wait(30)

    if side.ours:
        time.sleep(LOOKS_S)
        assert alive(pid)
        run.let_go()
    assert run.over().state_name == ("Completed" if side.ours else "Crashed")

"""A worker that is killed with SIGKILL at any step: its runs live on, and nothing is lost."""

import os
import signal
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.states import Cancelling

from tests.support.confined import no_groups
from tests.support.nvml.gpus import SimulatedGpus
from tests.support.pools import Pool, waited


@pytest.fixture(autouse=True)
def _two(gpus: SimulatedGpus) -> None:
    gpus.add()
    gpus.add()


def test_a_run_outlives_its_worker_and_is_taken_over(pool: Pool) -> None:
    """It keeps its devices, its cores and its control group, and ends as it would have ended."""
    worker = pool.start()
    run = pool.run(gpus=2, cpus=1, memory="1GiB", stream_output=False)
    pid = run.seen()["pid"]
    worker.kill()
    worker.wait()

    pool.start()
    other = pool.run(gpus=1)
    waited(lambda: "Took over run" in pool.log())
    assert not other.told
    assert os.sched_getaffinity(pid) == set(pool.leases[0].grant.cores)
    assert bool(pool.groups) is not bool(no_groups())
    run.let_go()
    other.let_go()

    assert run.over().state_name == "Completed"
    assert other.over().state_name == "Completed"
    waited(lambda: not pool.leases)
    waited(lambda: not pool.groups)


def test_a_run_that_died_with_its_worker_is_crashed(pool: Pool) -> None:
    """Its page says what is known, and its device is free."""
    worker = pool.start()
    run = pool.run(gpus=2, stream_output=False)
    pid = run.seen()["pid"]
    worker.kill()
    worker.wait()
    os.kill(pid, signal.SIGKILL)

    pool.start()
    found = run.over()

    assert found.state is not None
    assert found.state.type.value == "CRASHED"
    assert "nobody saw how" in str(found.state.message)
    assert "Start it again" in str(found.state.message)
    waited(lambda: not pool.leases)


def test_a_run_that_was_taken_over_can_be_cancelled(pool: Pool) -> None:
    """Its process is asked to end, and the run is Cancelled."""
    worker = pool.start()
    run = pool.run(gpus=1, stream_output=False)
    run.seen()
    worker.kill()
    worker.wait()
    pool.start()
    waited(lambda: "Took over run" in pool.log())

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelling())
    run.over()
    waited(lambda: not pool.leases)

    assert run.now.state_name == "Cancelled"


def test_a_stopped_worker_leaves_no_run_behind_that_is_running_for_ever(pool: Pool) -> None:
    """Its runs are asked to end with it, and are Crashed; a script's ``&`` changes nothing."""
    worker = pool.start(interrupt="SIG_IGN")
    run = pool.run(gpus=1)
    run.seen()

    worker.terminate()
    worker.wait(30)

    assert run.now.state is not None
    assert run.now.state.type.value == "CRASHED"
    assert pool.leases == []


def test_a_second_worker_of_a_name_does_not_start_and_harms_nothing(pool: Pool) -> None:
    """It says which process has the name and exits for good; the first keeps its runs."""
    first = pool.start()
    run = pool.run(gpus=2, stream_output=False)
    run.seen()

    second = pool.start()

    assert second.wait(30) == 78
    assert f"runs on this machine already, as process {first.pid}" in pool.log(1)
    assert first.poll() is None
    run.let_go()
    assert run.over().state_name == "Completed"
    waited(lambda: not pool.leases)


_STEPS = (
    "infra.gpu.leases:Decision.grant after",  # decided, and not written
    "infra.gpu.keeping:Keeper.give before",  # written, and nobody knows
    "infra.gpu.worker:GpuProcessWorker._propose_pending_state before",
    "infra.gpu.worker:GpuProcessWorker._propose_pending_state after",
    "infra.gpu.worker:GpuProcessWorker._give_worker_labels_to_flow_run after",
    "infra.gpu.machine:Machine.confine after",
    "infra.gpu.machine:Machine.attach before",  # a process, and nobody knows
    "infra.gpu.machine:Machine.attach after",
    "infra.gpu.keeping:Keeper.finish before",
    "infra.gpu.machine:Machine.leave before",
    "infra.gpu.machine:Machine.leave after",
)


def test_whatever_step_a_worker_is_killed_at_no_run_is_lost_and_no_device_held_twice(
    pool: Pool, tmp_path: Path
) -> None:
    """One worker after another is killed, each a step later; the last one finishes everything.

    Every run locks its device for as long as it is there, and fails where another has it.
    """
    runs = []
    with pool.doomed() as kill_at:
        for step in _STEPS:
            run = pool.run(gpus=1, env={"LOCKS": str(tmp_path)})
            run.let_go()
            runs.append(run)

            assert kill_at(step) == -signal.SIGKILL, step

    pool.start()
    ends = {step: run.over().state_name for step, run in zip(_STEPS, runs, strict=True)}

    assert ends == dict.fromkeys(_STEPS, "Completed")
    waited(lambda: not pool.leases)

"""Requests that nothing can be placed for, and journals that cannot be used: told, and no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRunPolicy
from prefect.exceptions import PrefectHTTPStatusError

from infra.gpu.leases import Journal
from tests.support.nvml.gpus import SimulatedGpus
from tests.support.pools import Pool, Run, pool_of, waited


@pytest.fixture(scope="module")
def small(api: str, tmp_path_factory: pytest.TempPathFactory, nvml_library: Path) -> Iterator[Pool]:
    """A pool of one machine with one GPU, whose worker runs."""
    folder = tmp_path_factory.mktemp("small")
    machine = SimulatedGpus(folder / "gpus")
    machine.add()
    simulated = {"LD_LIBRARY_PATH": str(nvml_library), "SIMULATED_NVML": str(machine.path)}
    with pool_of(api, folder, **simulated) as pool:
        pool.start()
        yield pool


def refusal(run: Run) -> str:
    """Why a run was refused."""
    found = run.over()
    assert found.state is not None
    assert (found.state.type.value, found.state.name) == ("FAILED", "Refused")
    return str(found.state.message)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"gpus": -1}, "gpus: -1 GPUs cannot be had; write 0, 1, 0.25 or mig:1g.10gb"),
        ({"gpus": "0.3 of mig"}, "gpus: '0.3 of mig' is no number of GPUs"),
        ({"gpus": 1, "gpu_memory": "lots"}, "gpu_memory: 'lots' is no size"),
        ({"gpu_memory": "12GiB"}, "gpu_memory is asked of no GPU; set gpus as well"),
        ({"gpus": 0.5, "exclusive": True}, "is a part of a device and cannot be exclusive"),
        ({"gpus": 1, "max_runtime": "soon"}, "max_runtime: "),
        (
            {"gpus": 1, "env": {"CUDA_VISIBLE_DEVICES": "GPU-nowhere"}},
            "The job variable env sets CUDA_VISIBLE_DEVICES",
        ),
        ({"gpus": 2}, "2 GPUs are asked for; 1 of 1 suit"),
        ({"gpus": 1, "gpu_model": "Q9000"}, "is no Q9000"),
        ({"gpus": "mig:1g.10gb"}, "is no slice 1g.10gb"),
        ({"memory": "900TiB"}, "of memory are asked for; there are"),
    ],
)
def test_what_cannot_be_placed_is_refused_on_its_run(
    small: Pool, wishes: dict[str, Any], said: str
) -> None:
    """The state says what is wrong and what to do, at once and once."""
    message = refusal(small.run(**wishes))

    assert said in message
    assert message.endswith((".",))
    assert small.workers[0].poll() is None


def test_a_refused_run_stops_no_other(small: Pool) -> None:
    """Between two that are nonsense, a good one is taken."""
    runs = [small.run(gpus="some"), small.run(), small.run(gpus=-3)]

    runs[1].seen()
    runs[1].let_go()

    assert [each.over().state_name for each in runs] == ["Refused", "Completed", "Refused"]


def test_a_request_of_another_kind_does_not_reach_the_pool(small: Pool) -> None:
    """What is no number where only numbers are is refused by Prefect, when it is deployed."""
    with pytest.raises(PrefectHTTPStatusError):
        small.run(cpus="many")


def test_a_waiting_run_says_on_its_page_what_it_waits_for(small: Pool) -> None:
    """A line in its log, and a note; once the way is free it starts."""
    first = small.run(gpus=1)
    first.seen()

    second = small.run(gpus=1)
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[second.id]))
    logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[second.id]))
    with get_client(sync_client=True) as client:
        waited(lambda: client.read_artifacts(artifact_filter=mine))
        [note] = client.read_artifacts(artifact_filter=mine)
        waited(lambda: client.read_logs(log_filter=logs))
        lines = [each.message for each in client.read_logs(log_filter=logs)]
    for each in (first, second):
        each.let_go()

    assert "1 GPUs are asked for; 0 of 1 that suit are free: GPU-00 is leased." in str(note.data)
    assert "place 1 in the queue" in str(note.data)
    assert any(line.startswith("It waits. 1 GPUs are asked for") for line in lines)
    assert second.over().state_name == "Completed"


def test_what_one_machine_cannot_do_waits_for_another_of_the_pool(
    api: str, tmp_path: Path, nvml_library: Path
) -> None:
    """A run of two GPUs passes the machine of one, and starts on that of two."""
    machines = [SimulatedGpus(tmp_path / f"gpus-{number}") for number in (1, 2)]
    machines[0].add()
    for _ in range(2):
        machines[1].add()
    with pool_of(api, tmp_path, LD_LIBRARY_PATH=str(nvml_library)) as pool:
        for number, machine in reversed(list(enumerate(machines, 1))):
            name, journal = f"machine{number}", str(tmp_path / f"journal-{number}.db")
            pool.start(name, PERENNIAL_LEASES=journal, SIMULATED_NVML=str(machine.path))
            waited(lambda: "started!" in pool.log())
        second = Journal(tmp_path / "journal-2.db")
        holder = pool.run(gpus=2)
        holder.seen()

        run = pool.run(gpus=2)
        holder.let_go()
        run.seen()

        assert {lease.run for lease in second.leases()} >= {run.id}
        run.let_go()
        assert run.over().state_name == "Completed"


def test_a_run_ends_when_its_time_has_passed(small: Pool) -> None:
    """Failed by that name, with the time and what to do; its device is free.

    Retries that its flow has left are for its own failures.
    """
    run = small.run(gpus=1, max_runtime="PT3S")
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.id, empirical_policy=FlowRunPolicy(retries=2, retry_delay=60))

    run.over()
    waited(lambda: not small.leases)
    found = run.now

    assert found.state is not None
    assert (found.state.type.value, found.state.name) == ("FAILED", "TimedOut")
    assert "It ran for 0:00:03, its max_runtime" in str(found.state.message)


def test_a_run_that_somebody_deleted_ends_when_its_time_has_passed(small: Pool) -> None:
    """Nobody can be told of it; its device is free all the same, and others are looked after."""
    run = small.run(gpus=1, max_runtime="PT8S")
    process = psutil.Process(run.seen()["pid"])

    with get_client(sync_client=True) as client:
        client.delete_flow_run(run.id)

    waited(lambda: not process.is_running() and not small.leases, small.log)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a journal" * 400, "is damaged"),
        (None, "cannot be written"),
    ],
)
def test_a_worker_does_not_start_with_a_journal_that_it_cannot_use(
    api: str, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """A sentence and a hint, an exit code, and no traceback."""
    journal = tmp_path / "leases.db"
    if content is None:
        journal.mkdir()
    else:
        journal.write_bytes(content)

    with pool_of(api, tmp_path) as pool:
        code = pool.start().wait(60)
        said_by_it = pool.log()
        if content is not None:
            journal.unlink()

    assert code == 78
    assert said in said_by_it
    assert "Traceback" not in said_by_it

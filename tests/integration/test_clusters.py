"""A run's own Dask cluster: work side by side, deaths told in a sentence, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.clusters import cluster, spread
from infra.errors import BackendError, DataError, PerennialError, ResourceError
from infra.resources import TrainingRequest
from tests.support.feature_tables import bare_home
from tests.support.jobs import die, eat, imported, refuse, stumble, who

TWO = TrainingRequest(cpus=2, memory=2**30)
ONE = TrainingRequest(cpus=1, memory=2**30)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path) -> Iterator[None]:
    with bare_home(tmp_path):
        yield


def test_jobs_run_side_by_side_in_lean_processes_of_one_thread() -> None:
    """Two cores are two workers, which import no Prefect; results keep the order of the jobs."""
    told: list[int] = []

    found = spread(who, [1, 2, 3, 4], TWO, told=lambda result: told.append(result[0]))

    assert [job for job, *_ in found] == [1, 2, 3, 4]
    assert sorted(told) == [1, 2, 3, 4]
    assert len({process for _, process, *_ in found}) == 2
    assert os.getpid() not in {process for _, process, *_ in found}
    assert {(threads, prefect) for _, _, threads, prefect in found} == {("1", False)}


def test_one_core_needs_no_processes() -> None:
    """The debug twin: the same work, here, where a debugger stops."""
    assert {process for _, process, *_ in spread(who, [1, 2], ONE)} == {os.getpid()}


def test_one_job_needs_no_processes() -> None:
    """There is nothing to do beside it."""
    assert [process for _, process, *_ in spread(who, [1], TWO)] == [os.getpid()]


def test_the_cluster_is_its_runs_alone_and_ends_with_it() -> None:
    """Loopback behind TLS while it works; no process is left when it is done."""
    with cluster(TWO) as client:
        workers = client.run(os.getpid)
        forked_from = {psutil.Process(worker).ppid() for worker in workers.values()}

    assert len(workers) == 2
    assert all(address.startswith("tls://127.0.0.1:") for address in workers)
    assert not any(psutil.pid_exists(process) for process in {*workers.values(), *forked_from})


def test_what_workers_need_is_imported_once_while_this_process_gets_ready() -> None:
    """Both are forked from one process, which is not this one."""
    ready: list[bool] = []

    with cluster(TWO, ["tasks.training.estimators"], lambda: ready.append(True)) as client:
        found = client.run(imported, "tasks.training.estimators")
        parents = {psutil.Process(worker).ppid() for worker in client.run(os.getpid).values()}

    assert ready == [True]
    assert set(found.values()) == {True}
    assert len(parents) == 1
    assert os.getpid() not in parents


def test_a_dead_worker_is_a_resource_error_that_says_its_share() -> None:
    """Not a task that waits for ever."""
    with pytest.raises(ResourceError, match="A worker died at its work; each of 2 had 512 MiB"):
        spread(die, [1, 2], TWO)


def test_a_worker_that_takes_more_than_its_share_is_killed() -> None:
    """The machine's other runs keep their memory."""
    with pytest.raises(ResourceError, match=r"Raise training\.resources\.memory"):
        spread(eat, [1, 2], TWO)


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (refuse, DataError, r"The rows are too few\. Wait for more\."),
        (stumble, BackendError, "A worker failed: ZeroDivisionError"),
    ],
)
def test_errors_of_workers_arrive_with_their_class(
    work: Callable[[int], int], kind: type[PerennialError], message: str
) -> None:
    """Ours as they were raised, hint and all; others as the backend's fault."""
    with pytest.raises(kind, match=message):
        spread(work, [1, 2], TWO)


def test_a_killed_run_leaves_no_worker(tmp_path: Path) -> None:
    """SIGKILL runs no clean-up: the workers notice for themselves."""
    code = (
        "from infra.clusters import spread; from infra.resources import TrainingRequest;"
        "from tests.support.jobs import linger;"
        f"spread(linger, [{str(tmp_path)!r}] * 2, TrainingRequest(cpus=2, memory=2**30))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": "."},
    )
    workers = _wait(lambda: [int(p.name) for p in tmp_path.iterdir() if p.name.isdigit()], 2)

    os.kill(run.pid, signal.SIGKILL)
    run.wait()

    assert _wait(lambda: [w for w in workers if psutil.pid_exists(w)], 0) == []


def _wait(look: Callable[[], list[int]], count: int, seconds: float = 60) -> list[int]:
    """What `look` sees once it sees that many, or at the end of the time."""
    end = time.monotonic() + seconds
    while len(found := look()) != count and time.monotonic() < end:
        time.sleep(0.1)
    return found

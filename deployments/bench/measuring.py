"""The measurements: starts against an empty flow's, and trainings against a plain script's."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from deployments.bench.runs import Runs, seconds_to_running
from deployments.bench.usage import Peak, reaped_s, tree_s
from infra.errors import BackendError
from infra.settings import PROJECT
from infra.telemetry import QUIET
from infra.threads import pools_of

Say = Callable[[str], None]

BEFORE_ANYTHING = "2012-01-01T00:00:00Z"
"""A time of which nothing is known: the run starts as always, and ends at once with a DataError."""


class Starts(BaseModel):
    """Seconds from creation to Running, of runs that took turns."""

    ours: list[float]
    empty: list[float]

    @property
    def ratio(self) -> float:
        """Median over median."""
        return statistics.median(self.ours) / statistics.median(self.empty)


class Used(BaseModel):
    """What one side took for one training."""

    wall_s: float
    cpu_s: float
    servers_cpu_s: float
    peak_bytes: int
    stages: dict[str, float]
    running_after_s: float = 0.0

    @property
    def all_cpu_s(self) -> float:
        """CPU seconds of the run and of every server meanwhile."""
        return self.cpu_s + self.servers_cpu_s


class Training(BaseModel):
    """Rounds of the same training on both sides, and one more of ours whose steps were all done."""

    ours: list[Used] = []
    script: list[Used] = []
    again: Used | None = None

    def ratio(self, field: str) -> float:
        """Sum over sum of a field."""
        ours = sum(getattr(each, field) for each in self.ours)
        script = sum(getattr(each, field) for each in self.script)
        return float(ours / script)


def measure_starts(runs: Runs, times: int, say: Say) -> Starts:
    """Starts of ``train/flights`` and of the empty flow, one after the other, after one of each."""
    found = Starts(ours=[], empty=[])
    for turn in range(times + 1):
        empty = runs.run("empty/bench")
        ours = runs.run("train/flights", model="flights", as_of=BEFORE_ANYTHING)
        if turn == 0:
            continue  # the first of each warms the disk's cache
        found.empty.append(seconds_to_running(empty))
        found.ours.append(seconds_to_running(ours))
        say(f"start {turn}: ours {found.ours[-1]:.2f} s, empty {found.empty[-1]:.2f} s")
    return found


def measure_ours(runs: Runs, keeper: int, worker: int, as_of: datetime) -> Used:
    """A training through its deployment, from the request to the end of its process.

    The promotion that it starts is not counted: it has not ended yet.

    Raises:
        BackendError: the training failed.
    """
    runs.settle()
    run_cpu, stack_cpu, below_cpu = reaped_s(worker), tree_s(keeper), tree_s(worker)
    own_cpu = stack_cpu - below_cpu
    began = time.perf_counter()
    with Peak([worker], but=[worker]) as peak:
        run = runs.run("train/flights", model="flights", cause="person", as_of=as_of.isoformat())
        wall_s = time.perf_counter() - began
    used_cpu = reaped_s(worker) - run_cpu
    servers_cpu = tree_s(keeper) - tree_s(worker) - own_cpu
    if run.state is None or not run.state.is_completed():
        raise BackendError(f"The training failed: {run.state.message if run.state else ''}")
    return Used(
        wall_s=wall_s,
        cpu_s=used_cpu,
        servers_cpu_s=servers_cpu,
        peak_bytes=peak.most_bytes,
        stages=runs.stages(run),
        running_after_s=seconds_to_running(run),
    )


def measure_script(folder: Path, tracking: str, server: int, months: int) -> Used:
    """The same by the plain script, with a tracking server of its own.

    Raises:
        BackendError: the script failed.
    """
    folder.mkdir(parents=True)
    server_cpu, cpu, began = tree_s(server), _children_s(), time.perf_counter()
    command = [sys.executable, "-m", "deployments.bench.script", tracking, str(folder), str(months)]
    with (folder / "log").open("wb") as log, (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=said, stderr=log, env=os.environ | QUIET | _ONE_THREAD
        )
        with Peak([process.pid]) as peak:
            code = process.wait()
    wall_s, cpu_s = time.perf_counter() - began, _children_s() - cpu
    if code:
        raise BackendError(f"The script failed: {(folder / 'log').read_text()[-600:]}")
    told = json.loads((folder / "said").read_text().splitlines()[-1])
    return Used(
        wall_s=wall_s,
        cpu_s=cpu_s,
        servers_cpu_s=tree_s(server) - server_cpu,
        peak_bytes=peak.most_bytes,
        stages=told["stages"],
    )


def rounds_as_of(first: datetime, turn: int) -> datetime:
    """The time of a round: each trains a version of its own."""
    return first + timedelta(minutes=turn)


@contextmanager
def tracking_server(folder: Path, port: int) -> Iterator[int]:
    """The process id of an MLflow server on SQLite, for the script."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--default-artifact-root", str(folder / "artifacts"), "--no-serve-artifacts"]
    environment = os.environ | QUIET | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait_for(port)
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    import httpx
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    @retry(
        retry=retry_if_exception_type(httpx.HTTPError),
        stop=stop_after_delay(120),
        wait=wait_fixed(0.3),
        reraise=True,
    )
    def healthy() -> None:
        httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).raise_for_status()

    healthy()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


_ONE_THREAD = pools_of(1)
"""As our deployments have it: a thread pool would fight the two Dask workers for two cores."""

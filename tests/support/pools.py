"""A work pool on a real server, with real workers of simulated GPUs."""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL
from prefect.workers.base import BaseWorker

from infra.gpu import cgroups
from infra.gpu.belonging import group_name
from infra.gpu.confinement import sweep
from infra.gpu.leases import Journal, Lease
from infra.settings import PROJECT
from tests.support.starter import Started, started

Worker = Started | subprocess.Popen[bytes]

_PATIENCE_S = 60.0
_ENTER = {"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}
_IMPORTS = ("prefect.cli.worker", "prefect.workers.process", "infra.gpu.worker")
_ENGINE = f"{sys.executable} -m prefect.engine"
_AS = "import os, signal, sys; signal.signal(2, getattr(signal, sys.argv[1])); "
_AS += "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
"""A program that listens to Ctrl-C, or does not, whatever the tests were started by."""


class Pool:
    """A work pool of a test's own, and what is started for it."""

    def __init__(
        self, api: str, folder: Path, surroundings: dict[str, str], kind: str = "gpu-process"
    ) -> None:
        self.name = f"gpus-{uuid4().hex[:8]}"
        self.kind = kind
        self.folder = folder
        self.environment = {**os.environ, **surroundings, "PREFECT_API_URL": api}
        self.workers: list[Worker] = []
        self.since = datetime.now(UTC)
        worker = BaseWorker.get_worker_class_from_type(kind)
        assert worker is not None
        template = worker.get_default_base_job_template()
        with get_client(sync_client=True) as client:
            client.create_work_pool(
                WorkPoolCreate(name=self.name, type=kind, base_job_template=template)
            )

    @property
    def leases(self) -> list[Lease]:
        """What is held on the machine of the workers."""
        return Journal(self.folder / "leases.db").leases()

    def start(
        self, name: str = "left", *options: str, interrupt: str = "SIG_DFL", **more: str
    ) -> Worker:
        """A worker of the pool; it looks for runs three times a second.

        Args:
            name: the worker's.
            options: more of the command line.
            interrupt: SIG_IGN as a shell starts what stands before ``&``.
            more: variables of its environment.
        """
        environment = {**self._of_workers, **more}
        command = (
            "prefect.__main__",
            "worker",
            "start",
            "--pool",
            self.name,
            "--name",
            name,
            *options,
        )
        with (self.folder / f"{name}-{len(self.workers)}.log").open("wb") as log:
            worker: Worker
            if interrupt == "SIG_DFL":
                worker = started(command, environment, (log, log), _IMPORTS)
            else:
                worker = subprocess.Popen(
                    [sys.executable, "-c", _AS, interrupt, "-m", *command],
                    cwd=PROJECT,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        self.workers.append(worker)
        return worker

    def start_program(self, module: str) -> None:
        """A worker of the pool that is a program of the tests' own."""
        with (self.folder / f"left-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", module, self.name],
                cwd=PROJECT,
                env=self._of_workers,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)

    @property
    def _of_workers(self) -> dict[str, str]:
        return {
            **self.environment,
            "PERENNIAL_LEASES": str(self.folder / "leases.db"),
            "PREFECT_WORKER_QUERY_SECONDS": "0.3",
            "PERENNIAL_PATROL_S": "0.3",
            "PERENNIAL_WARM_ENVIRONMENTS": "0",
        }

    @contextmanager
    def doomed(self) -> "Iterator[Callable[[str], int]]":
        """Starts a worker that is killed at a step, and says what it ended by."""
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.doomed", self.name],
            cwd=PROJECT,
            env=self._of_workers,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert parent.stdin is not None
        assert parent.stdout is not None
        asked, answers = parent.stdin, parent.stdout

        def kill_at(step: str) -> int:
            asked.write(f"{step}\n")
            asked.flush()
            said: list[str] = []
            while not (line := answers.readline()).startswith("ENDED "):
                assert line, "".join(said)
                said.append(line)
            return int(line.removeprefix("ENDED "))

        try:
            yield kill_at
        finally:
            parent.kill()
            parent.communicate()

    def program(self, module: str, *arguments: str) -> str:
        """What a program has said that runs on the machine of the workers.

        Prefect asks ``uv`` which packages a bundle needs; here it needs none.
        """
        uv = self.folder / "programs" / "uv"
        uv.parent.mkdir()
        uv.write_text("#!/bin/sh\n")
        uv.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env={**self._of_workers, "PATH": f"{uv.parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout

    def log(self, number: int = -1) -> str:
        """What a worker has said."""
        logs = sorted(self.folder.glob("*.log"), key=lambda each: int(each.stem.split("-")[-1]))
        return logs[number].read_text(errors="replace")

    def run(self, **job_variables: Any) -> "Run":  # noqa: ANN401 - as a person types them
        """A run of the seeing flow, due now, that stays until it is let go."""
        name = uuid4().hex[:8]
        report, until = self.folder / f"{name}.json", self.folder / f"{name}.go"
        with get_client(sync_client=True) as client:
            deployment = client.create_deployment(
                flow_id=client.create_flow_from_name("seeing"),
                name=name,
                work_pool_name=self.name,
                pull_steps=[_ENTER],
                entrypoint="tests/support/seeing_flow.py:seeing",
                job_variables={"command": _ENGINE, **job_variables},
            )
            run = client.create_flow_run_from_deployment(
                deployment, parameters={"report": str(report), "until": str(until)}
            )
        return Run(run.id, report, until)

    @property
    def groups(self) -> list[str]:
        """The control groups of its leases, of those that have ended as well."""
        name = group_name(self.folder / "leases.db", 0)
        return [each.name for each in cgroups.found(name.removesuffix("0"))]

    def stop(self) -> None:
        """End every worker, and whatever its runs left behind."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
            worker.wait(30)
        for journal in filter(Path.is_file, self.folder.glob("*.db")):
            for lease in Journal(journal).leases():
                if lease.process is not None and lease.process.alive:
                    os.kill(lease.process.pid, signal.SIGKILL)
        sweep(self.folder / "leases.db", list)


class Run:
    """A run of the seeing flow."""

    def __init__(self, run: UUID, report: Path, until: Path) -> None:
        self.id, self._report, self._until = run, report, until

    @property
    def now(self) -> FlowRun:
        """The run as the server has it."""
        return _client(PREFECT_API_URL.value()).read_flow_run(self.id)

    def seen(self) -> dict[str, Any]:
        """What its process saw, as soon as it has told."""
        waited(self._report.exists, lambda: f"it told nothing; {self.now.state!r}")
        found: dict[str, Any] = json.loads(self._report.read_text())
        return found

    @property
    def told(self) -> bool:
        """Whether its process has told what it saw."""
        return self._report.exists()

    def said(self) -> str:
        """What its state says now."""
        return (self.now.state and self.now.state.message) or ""

    def log(self) -> list[str]:
        """The lines of its log that have come."""
        of_it = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[self.id]))
        logs = _client(PREFECT_API_URL.value()).read_logs(of_it)
        return [each.message for each in logs]

    def let_go(self) -> None:
        """Let it come to its end."""
        self._until.touch()

    def over(self) -> FlowRun:
        """The run once it is over."""
        waited(lambda: (state := self.now.state) and state.is_final(), lambda: repr(self.now.state))
        return self.now


@functools.cache
def _client(_api: str) -> SyncPrefectClient:
    """The client by which a server is asked again and again; a new one is three requests."""
    client = get_client(sync_client=True)
    atexit.register(client.__exit__, None, None, None)
    return client.__enter__()


def waited(claim: Callable[[], object], why: Callable[[], str] = str) -> None:
    """Return once a claim holds; who waits long looks seldom, for each look costs a server."""
    began, pause = time.monotonic(), 0.05
    while not claim():
        assert time.monotonic() < began + _PATIENCE_S, why()
        time.sleep(pause)
        pause = min(0.4, pause * 1.2)


@contextmanager
def pool_of(
    api: str, folder: Path, kind: str = "gpu-process", **surroundings: str
) -> Iterator[Pool]:
    """A pool whose workers end with the block."""
    pool = Pool(api, folder, surroundings, kind)
    try:
        yield pool
    finally:
        pool.stop()

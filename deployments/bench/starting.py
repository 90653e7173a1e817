"""From a run's creation to its Running: our worker beside a stock one, ten looks a second each."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.workers.base import BaseWorker
from pydantic import BaseModel

from deployments.bench.runs import seconds_to_running
from deployments.plan import ENGINE
from infra.errors import BackendError
from infra.settings import PROJECT
from infra.threads import pools_of

_KINDS: Final = {"ours": "gpu-process", "stock": "process"}
_POLL_S = 0.2
_PATIENCE_S = 120.0
_EACH = 4
_AFTER_S = 1.5
"""The process of a run ends so much later than its state says: the next start has the cores."""
_ONE_THREAD = pools_of(1)


class WarmStarts(BaseModel):
    """Seconds from creation to Running of a flow that imports the whole stack."""

    ours: list[float] = []
    stock: list[float] = []
    first: float = 0.0
    """Our first of all, which starts cold."""
    ours_prepared: list[float] = []
    """Of a deployment without a command, whose workspace is prepared first."""
    stock_prepared: list[float] = []

    @property
    def median_s(self) -> tuple[float, float]:
        """Ours and the stock worker's."""
        return statistics.median(self.ours), statistics.median(self.stock)

    @property
    def prepared_s(self) -> tuple[float, float]:
        """The medians of starts without a command."""
        return statistics.median(self.ours_prepared), statistics.median(self.stock_prepared)

    @property
    def p99_s(self) -> float:
        """The 99th percentile of ours; of fewer than a hundred starts the slowest."""
        return sorted(self.ours)[max(0, -(-99 * len(self.ours) // 100) - 1)]


def measure_warm_starts(folder: Path, times: int, say: Callable[[str], None]) -> WarmStarts:
    """Start the heavy flow again and again; every fourth of ours is followed by a stock one.

    Raises:
        BackendError: a run did not complete.
    """
    found = WarmStarts()
    workspace = folder / "workspace"
    workspace.mkdir()
    shutil.copy(PROJECT / "deployments" / "bench" / "heavy.py", workspace)
    with get_client(sync_client=True) as client:
        for side in _KINDS:
            _make_pool(client, side)
        ours, stock = (_deployed(client, side, PROJECT, ENGINE) for side in _KINDS)
        ours_prepared, stock_prepared = (_deployed(client, side, workspace) for side in _KINDS)
        with _worker("ours", client, folder), _worker("stock", client, folder):
            found.first = _started(client, ours)
            _started(client, stock)
            _warmed(client, ours, found.first / 2)
            _warmed(client, ours_prepared, found.first / 2)
            for turn in range(times):
                found.ours.append(_started(client, ours))
                if turn % _EACH == 0:
                    found.stock.append(_started(client, stock))
                    found.ours_prepared.append(_started(client, ours_prepared))
                    found.stock_prepared.append(_started(client, stock_prepared))
                    last = (found.ours, found.stock, found.ours_prepared, found.stock_prepared)
                    shown = "ours {:.2f} s, stock {:.2f} s; without a command {:.2f} s, {:.2f} s"
                    say(f"start {turn + 1}: {shown.format(*(each[-1] for each in last))}")
    return found


def _make_pool(client: SyncPrefectClient, side: str) -> None:
    """The pool of one side."""
    kind = BaseWorker.get_worker_class_from_type(_KINDS[side])
    if kind is None:
        raise BackendError(f"Prefect knows no worker of type {_KINDS[side]}.")
    client.create_work_pool(
        WorkPoolCreate(
            name=f"bench-{side}",
            type=_KINDS[side],
            base_job_template=kind.get_default_base_job_template(),
        )
    )


def _deployed(client: SyncPrefectClient, side: str, folder: Path, command: str = "") -> UUID:
    """The heavy flow on the pool of one side; without a command as ``prefect deploy`` has it."""
    enter = {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}
    with_command = {"command": command, "working_dir": str(folder)} if command else {}
    return client.create_deployment(
        flow_id=client.create_flow_from_name("heavy"),
        name=f"{side}-{folder.name}",
        entrypoint=f"{'deployments/bench/' if command else ''}heavy.py:heavy",
        pull_steps=[enter],
        work_pool_name=f"bench-{side}",
        job_variables={**with_command, "env": _ONE_THREAD},
    )


@contextmanager
def _worker(side: str, client: SyncPrefectClient, folder: Path) -> Iterator[None]:
    """A worker of one side, which looks for runs ten times a second."""
    own = {
        "PREFECT_API_URL": str(client.api_url).rstrip("/"),
        "PREFECT_WORKER_QUERY_SECONDS": "0.1",
        "PERENNIAL_WARM_ENVIRONMENTS": "2",
        "PERENNIAL_LEASES": str(folder / "bench-leases.db"),
    }
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", f"bench-{side}"]
    with (folder / f"{side}.log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **own},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def _warmed(client: SyncPrefectClient, deployment: UUID, soon_s: float) -> None:
    """Start runs until one was as fast as a run that need not import."""
    deadline = time.monotonic() + _PATIENCE_S
    while _started(client, deployment) > soon_s:
        if time.monotonic() > deadline:
            raise BackendError(f"No run started warm within {_PATIENCE_S:.0f} s.")


def _started(client: SyncPrefectClient, deployment: UUID) -> float:
    """Seconds from the creation of a run to its Running; it has ended by then, and is gone."""
    run = client.create_flow_run_from_deployment(deployment)
    deadline = time.monotonic() + _PATIENCE_S
    while not run.state or not run.state.is_final():
        if time.monotonic() > deadline:
            raise BackendError(f"{run.name} did not end within {_PATIENCE_S:.0f} s.")
        time.sleep(_POLL_S)
        run = client.read_flow_run(run.id)
    if not run.state.is_completed():
        raise BackendError(f"{run.name} ended as {run.state.name}: {run.state.message}")
    time.sleep(_AFTER_S)
    return seconds_to_running(run)

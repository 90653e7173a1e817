"""Runs of the benchmark: started as `prefect deployment run` does, followed to their very end."""

import time
from typing import Any, Self
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from deployments.plan import ENGINE
from infra.errors import BackendError
from infra.pools import POOL
from infra.processes import variable
from infra.settings import PROJECT
from infra.warm.nurseries import ROOM

_POLL_S = 0.1
_PATIENCE_S = 900.0


class Runs:
    """Starts runs and waits until their processes are gone."""

    def __init__(self, worker: int) -> None:
        self._worker = psutil.Process(worker)
        self._client: SyncPrefectClient = get_client(sync_client=True)

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.__exit__(*exception)

    def deploy_empty(self, environment: dict[str, Any]) -> None:
        """Deploy the empty flow on the same pool, with the same steps before it."""
        self._client.create_deployment(
            flow_id=self._client.create_flow_from_name("empty"),
            name="bench",
            entrypoint="deployments/bench/empty.py:empty",
            path=str(PROJECT),
            pull_steps=[
                {
                    "prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)},
                }
            ],
            work_pool_name=POOL,
            job_variables={
                "command": ENGINE,
                "env": environment,
                "working_dir": str(PROJECT),
            },
        )

    def run(self, deployment: str, **parameters: object) -> FlowRun:
        """A run once it has ended and its process is gone.

        Raises:
            BackendError: it did not end in time.
        """
        found = self._client.read_deployment_by_name(deployment)
        run = self._client.create_flow_run_from_deployment(found.id, parameters=parameters)
        deadline = time.monotonic() + _PATIENCE_S
        process: psutil.Process | None = None
        while not run.state or not run.state.is_final():
            process = process or self._process_of(run.id)
            if time.monotonic() > deadline:
                raise BackendError(f"{deployment} did not end within {_PATIENCE_S:.0f} s.")
            time.sleep(_POLL_S)
            run = self._client.read_flow_run(run.id)
        while process is not None and process.is_running():  # a zombie is not yet accounted for
            time.sleep(_POLL_S / 5)
        return run

    def settle(self) -> None:
        """Wait until the worker runs nothing."""
        while self._processes():
            time.sleep(_POLL_S)

    def stages(self, run: FlowRun) -> dict[str, float]:
        """Seconds of each task of a run, in their order."""
        tasks = self._client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        )
        begun = sorted((task for task in tasks if task.start_time), key=_start)
        return {
            task.name.rpartition("-")[0]: round(task.total_run_time.total_seconds(), 3)
            for task in begun
        }

    def _processes(self) -> list[psutil.Process]:
        """Everything below the worker but what imports ahead, which stays."""
        below = self._worker.children(recursive=True)
        return [each for each in below if variable(each, ROOM) is None]

    def _process_of(self, run: UUID) -> psutil.Process | None:
        for child in self._processes():
            try:
                if child.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                    return child
            except psutil.Error:  # it has just ended, or has not begun
                continue
        return None


def _start(task: Any) -> Any:  # noqa: ANN401 - Prefect's task run
    return task.start_time


def seconds_to_running(run: FlowRun) -> float:
    """From the creation of a run to its Running, by the server's clock.

    Raises:
        BackendError: it never ran.
    """
    if run.start_time is None or run.created is None:
        raise BackendError(f"{run.name} never ran.")
    return float((run.start_time - run.created).total_seconds())

"""What the runs of a storm ask for, and where they are declared."""

import sys
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.workers.base import BaseWorker

from infra.settings import PROJECT
from tests.support.nvml.gpus import GIB

_ENTER = {"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}


class Kind(NamedTuple):
    """What a run asks, and what it must then see: devices, how much of each, a slice or not."""

    asks: dict[str, object]
    devices: int
    part: float = 1.0
    memory: int = 0
    profile: str = ""


KINDS: Final = {
    "quarter": Kind({"gpus": 0.25, "accept_advisory": True}, 1, part=0.25),
    "half": Kind({"gpus": 0.5, "accept_advisory": True}, 1, part=0.5),
    "memory": Kind(
        {"gpus": 1, "exclusive": False, "gpu_memory": "20GiB", "accept_advisory": True},
        devices=1,
        memory=20 * GIB,
    ),
    "one": Kind({"gpus": 1}, 1),
    "two": Kind({"gpus": 2, "max_runtime": "PT2M"}, 2),
    "four": Kind({"gpus": 4}, 4),
    "slice": Kind({"gpus": "mig:1g.10gb"}, 1, profile="1g.10gb"),
    "none": Kind({"gpus": 0}, 0),
}


class Declared:
    """A pool with a deployment of every kind."""

    def __init__(self, client: SyncPrefectClient, pool: str) -> None:
        self._client = client
        kind = BaseWorker.get_worker_class_from_type("gpu-process")
        assert kind is not None
        template = kind.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=pool, type="gpu-process", base_job_template=template)
        )
        flow = client.create_flow_from_name("storming")
        self._deployments = {name: self._deploy(name, flow, pool) for name in KINDS}

    def _deploy(self, name: str, flow: UUID, pool: str) -> UUID:
        return self._client.create_deployment(
            flow_id=flow,
            name=f"{name}-{pool}",
            work_pool_name=pool,
            pull_steps=[_ENTER],
            entrypoint="tests/support/storm_flow.py:storming",
            job_variables={"command": f"{sys.executable} -m prefect.engine"} | KINDS[name].asks,
        )

    def start(self, number: int, traces: Path, hold_s: float) -> FlowRun:
        """A run that is due now; every kind has its turn."""
        name = list(KINDS)[number % len(KINDS)]
        kind = KINDS[name]
        parameters: dict[str, Any] = {
            "asked": kind.devices,
            "part": kind.part,
            "memory": kind.memory,
            "profile": kind.profile,
            "folder": str(traces),
            "hold_s": hold_s,
        }
        return self._client.create_flow_run_from_deployment(
            self._deployments[name], parameters=parameters
        )

"""Fixtures of the adapters' tests: GPUs that are not there, and somebody who looks at them."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client

from deployments.apply import deploy
from tests.support.homes import home_on
from tests.support.nvml.gpus import SimulatedGpus
from tests.support.nvml.observer import Observer, observing
from tests.support.pools import Pool, pool_of
from tests.support.postgres import postgres_server
from tests.support.prefect_server import PrefectServer, talking_to


@pytest.fixture(scope="session")
def _gpus_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpus") / "state"


@pytest.fixture(scope="session")
def _session_observer(nvml_library: Path, _gpus_state: Path) -> Iterator[Observer]:
    with observing(nvml_library, _gpus_state) as observer:
        yield observer


@pytest.fixture
def gpus(_gpus_state: Path) -> SimulatedGpus:
    """A machine without GPUs, for a test to fill."""
    machine = SimulatedGpus(_gpus_state)
    machine.clear()
    return machine


@pytest.fixture
def observer(_session_observer: Observer, gpus: SimulatedGpus) -> Observer:
    """Looks at the machine; it begins anew for each test."""
    _session_observer.begin()
    return _session_observer


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server for homes: each test that takes one begins with an empty database."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def server_of_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server that the tests of workers share; whoever kills it starts it again."""
    with postgres_server() as database:
        server = PrefectServer(database, tmp_path_factory.mktemp("workers"))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def api(server_of_workers: PrefectServer) -> Iterator[str]:
    """The server's address, which this process uses; each test has pools of its own."""
    with talking_to(server_of_workers.api):
        yield server_of_workers.api


@pytest.fixture
def pool(api: str, tmp_path: Path, nvml_library: Path, gpus: SimulatedGpus) -> Iterator[Pool]:
    """A pool on a machine with the GPUs that the test adds."""
    simulated = {"LD_LIBRARY_PATH": str(nvml_library), "SIMULATED_NVML": str(gpus.path)}
    with pool_of(api, tmp_path, **simulated) as pool:
        yield pool


@pytest.fixture(scope="module")
def database(api: str, postgres: str) -> str:
    """A PostgreSQL server; flights is deployed to the Prefect server that the session shares."""
    assert api
    deploy("flights", paused=True)
    return postgres


@pytest.fixture
def home(database: str, tmp_path: Path) -> Iterator[Path]:
    """An empty home: no champion, no runs."""
    with home_on(database, tmp_path), get_client(sync_client=True) as client:
        for run in client.read_flow_runs():
            client.delete_flow_run(run.id)
        yield tmp_path


@pytest.fixture(scope="module")
def evidently() -> None:
    """Evidently imported once: what numpy, litestar and others say of it is none of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("tasks.monitoring.comparison")


@pytest.fixture
def ledger_beside_runs(postgres: str, api: str, tmp_path: Path) -> Iterator[None]:
    """An empty ledger, beside the runs of the Prefect server that the session shares."""
    assert api
    with home_on(postgres, tmp_path):
        yield


@pytest.fixture
def model() -> str:
    """A model that no other test of the server has runs of."""
    return f"m{uuid4().hex[:8]}"

"""The pool of a home that is older than this version, on a real Prefect server."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import WorkPool
from prefect.workers.process import ProcessWorker

from infra.gpu.worker import GpuProcessWorker
from infra.pools import POOL, ensure_pool


@pytest.fixture
def client(api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server that the session shares, which holds no pool of ours."""
    assert api
    with get_client(sync_client=True) as client:
        _without(client)
        yield client
        _without(client)


def _without(client: SyncPrefectClient) -> None:
    if any(pool.name == POOL for pool in client.read_work_pools()):
        client.delete_work_pool(POOL)


def test_a_pool_of_an_older_home_is_kept_and_learns_the_job_variables(
    client: SyncPrefectClient,
) -> None:
    """Prefect changes no pool's type, and a new pool would lose the runs that wait in the old."""
    old = ProcessWorker.get_default_base_job_template()
    client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=old))

    said, again = ensure_pool(client), ensure_pool(client)

    pool = client.read_work_pool(POOL)
    assert "keeps the type process" in said
    assert again == ""
    assert pool.type == "process"
    assert _variables(pool) == set(_ours()["variables"]["properties"])
    assert set(pool.base_job_template["job_configuration"]) == set(_ours()["job_configuration"])


def test_a_pool_of_before_an_upgrade_learns_what_it_lacks_and_keeps_what_its_people_changed(
    client: SyncPrefectClient,
) -> None:
    """Nothing that stands in its template is written over."""
    older = copy.deepcopy(_ours())
    del older["variables"]["properties"]["max_runtime"]
    del older["job_configuration"]["max_runtime"], older["job_configuration"]["priority"]
    older["variables"]["properties"]["cpus"]["default"] = 3
    client.create_work_pool(WorkPoolCreate(name=POOL, type="gpu-process", base_job_template=older))

    said, again = ensure_pool(client), ensure_pool(client)

    pool = client.read_work_pool(POOL)
    assert "has the job variables max_runtime, priority from now on" in said
    assert again == ""
    assert pool.base_job_template["variables"]["properties"]["cpus"]["default"] == 3
    assert _variables(pool) == set(_ours()["variables"]["properties"])
    assert pool.base_job_template["job_configuration"]["priority"] == "{{ priority }}"


def _ours() -> dict[str, Any]:
    return GpuProcessWorker.get_default_base_job_template()


def _variables(pool: WorkPool) -> set[str]:
    return set(pool.base_job_template["variables"]["properties"])

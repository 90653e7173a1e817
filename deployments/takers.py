"""Whether anybody takes the runs of a work pool, and which of them have waited for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from infra.addresses import addresses

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

LATE: Final = "Late"
"""Prefect's name of the state of a run that is due and has not begun."""


class LateRuns(NamedTuple):
    """The runs of a flow that are due and have not begun.

    Attributes:
        runs: how many.
        due: when the first of them should have begun.
        run_url: its page; empty where none is led to.
    """

    runs: int
    due: datetime
    run_url: str = ""


class Takers(NamedTuple):
    """Who takes the runs of a work pool.

    Attributes:
        online: workers that have been heard of lately.
        nobody: why no run is taken, a sentence; empty where one is.
    """

    online: tuple[str, ...]
    nobody: str


def takers(client: SyncPrefectClient, name: str) -> Takers:
    """Who takes the runs of a work pool, by what the server has heard lately."""
    from prefect.exceptions import ObjectNotFound

    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return Takers((), f"Its work pool {name} is gone.")
    workers = client.read_workers_for_work_pool(name)
    online = tuple(each.name for each in workers if each.status == "ONLINE")
    if pool.is_paused:
        said = f"Its work pool {name} is paused: `prefect work-pool resume {name}`."
        return Takers(online, said)
    if not online:
        start = f"prefect worker start --pool {name}"
        return Takers((), f"No worker of its pool {name} is online: `{start}`.")
    return Takers(online, "")


def idle_pools(
    client: SyncPrefectClient, deployments: Iterable[DeploymentResponse]
) -> dict[str, str]:
    """Why nobody takes a run, by the name of each pool of some deployments where nobody does."""
    pools = sorted({each.work_pool_name for each in deployments if each.work_pool_name})
    said = {name: takers(client, name).nobody for name in pools}
    return {name: sentence for name, sentence in said.items() if sentence}


def late_runs(
    client: SyncPrefectClient, deployments: Mapping[str, DeploymentResponse]
) -> dict[str, LateRuns]:
    """The runs of some deployments that are late, by the names that these have there."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.sorting import FlowRunSort

    names = {each.id: name for name, each in deployments.items()}
    wanted = filters.FlowRunFilter(
        deployment_id=filters.FlowRunFilterDeploymentId(any_=list(names)),
        state=filters.FlowRunFilterState(name=filters.FlowRunFilterStateName(any_=[LATE])),
    )
    soonest = FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC
    found: dict[str, LateRuns] = {}
    for run in client.read_flow_runs(flow_run_filter=wanted, sort=soonest):
        due = run.next_scheduled_start_time or run.expected_start_time
        if run.deployment_id in names and due is not None:
            name = names[run.deployment_id]
            first = found.get(name) or LateRuns(0, due, addresses().run(run.id))
            found[name] = first._replace(runs=first.runs + 1)
    return found

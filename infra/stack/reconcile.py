"""What a crash left behind, put right when the stack comes up."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra import postgres, processes
from infra.addresses import addresses, addresses_of, read_ports
from infra.errors import IntegrityError
from infra.places import Places, stack_folder
from infra.pools import POOL, ensure_pool
from infra.private import clear_errors
from infra.settings import settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_FILES = ("keeper.pid", "owners.json", "supervisord.pid")
"""What a stack that runs writes down, and what nobody believes afterwards."""

_RUN = "PREFECT__FLOW_RUN_ID"
_UNFINISHED = ("RUNNING", "PENDING", "CANCELLING")
_PICKED_UP_WITHIN = timedelta(seconds=60)


def clear_remains(places: Places) -> int:
    """End what a dead supervisor left, and remove its files; the servers are down afterwards.

    Returns:
        How many processes were ended.
    """
    in_database = {
        process.pid
        for process in (
            postgres.server_processes(places.embedded.database) if places.embedded else []
        )
    }
    # The database is stopped in its own way, by its own signals, after its clients.
    orphans = [found for found in processes.marked(places.identity) if found.pid not in in_database]
    ended = processes.end(orphans)
    if places.embedded:
        postgres.stop(places.embedded)
    with clear_errors():
        for name in _FILES:
            (stack_folder() / name).unlink(missing_ok=True)
        for socket in places.sockets.glob("s*"):
            socket.unlink(missing_ok=True)
    return ended + len(in_database)


def clear_unknown() -> int:
    """End what is left of this home's stack where the record of it is damaged, by other marks.

    Returns:
        How many processes were ended.
    """
    ended = processes.end(processes.of_home(str(settings().home)))
    with clear_errors():
        for name in _FILES:
            (stack_folder() / name).unlink(missing_ok=True)
    return ended


def backed_runs(identity: str) -> set[str]:
    """The ids of the flow runs that a live process of this stack executes."""
    ids = (processes.variable(found, _RUN) for found in processes.marked(identity))
    return {found for found in ids if found}


def crash_lost_runs(places: Places, *, worker_is_up: bool) -> list[str]:
    """Set the runs of our pool that no process backs to Crashed, with the reason.

    Args:
        places: where the stack lies.
        worker_is_up: whether a worker may have picked up a run whose process comes in a moment.

    Returns:
        The names of these runs.
    """
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.states import Crashed

    with SyncPrefectClient(addresses_of(read_ports()).prefect_api) as client:
        unfinished = _unfinished(client)
        backed = backed_runs(places.identity)  # read after the runs: a run that began is seen
        lost = [run for run in unfinished if _is_lost(run, backed, worker_is_up=worker_is_up)]
        for run in lost:
            reason = (
                f"No process of this stack runs it any more: it was {run.state_name} when the "
                "machine, the worker or the stack was stopped. Start it again; finished steps "
                "are not repeated."
            )
            client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
    return [run.name for run in lost]


def keep_pool() -> str:
    """What was done to a work pool that an older version has made, a sentence; mostly nothing."""
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(addresses().prefect_api) as client:
        return ensure_pool(client)


def _is_lost(run: "FlowRun", backed: set[str], *, worker_is_up: bool) -> bool:
    if str(run.id) in backed:
        return False
    if run.state is None or not worker_is_up:
        return True
    return run.state.timestamp < datetime.now(UTC) - _PICKED_UP_WITHIN


def _unfinished(client: "SyncPrefectClient") -> "list[FlowRun]":
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType

    found: list[FlowRun] = []
    states = FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType(name) for name in _UNFINISHED])
    )
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    while page := client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=states), work_pool_filter=pool, offset=len(found)
    ):
        found += page
    return found


def worker_came(pid: int, since_s: float) -> bool:
    """Whether the worker of a pid is in the journal of leases, and one reported to the server.

    The server tells workers apart by name, and each machine of a pool has one of ours: that one
    reported says nothing of this one. What is in the journal has begun well.

    Args:
        pid: of the worker's process.
        since_s: the moment from which a report counts, as Unix time.
    """
    from infra.gpu.leases import Journal

    try:
        there = Journal.existing(settings().journal).workers()
    except IntegrityError:  # not begun yet; of one that is damaged the worker says so, and leaves
        return False
    return any(each.process.pid == pid for each in there) and _reported(since_s)


def _reported(since_s: float) -> bool:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.exceptions import PrefectHTTPStatusError

    with SyncPrefectClient(addresses().prefect_api) as client:
        try:
            workers = client.read_workers_for_work_pool(POOL)
        except PrefectHTTPStatusError:  # the worker makes the pool when it first comes
            return False
    beats = (worker.last_heartbeat_time for worker in workers)
    return any(beat is not None and beat.timestamp() >= since_s for beat in beats)

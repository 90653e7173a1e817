"""Leases whose worker is gone: who takes them over, and how their runs are told to have ended."""

from collections.abc import Collection
from typing import Final, NamedTuple

import psutil
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed, Scheduled

from infra.errors import ResourceError
from infra.gpu.belonging import of_lease
from infra.gpu.leases import Journal, Lease, Worker
from infra.processes import ProcessIdentity
from infra.starts import start_of

AGAIN: Final = "Start it again; finished steps are not repeated."

_TOOK: Final = " took it with lease "

LABEL: Final = "perennial.lease"
"""The label of a flow run that says by which lease it was taken last."""


class Orphans(NamedTuple):
    """Leases that nobody looks after: those taken over now, and those only to be released.

    `strange` ones are of another server's worker, which may come back and tell its runs' ends;
    their devices are freed when their processes have gone.
    """

    mine: list[Lease]
    strange: list[Lease]


def take_over(journal: Journal, worker: Worker, kept: Collection[int]) -> Orphans:
    """The leases that this worker looks after from now on.

    Args:
        journal: of this machine.
        worker: whoever takes over; its name ends with those of its pool and its own.
        kept: the leases that it looks after already, by number.

    Raises:
        IntegrityError: this worker was replaced.
    """
    alive = {each.name for each in journal.workers() if each.process.alive}
    server = _server(worker.name)
    mine, strange = [], []
    with journal.deciding(worker) as decision:
        for lease in decision.leases:
            if lease.id in kept or (lease.worker != worker.name and lease.worker in alive):
                continue
            if _server(lease.worker) != server:
                strange.append(lease)
                continue
            decision.adopt(lease)
            mine.append(lease)
    return Orphans(mine, strange)


def process_of(journal: Journal, lease: Lease) -> ProcessIdentity | None:
    """The first of a lease's processes, None where there never was one or it has ended.

    A worker that was killed before it could note the child has left it the lease's number.
    """
    if lease.process is not None:
        return lease.process if lease.process.alive else None
    there = {process.pid: process for process in of_lease(journal.path, lease)}
    for pid, process in sorted(there.items(), key=lambda each: _age(each[1])):
        started = start_of(pid)
        if started is not None and _parent(process) not in there:
            return ProcessIdentity(pid=pid, started=started)
    return None


def mark(lease: Lease) -> str:
    """By what a lease's run is known to be its: whoever took the run last has left his."""
    pool, worker = lease.worker.rsplit("/", 2)[1:]
    return f"Worker {worker} of {pool}{_TOOK}{_number(lease)}"


def is_of(run: FlowRun, lease: Lease) -> bool:
    """Whether a run was taken last with this lease, whichever worker has the lease by now."""
    return _taken_with(run).endswith(f"{_TOOK}{_number(lease)}")


def of_another(run: FlowRun, lease: Lease) -> bool:
    """Whether a run was taken with another lease since, perhaps on another machine."""
    return bool(_taken_with(run)) and not is_of(run, lease)


def _taken_with(run: FlowRun) -> str:
    """What whoever took a run last has left: in its state first, then as a label."""
    said = (run.state and run.state.message) or ""
    return said if _TOOK in said else str(run.labels.get(LABEL, ""))


def _number(lease: Lease) -> str:
    """No other machine gives this lease: its number, and when."""
    return f"{lease.id} of {lease.since:%FT%T.%fZ}."


def conclusion(
    state: State, *, began: bool, why: str, trouble: ResourceError | None = None
) -> State | None:
    """What a run whose processes have gone is set to; None where its state is true already.

    Args:
        state: the run's now, read after its processes had gone.
        began: whether it ever had a process.
        why: what became of it, a sentence.
        trouble: why the kernel killed something of it.
    """
    ended = {StateType.RUNNING, StateType.PENDING, StateType.CRASHED}
    if trouble is not None and state.type in ended:  # Prefect knows the signal, and no reason
        return Crashed(message=str(trouble))
    if state.type == StateType.CANCELLING:
        return Cancelled(message="Flow run was cancelled successfully.")
    if state.type == StateType.PENDING and not began:
        return Scheduled(message="Its worker ended before it had started: it waits again.")
    if state.type in {StateType.RUNNING, StateType.PENDING}:
        return Crashed(message=f"{why} {AGAIN}")
    return None


def _server(worker: str) -> str:
    return worker.rsplit("/", 2)[0]


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _age(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return 0.0

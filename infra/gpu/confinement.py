"""A run held to its lease: what its processes see, and what the kernel lets them take."""

import os
import resource
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from infra.errors import ResourceError
from infra.gpu import cgroups
from infra.gpu.belonging import group_name
from infra.gpu.bounds import Bounds, DeviceBound
from infra.gpu.devices import Inventory
from infra.gpu.hierarchies import ROOT
from infra.gpu.leases import Lease
from infra.gpu.placement import Grant
from infra.gpu.sharing import mps_daemon
from infra.gpu.suitability import gib
from infra.gpu.variables import environment, overridden

_LIMIT = resource.RLIMIT_DATA
"""What a process has of its own to write to.

Not RLIMIT_AS: CUDA reserves addresses for all memory of the machine and its GPUs, and would not
start. Source: getrlimit(2): since Linux 4.7 RLIMIT_DATA counts private writable mappings, reserved
addresses it does not.
"""


class Confinement:
    """A lease's hold on the processes of its run.

    `environment` is given to the first process, `apply` is called when it exists, `lift` when the
    lease ends. `stated` says what holds the run, for certain once `apply` has returned.
    """

    def __init__(
        self, lease: Lease, chosen: Mapping[str, str], stated: Bounds, group: cgroups.Group | None
    ) -> None:
        self.environment = dict(chosen)
        self.stated = stated
        self._lease = lease
        self._group = group

    def apply(self, pid: int) -> None:
        """Hold a process, and all that it has started by now, to the lease.

        What it starts from then on is held as well. A process that has ended needs no hold.

        Raises:
            ResourceError: the kernel refuses what it allows everywhere.
        """
        try:
            below = tuple(_below(pid))
            self._admit(below)
            for process in below:
                if self._group is None and self.stated.memory == "rlimit":
                    _limit(process, self.stated.memory_bytes)
                if self.stated.cores:
                    _bind(process, self.stated.cores)
        except OSError as error:
            raise ResourceError(
                f"Process {pid} cannot be held to lease {self._lease.id}: {error}.",
                hint="See that the worker and its runs belong to one user.",
            ) from error

    def trouble(self) -> ResourceError | None:
        """Why the kernel killed something of the run, None where it did not; ask before `lift`."""
        if self._group is None or not (kills := self._group.kills()):
            return None
        return ResourceError(
            f"The kernel killed {kills} of the run's processes: together they wanted more than "
            f"their {gib(self.stated.memory_bytes)} of memory.",
            hint="Raise memory in training.resources or in the run's job variables.",
            lease=self._lease.id,
        )

    def peak_bytes(self) -> int | None:
        """The most memory that the run's processes had together, None where nobody counted."""
        return None if self._group is None else self._group.peak_bytes()

    def members(self) -> frozenset[int]:
        """The processes in the run's control group, wherever they come from; none without one."""
        return frozenset() if self._group is None else self._group.members()

    def lift(self) -> None:
        """Let go: the control group is removed, and what is left in it killed.

        Raises:
            ResourceError: a process in it does not die.
        """
        if self._group is not None:
            self._group.remove()
            self._group = None

    def _admit(self, processes: Sequence[int]) -> None:
        """Into the group, or, where that is refused, the group is given up and rlimit holds."""
        if self._group is None:
            return
        try:
            for process in processes:
                self._group.admit(process)
        except ProcessLookupError:
            return
        except OSError as error:
            self._group.abandon()
            self._group = None
            self.stated = self.stated.model_copy(
                update={
                    **_without_group(self._lease.grant),
                    "why": f"{error.filename}: {error.strerror}",
                }
            )


class _Hold(NamedTuple):
    """How a run is held beside its devices."""

    group: cgroups.Group | None
    fields: dict[str, str]


def confine(
    lease: Lease,
    inventory: Inventory | None,
    journal: Path,
    given: Mapping[str, str],
    root: Path = ROOT,
) -> Confinement:
    """What holds a run to its lease on this machine, by the strongest means that there are.

    Args:
        lease: what the run holds.
        inventory: the machine, with the lease's devices; a lease of none needs none.
        journal: where the lease stands.
        given: variables that the deployment sets itself.
        root: where ``/proc`` and the control groups are looked for.

    Raises:
        ResourceError: the lease counts on an MPS daemon that has gone.
    """
    chosen = environment(lease, inventory, journal, given, mps_daemon())
    hold = _hold(lease, journal, root)
    stated = Bounds.model_validate(
        {
            "lease": lease.id,
            "devices": tuple(DeviceBound.of(each) for each in lease.grant.holdings),
            "cpu_count": lease.grant.cpus,
            "cores": lease.grant.cores,
            "memory_bytes": lease.grant.memory_bytes,
            "overridden": overridden(given, chosen),
            **hold.fields,
        }
    )
    return Confinement(lease, chosen, stated, hold.group)


def adopted(lease: Lease, journal: Path) -> Confinement:
    """The hold of a lease whose worker is gone, to be asked and lifted; it holds as it did."""
    name = group_name(journal, lease.id)
    group = next((each for each in cgroups.found(name) if each.name == name), None)
    stated = Bounds.model_validate(
        {
            "lease": lease.id,
            "devices": tuple(DeviceBound.of(each) for each in lease.grant.holdings),
            "cpu_count": lease.grant.cpus,
            "cores": lease.grant.cores,
            "memory_bytes": lease.grant.memory_bytes,
            **(_with_group(group, lease.grant) if group else _without_group(lease.grant)),
        }
    )
    return Confinement(lease, {}, stated, group)


def sweep(journal: Path, leases: Callable[[], Collection[Lease]]) -> list[str]:
    """Remove the control groups of leases that have ended, which a killed worker has left.

    What is still in one is killed: no lease explains it any more.

    Args:
        journal: whose leases they were.
        leases: tells those that stand; asked after the groups were found, for a lease stands before
            its group is made.

    Returns:
        The names of the groups that were removed.

    Raises:
        ResourceError: a process in one does not die.
    """
    ours = cgroups.found(group_name(journal, 0).removesuffix("0"))
    standing = {group_name(journal, lease.id) for lease in leases()}
    left = [each for each in ours if each.name not in standing]
    for group in left:
        group.remove()
    return sorted(group.name for group in left)


def _hold(lease: Lease, journal: Path, root: Path) -> _Hold:
    grant = lease.grant
    if not grant.memory_bytes and not grant.cpus:
        return _Hold(None, {"memory": "", "cpus": ""})
    limits = cgroups.Limits(grant.memory_bytes, grant.cpus, grant.cores)
    try:
        group = cgroups.make(group_name(journal, lease.id), limits, root)
    except cgroups.NoGroupError as error:
        return _Hold(None, {**_without_group(grant), "why": str(error)})
    return _Hold(group, _with_group(group, grant))


def _with_group(group: cgroups.Group, grant: Grant) -> dict[str, str]:
    affinity = "affinity" if grant.cores else ""
    memory = f"cgroup v{group.version}" if grant.memory_bytes else ""
    return {"memory": memory, "cpus": group.cpus or affinity}


def _without_group(grant: Grant) -> dict[str, str]:
    linux = sys.platform == "linux"
    return {
        "memory": "rlimit" if linux and grant.memory_bytes else "",
        "cpus": "affinity" if linux and grant.cores else "",
    }


def _below(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    try:
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return


def _limit(pid: int, memory_bytes: int) -> None:
    """Let a process have so much memory of its own, or less where it is held to less already."""
    try:
        _, most = resource.prlimit(pid, _LIMIT)
        limit = memory_bytes if most == resource.RLIM_INFINITY else min(memory_bytes, most)
        resource.prlimit(pid, _LIMIT, (limit, limit))
    except ProcessLookupError:
        return


def _bind(pid: int, cores: Collection[int]) -> None:
    """Bind every thread of a process, those that start meanwhile too, to cores."""
    bound: set[int] = set()
    while left := _threads(pid) - bound:
        for thread in left:
            try:
                os.sched_setaffinity(thread, cores)
            except ProcessLookupError:  # it has ended
                continue
        bound |= left


def _threads(pid: int) -> set[int]:
    try:
        return {int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()}
    except FileNotFoundError:
        return set()

"""Which processes belong to a lease: those of its groups, and whoever carries its number."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from infra.gpu.leases import Lease
from infra.gpu.visible import JOURNAL, LEASE
from infra.processes import variable
from infra.starts import start_of

_MPS = "nvidia-cuda-mps"
"""What the names of MPS's daemon and servers begin with; the kernel keeps 15 letters of a name."""


def marks(journal: Path, lease: Lease) -> dict[str, str]:
    """The variables by which a process is known to belong to a lease, wherever it goes."""
    return {LEASE: str(lease.id), JOURNAL: str(journal.absolute())}


def group_name(journal: Path, lease: int) -> str:
    """What the control group of a lease is called, wherever it lies."""
    digest = hashlib.sha256(str(journal.absolute()).encode()).hexdigest()[:8]
    return f"perennial-{digest}-{lease}"


def groups(leases: Iterable[Lease]) -> set[int]:
    """The process groups of leases.

    The number of a group is not used again while one of it lives: a leader that has ended may
    have left some, and one with another start time is somebody else.
    """
    return {
        each.process.pid
        for each in leases
        if each.process and start_of(each.process.pid) in {None, each.process.started}
    }


def carries(pid: int, journal: Path, leases: Iterable[Lease]) -> bool:
    """Whether a process carries the number of one of the leases, or is in its control group."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return False
    if {group_name(journal, each.id) for each in leases} & _control_groups(pid):
        return True
    numbers = {str(each.id) for each in leases}
    return variable(process, LEASE) in numbers and variable(process, JOURNAL) == str(
        journal.absolute()
    )


def of_lease(journal: Path, lease: Lease) -> list[psutil.Process]:
    """Every process that belongs to a lease and lives; never this one or those above it."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    leaders = groups([lease])
    wanted, group = marks(journal, lease), group_name(journal, lease.id)
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in mine
        and (
            _of_group(process.pid, leaders)
            or all(variable(process, name) == value for name, value in wanted.items())
            or group in _control_groups(process.pid)
        )
        and start_of(process.pid) is not None
    ]


def marked(journal: Path) -> list[int]:
    """The processes that carry the number of any lease of a journal; never this one's ancestors."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process.pid
        for process in psutil.process_iter()
        if process.pid not in mine
        and variable(process, JOURNAL) == str(journal.absolute())
        and variable(process, LEASE) is not None
        and start_of(process.pid) is not None
    ]


def serves(pid: int) -> bool:
    """Whether a process is MPS's daemon or a server of it, which hold devices for their clients."""
    try:
        return psutil.Process(pid).name().startswith(_MPS)
    except psutil.Error:
        return False


def _control_groups(pid: int) -> frozenset[str]:
    """The names of the control groups that a process is in; nothing leaves one by itself."""
    try:
        said = Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except OSError:  # it has ended, or the kernel knows no groups
        return frozenset()
    return frozenset(part for line in said.splitlines() for part in line.split("/")[1:])


def _of_group(pid: int, leaders: set[int]) -> bool:
    try:
        return pid in leaders or os.getpgid(pid) in leaders or os.getsid(pid) in leaders
    except ProcessLookupError:
        return False

"""Which processes belong to a lease: its session, its group, and whoever carries its number."""

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
    """Whether a process carries the number of one of the leases."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return False
    numbers = {str(each.id) for each in leases}
    return variable(process, LEASE) in numbers and variable(process, JOURNAL) == str(
        journal.absolute()
    )


def of_lease(journal: Path, lease: Lease) -> list[psutil.Process]:
    """Every process that belongs to a lease and lives; never this one or those above it."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    leaders = groups([lease])
    wanted = marks(journal, lease)
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in mine
        and (
            _of_group(process.pid, leaders)
            or all(variable(process, name) == value for name, value in wanted.items())
        )
        and start_of(process.pid) is not None
    ]


def serves(pid: int) -> bool:
    """Whether a process is MPS's daemon or a server of it, which hold devices for their clients."""
    try:
        return psutil.Process(pid).name().startswith(_MPS)
    except psutil.Error:
        return False


def _of_group(pid: int, leaders: set[int]) -> bool:
    try:
        return os.getpgid(pid) in leaders or os.getsid(pid) in leaders
    except ProcessLookupError:
        return False

"""The processes of this machine, and which of those on its devices are not ours."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

import psutil

from infra.gpu.devices import ForeignProcess
from infra.gpu.foreign import Kin, Person, described, explained, strangers
from infra.gpu.readings import Observation, Occupant

_COMMAND_LENGTH = 120
"""A command is told in one line of a message."""


_FIRST_NAMESPACE = "pid:[4026531836]"
"""The namespace of processes that a machine starts with. Source: Linux, include/linux/proc_ns.h."""


class Looks(Protocol):
    """Whatever can look at the devices again."""

    def read(self) -> Observation:
        """The devices now."""


def kin() -> dict[int, Kin]:
    """Every process that can be seen from here, with its parent and its process group."""
    found = {}
    for process in psutil.process_iter():
        try:
            found[process.pid] = Kin(parent=process.ppid(), group=os.getpgid(process.pid))
        except (psutil.Error, ProcessLookupError):  # it ended meanwhile
            continue
    return found


def sees_everyone() -> bool:
    """Whether this process is in no container: processes have the numbers that the driver tells."""
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == _FIRST_NAMESPACE
    except OSError:  # no Linux: no namespaces
        return True


def people(pids: Iterable[int]) -> dict[int, Person]:
    """Who runs what, for those of the processes that can be seen from here."""
    found = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            command = " ".join(process.cmdline()) or process.name()
            found[pid] = Person(user=process.username(), command=command[:_COMMAND_LENGTH])
        except psutil.Error:
            continue
    return found


def find_foreign(
    devices: Looks, groups: Collection[int]
) -> tuple[Observation, dict[str, tuple[ForeignProcess, ...]]]:
    """What the devices are, and the processes on each that are not of our leases.

    The driver is asked before the processes are counted, so that a child of ours that starts
    meanwhile is not taken for a stranger. A stranger that cannot be seen here may have ended in
    between: the driver is asked once more, and those that it no longer names are left out.

    Args:
        devices: what is looked at.
        groups: process groups of our leases, and of what serves them (an MPS daemon).

    Returns:
        The look, and by UUID the foreign processes of each device that has some.

    Raises:
        BackendError: the driver fails.
    """
    seen = devices.read()
    if not any(usage.processes for usage in seen.usage.values()):
        return seen, {}  # nobody is on a device: the processes need not be counted
    ours = explained(kin(), groups)
    alien = {
        uuid: found
        for uuid, usage in seen.usage.items()
        if (found := strangers(usage.processes, ours))
    }
    known = people({each.pid for found in alien.values() for each in found})
    if any(each.pid not in known for found in alien.values() for each in found):
        alien = _still_there(alien, devices.read(), known)
    return seen, {
        uuid: tuple(described(each, known) for each in found)
        for uuid, found in alien.items()
        if found
    }


def _still_there(
    alien: dict[str, list[Occupant]], now: Observation, known: Collection[int]
) -> dict[str, list[Occupant]]:
    def stays(uuid: str, occupant: Occupant) -> bool:
        usage = now.usage.get(uuid)
        there = {each.pid for each in (usage.processes if usage else None) or ()}
        return occupant.pid in known or occupant.pid in there

    return {uuid: [each for each in found if stays(uuid, each)] for uuid, found in alien.items()}

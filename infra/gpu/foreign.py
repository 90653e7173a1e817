"""Whose processes are on a device: ours are explained by a lease, all others are foreign."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from infra.gpu.devices import ForeignProcess
from infra.gpu.readings import Occupant


class Kin(BaseModel):
    """A process's parent and process group."""

    model_config = ConfigDict(frozen=True)

    parent: int
    group: int


class Person(BaseModel):
    """Who runs a process, and what."""

    model_config = ConfigDict(frozen=True)

    user: str
    command: str


def explained(kin: Mapping[int, Kin], groups: Collection[int]) -> frozenset[int]:
    """The processes of our leases: those of their process groups, and all that descend from them.

    A child that has left its group (a session of its own, as Dask's and torchrun's have) is ours
    by its parents.

    Args:
        kin: every process that can be seen.
        groups: the process groups of our leases; the number is that of the group's first process.
    """
    ours = {pid for pid, each in kin.items() if each.group in groups or pid in groups}
    children: dict[int, list[int]] = {}
    for pid, each in kin.items():
        children.setdefault(each.parent, []).append(pid)
    waiting = list(ours)
    while waiting:
        fresh = set(children.get(waiting.pop(), ())) - ours
        ours |= fresh
        waiting.extend(fresh)
    return frozenset(ours)


def strangers(occupants: Sequence[Occupant] | None, ours: Collection[int]) -> list[Occupant]:
    """The occupants of a device that are not ours; none where the driver does not say who is."""
    return [each for each in occupants or () if each.pid not in ours]


def described(occupant: Occupant, people: Mapping[int, Person]) -> ForeignProcess:
    """A stranger with its user and command, empty where nobody here can see it."""
    person = people.get(occupant.pid, Person(user="", command=""))
    return ForeignProcess(
        pid=occupant.pid,
        user=person.user,
        command=person.command,
        memory_bytes=occupant.memory_bytes,
    )


def unlike_ours(
    foreign: Mapping[str, Sequence[ForeignProcess]], held: Collection[str], *, everyone: bool
) -> dict[str, tuple[ForeignProcess, ...]]:
    """Foreign processes without those that may be a run of ours under another number.

    In a container a driver may number processes as its host does: then a run's own process is one
    that nobody can see here.

    Args:
        foreign: by device, the processes that no lease explains.
        held: the devices that leases hold.
        everyone: whether every process of the machine can be seen from here.
    """
    apart = {
        uuid: tuple(each for each in found if everyone or uuid not in held or each.command)
        for uuid, found in foreign.items()
    }
    return {uuid: found for uuid, found in apart.items() if found}

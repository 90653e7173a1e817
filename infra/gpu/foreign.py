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

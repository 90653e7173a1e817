"""Which devices a run gets: a pure function of what it asks, what there is and what is held."""

from collections.abc import Iterable, Sequence
from math import fsum

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import few
from infra.gpu.cores import choose
from infra.gpu.devices import Device, Inventory
from infra.gpu.sets import DeviceSets
from infra.gpu.suitability import gib, mismatch
from infra.resources import Enforcement, RunRequest

CORES = "cores"
MEMORY = "memory"
_WHOLE = 1.0
_ROUNDING = 1e-9
"""Ten tenths are a whole device, whatever floating point makes of their sum."""


class Holding(BaseModel):
    """What a lease holds of one device."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    memory_bytes: int = Field(ge=0)
    share: float = Field(gt=0, le=1)
    alone: bool
    enforcement: Enforcement


class Grant(BaseModel):
    """What a run would hold: devices in PCI order, cores, and memory of the machine.

    `cores` are the numbers of its cores, which no other run has; empty where the machine does not
    say which it has.
    """

    model_config = ConfigDict(frozen=True)

    holdings: tuple[Holding, ...] = ()
    cpus: int = Field(ge=0)
    cores: tuple[int, ...] = ()
    memory_bytes: int = Field(ge=0)

    @property
    def uuids(self) -> frozenset[str]:
        """The devices."""
        return frozenset(each.uuid for each in self.holdings)


class Wait(BaseModel):
    """It would fit this machine, not now: why, and what would help if it became free.

    `blocking` names devices by UUID, and what is counted of the machine: `CORES`, `MEMORY`.
    """

    model_config = ConfigDict(frozen=True)

    why: str
    blocking: tuple[str, ...] = ()


class Impossible(BaseModel):
    """It would not fit this machine even if it were empty: why."""

    model_config = ConfigDict(frozen=True)

    why: str


def place(
    request: RunRequest, inventory: Inventory, held: Sequence[Grant]
) -> Grant | Wait | Impossible:
    """What a run gets of a machine on which some is held already.

    A single device is the smallest that will do; a set is the one with most NVLinks within it,
    then the nearest by PCIe, then within one NUMA node, then the smallest. A part of a device
    goes where the least is left over, so that whole devices stay whole.

    Args:
        request: what the run asks.
        inventory: what the machine has, and how its devices are.
        held: what its leases hold now.

    Returns:
        A grant that fits beside everything held, or why there is none; a `Wait` never turns
        into an `Impossible` by a lease that ends.
    """
    suitable = [device for device in inventory.devices if not mismatch(request, device)]
    if (never := _never(request, inventory, suitable)) is not None:
        return never
    if (later := lacks_host(request, inventory, held)) is not None:
        return later
    room = _Room(held)
    free = [each for each in suitable if each.state == "ok" and room.takes(request, each)]
    wanted = _devices_of(request)
    if len(free) < wanted:
        return _wait(request, suitable, free, room)
    chosen = _choose(request, inventory, free, room) if wanted else ()
    return Grant(
        holdings=tuple(_holding(request, device) for device in chosen),
        cpus=request.cpus,
        cores=choose(
            request.cpus,
            inventory.cores,
            {core for grant in held for core in grant.cores},
            {device.numa for device in chosen},
        ),
        memory_bytes=request.memory or 0,
    )


class _Room:
    """What is left of each device beside what is held of it."""

    def __init__(self, held: Iterable[Grant]) -> None:
        self._held: dict[str, list[Holding]] = {}
        for grant in held:
            for holding in grant.holdings:
                self._held.setdefault(holding.uuid, []).append(holding)

    def shared(self, device: Device) -> bool:
        """Whether somebody holds a part of it."""
        return device.uuid in self._held

    def share(self, device: Device) -> float:
        """The part that nobody holds, from 0 to 1."""
        return _WHOLE - fsum(each.share for each in self._held.get(device.uuid, ()))

    def memory(self, device: Device) -> int:
        """The memory that nobody holds, in bytes."""
        return device.memory_bytes - sum(
            each.memory_bytes for each in self._held.get(device.uuid, ())
        )

    def left(self, device: Device) -> str:
        """What somebody who wants the device is told."""
        if device.state != "ok":
            return f"is {device.state}{f' ({device.why})' if device.why else ''}"
        if any(each.alone for each in self._held.get(device.uuid, ())):
            return "is leased"
        return f"has {gib(self.memory(device))} and {max(self.share(device), 0):.0%} left"

    def takes(self, request: RunRequest, device: Device) -> bool:
        """Whether a run's part of a device fits beside the others'."""
        wanted = _holding(request, device)
        if wanted.alone:
            return not self.shared(device)
        if any(each.alone for each in self._held.get(device.uuid, ())):
            return False
        return wanted.share <= self.share(
            device
        ) + _ROUNDING and wanted.memory_bytes <= self.memory(device)


def _devices_of(request: RunRequest) -> int:
    return request.whole or int(request.fraction is not None or request.profile is not None)


def _holding(request: RunRequest, device: Device) -> Holding:
    """What the run would hold of a device that suits it."""
    alone = request.alone or request.profile is not None
    if alone:
        memory, share = device.memory_bytes, _WHOLE
    elif request.fraction is not None:
        memory = request.gpu_memory or int(request.fraction * device.memory_bytes)
        share = request.fraction
    else:
        memory = request.gpu_memory or device.memory_bytes
        share = memory / device.memory_bytes
    return Holding(
        uuid=device.uuid,
        memory_bytes=memory,
        share=share,
        alone=alone,
        enforcement="mig" if device.profile else device.strongest,
    )


def _never(
    request: RunRequest, inventory: Inventory, suitable: Sequence[Device]
) -> Impossible | None:
    """Why the machine could not do it even if it were empty."""
    if request.cpus > inventory.cpus:
        return Impossible(why=f"{request.cpus} cores are asked for; there are {inventory.cpus}.")
    if request.memory and request.memory > inventory.memory_bytes:
        asked, there = gib(request.memory), gib(inventory.memory_bytes)
        return Impossible(why=f"{asked} of memory are asked for; there are {there}.")
    wanted = _devices_of(request)
    if len(suitable) >= wanted:
        return None
    reasons = {
        f"{device.uuid} {why}" for device in inventory.devices if (why := mismatch(request, device))
    }
    rest = f": {few(sorted(reasons))}" if reasons else ""
    return Impossible(
        why=f"{wanted} GPUs are asked for; {len(suitable)} of {len(inventory.devices)} suit{rest}."
    )


def lacks_host(request: RunRequest, inventory: Inventory, held: Sequence[Grant]) -> Wait | None:
    """Why the machine has too few cores or too little memory left for a run, None if it has."""
    cpus = inventory.cpus - sum(grant.cpus for grant in held)
    if request.cpus and request.cpus > cpus:
        why = f"{request.cpus} cores are asked for; {max(cpus, 0)} are free."
        return Wait(why=why, blocking=(CORES,))
    memory = inventory.memory_bytes - sum(grant.memory_bytes for grant in held)
    if request.memory and request.memory > memory:
        free = gib(max(memory, 0))
        why = f"{gib(request.memory)} of memory are asked for; {free} are free."
        return Wait(why=why, blocking=(MEMORY,))
    return None


def _wait(
    request: RunRequest, suitable: Sequence[Device], free: Sequence[Device], room: _Room
) -> Wait:
    busy = [device for device in suitable if device not in free]
    reasons = [f"{device.uuid} {room.left(device)}" for device in busy]
    wanted = _devices_of(request)
    return Wait(
        why=f"{wanted} GPUs are asked for; {len(free)} of {len(suitable)} that suit are free: "
        f"{few(reasons)}.",
        blocking=tuple(device.uuid for device in busy),
    )


def _choose(
    request: RunRequest, inventory: Inventory, free: Sequence[Device], room: _Room
) -> tuple[Device, ...]:
    if request.whole > 1:
        return DeviceSets(inventory, free).best(request.whole)
    by_bus = {device.uuid: place for place, device in enumerate(inventory.devices)}

    def waste(device: Device) -> tuple[object, ...]:
        """Least first: what would be lost to others if this device were taken."""
        nearness = sum(inventory.between(device, other) for other in free if other is not device)
        siblings = sum(other.parent == device.parent for other in free) if device.parent else 0
        left = room.share(device) if room.shared(device) else _WHOLE
        if request.alone or request.profile:
            return (device.memory_bytes, siblings, nearness, by_bus[device.uuid])
        return (not room.shared(device), left, device.memory_bytes, nearness, by_bus[device.uuid])

    return (min(free, key=waste),)

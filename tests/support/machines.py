"""Machines with GPUs, made up for placement: values, no driver."""

from itertools import combinations

from infra.gpu.devices import Device, Inventory, Link
from infra.resources import Enforcement

GIB = 2**30


def gpu(
    place: int,
    *,
    memory_gib: int = 80,
    name: str = "NVIDIA H100 80GB HBM3",
    numa: int = 0,
    limits: tuple[Enforcement, ...] = ("mps", "torch", "advisory"),
) -> Device:
    """A whole device; `place` is its place on the bus."""
    return Device(
        uuid=f"GPU-{place:02}",
        name=name,
        memory_bytes=memory_gib * GIB,
        capability=(9, 0),
        bus=f"0000:{place:02x}:00.0",
        numa=numa,
        limits=limits,
    )


def mig_slice(parent: int, place: int, profile: str = "1g.10gb") -> Device:
    """A slice of a device that is in MIG mode."""
    memory = int(profile.rpartition(".")[2].removesuffix("gb"))
    return Device(
        uuid=f"MIG-{parent:02}-{place}",
        name=f"NVIDIA H100 80GB HBM3 MIG {profile}",
        memory_bytes=memory * GIB,
        capability=(9, 0),
        profile=profile,
        parent=f"GPU-{parent:02}",
        limits=("mig",),
    )


def machine(
    *devices: Device,
    links: dict[tuple[int, int], int] | None = None,
    cpus: int = 64,
    memory_gib: int = 512,
) -> Inventory:
    """A machine; `links` are between places in the list of devices."""
    named = {}
    for (one, other), near in (links or {}).items():
        first, second = sorted((devices[one].uuid, devices[other].uuid))
        named[first, second] = near
    return Inventory(cpus=cpus, memory_bytes=memory_gib * GIB, devices=devices, links=named)


def two_islands() -> Inventory:
    """Eight devices on two NUMA nodes; 0-3 and 4-7 are NVLinked, pairs (0,1), (2,3) twice."""
    links = {pair: int(Link.NVLINK) for pair in combinations(range(4), 2)}
    links |= {pair: int(Link.NVLINK) for pair in combinations(range(4, 8), 2)}
    links |= {(0, 1): Link.NVLINK + 1, (2, 3): Link.NVLINK + 1}
    return machine(*(gpu(place, numa=place // 4) for place in range(8)), links=links)

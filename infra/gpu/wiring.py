"""How the GPUs of a machine are linked: NVLinks counted by pair, and where a pair meets else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from infra.gpu.devices import Link
from infra.gpu.nvml import Driver

_LEVELS = {
    0: Link.BOARD,
    10: Link.SWITCH,
    20: Link.SWITCHES,
    30: Link.HOSTBRIDGE,
    40: Link.NODE,
    50: Link.SYSTEM,
}
"""The driver's numbers of where two devices meet (``nvmlGpuTopologyLevel_t``)."""

_GPU, _SWITCH = 0, 2
"""What is at the far end of an NVLink (``nvmlIntNvLinkDeviceType_t``)."""


class Gpu:
    """A GPU for as long as a session lasts: handle, UUID and PCI address."""

    def __init__(self, handle: object, uuid: str, bus: str) -> None:
        self.handle = handle
        self.uuid = uuid
        self.bus = bus


def links(driver: Driver, gpus: Sequence[Gpu]) -> dict[tuple[str, str], int]:
    """How near the pairs are, as `Inventory.links` holds it.

    Raises:
        DeviceFaultError: a GPU went away meanwhile.
    """
    ends = {gpu.uuid: _ends(driver, gpu) for gpu in gpus}
    found = {}
    for one, other in combinations(gpus, 2):
        first, second = sorted((one.uuid, other.uuid))
        wires = shared_wires(ends[one.uuid], ends[other.uuid], one.bus, other.bus)
        if wires:
            found[first, second] = Link.NVLINK + wires - 1
        elif (meeting := _meeting(driver, one, other)) is not None:
            found[first, second] = int(meeting)
    return found


def shared_wires(
    one: Mapping[str, int], other: Mapping[str, int], one_bus: str, other_bus: str
) -> int:
    """The NVLinks between two GPUs, by what is at the ends of the links of each.

    Links to one switch join as many as the one with fewer has.

    >>> shared_wires({"0000:02:00.0": 4}, {"0000:01:00.0": 4}, "0000:01:00.0", "0000:02:00.0")
    4
    >>> shared_wires({"switch": 18}, {"switch": 12}, "0000:01:00.0", "0000:02:00.0")
    12
    """
    direct = min(one.get(other_bus, 0), other.get(one_bus, 0))
    switched = sum(min(count, other.get(end, 0)) for end, count in one.items())
    return direct + switched


def address(info: object) -> str:
    """A PCI address in the short form of Linux: ``0000:17:00.0``."""
    domain, bus, device = (getattr(info, name) for name in ("domain", "bus", "device"))
    return f"{domain:04x}:{bus:02x}:{device:02x}.0"


def _ends(driver: Driver, gpu: Gpu) -> Counter[str]:
    """How many active NVLinks of a GPU end where: at a PCI address, or at some switch."""
    nvml = driver.nvml
    ends: Counter[str] = Counter()
    for place in range(nvml.NVML_NVLINK_MAX_LINKS):
        link = (gpu.handle, place)
        active = driver.ask(gpu.uuid, nvml.nvmlDeviceGetNvLinkState, *link)
        if active is None:  # it has no more links
            break
        if not active:
            continue
        kind = driver.ask(gpu.uuid, nvml.nvmlDeviceGetNvLinkRemoteDeviceType, *link)
        far = driver.ask(gpu.uuid, nvml.nvmlDeviceGetNvLinkRemotePciInfo, *link)
        if kind not in {None, _GPU, _SWITCH}:  # a CPU: no way to another GPU
            continue
        if far is not None:
            ends[address(far)] += 1
        elif kind == _SWITCH:
            ends["switch"] += 1
    return ends


def _meeting(driver: Driver, one: Gpu, other: Gpu) -> Link | None:
    level = driver.ask(
        f"{one.uuid} and {other.uuid}",
        driver.nvml.nvmlDeviceGetTopologyCommonAncestor,
        one.handle,
        other.handle,
    )
    return None if level is None else _LEVELS.get(level)

"""What is asked of one device: who is on it, how it is, how large it is."""

from collections.abc import Collection
from typing import NamedTuple

from infra.gpu.nvml import Driver
from infra.gpu.readings import Occupant, Usage, Vitals

_SLOWDOWNS = {0x08: "overload", 0x40: "heat", 0x80: "power brake"}
"""Why hardware slows a GPU down (``nvmlClocksEventReasonHw...``); what software does is no sign."""

_CORRECTED, _UNCORRECTED = 0, 1
_SINCE_RESET, _EVER = 0, 1
_ONE_NODE = 0
_NODE_WORDS = 16
"""Words of 64 bits: room for 1,024 NUMA nodes."""


class Size(NamedTuple):
    """Memory of a device in bytes: what runs can have of it, and what is used now."""

    usable: int
    used: int


def size(driver: Driver, whom: str, handle: object) -> Size | None:
    """The memory of a device, None where the driver does not know.

    Raises:
        DeviceFaultError: the device is out of reach.
    """
    nvml = driver.nvml
    told = driver.ask(whom, nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
    if told is not None:
        return Size(usable=told.total - told.reserved, used=told.used)
    told = driver.ask(whom, nvml.nvmlDeviceGetMemoryInfo, handle)
    return None if told is None else Size(usable=told.total, used=told.used)


def numa(driver: Driver, whom: str, handle: object) -> int | None:
    """The NUMA node that a GPU is nearest to, None where the driver does not know."""
    function = driver.nvml.nvmlDeviceGetMemoryAffinity
    words = driver.ask(whom, function, handle, _NODE_WORDS, _ONE_NODE)
    nodes = [
        place * 64 + bit
        for place, word in enumerate(words or ())
        for bit in range(64)
        if word >> bit & 1
    ]
    return nodes[0] if nodes else None


def usage(driver: Driver, whom: str, handle: object) -> Usage:
    """Who is on a device and what it does.

    Raises:
        DeviceFaultError: the device is out of reach.
    """
    nvml = driver.nvml
    memory = size(driver, whom, handle)
    busy = driver.ask(whom, nvml.nvmlDeviceGetUtilizationRates, handle)
    power_mw = driver.ask(whom, nvml.nvmlDeviceGetPowerUsage, handle)
    energy_mj = driver.ask(whom, nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    core = nvml.NVML_TEMPERATURE_GPU
    processes = _occupants(driver, whom, handle)
    return Usage(
        processes=processes,
        drawing=_drawing(driver, whom, handle, {each.pid for each in processes or ()}),
        used_bytes=None if memory is None else memory.used,
        busy_percent=None if busy is None else busy.gpu,
        power_w=None if power_mw is None else power_mw / 1000,
        energy_j=None if energy_mj is None else energy_mj / 1000,
        temperature_c=driver.ask(whom, nvml.nvmlDeviceGetTemperature, handle, core),
    )


def vitals(driver: Driver, whom: str, handle: object) -> Vitals:
    """How a GPU is.

    Raises:
        DeviceFaultError: it is out of reach.
    """
    nvml = driver.nvml

    def ecc(kind: int, since: int) -> int | None:
        return driver.ask(whom, nvml.nvmlDeviceGetTotalEccErrors, handle, kind, since)

    rows = driver.ask(whom, nvml.nvmlDeviceGetRemappedRows, handle) or (None,) * 4
    return Vitals(
        ecc_corrected=ecc(_CORRECTED, _SINCE_RESET),
        ecc_uncorrected=ecc(_UNCORRECTED, _SINCE_RESET),
        ecc_corrected_ever=ecc(_CORRECTED, _EVER),
        ecc_uncorrected_ever=ecc(_UNCORRECTED, _EVER),
        rows_correctable=rows[0],
        rows_uncorrectable=rows[1],
        remap_pending=None if rows[2] is None else bool(rows[2]),
        remap_failed=None if rows[3] is None else bool(rows[3]),
        slowdowns=_slowdowns(driver, whom, handle),
        pcie_width=driver.ask(whom, nvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        pcie_width_most=driver.ask(whom, nvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
    )


def _slowdowns(driver: Driver, whom: str, handle: object) -> tuple[str, ...] | None:
    nvml = driver.nvml
    reasons = driver.ask(whom, nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    if reasons is None:  # its name before release 535
        reasons = driver.ask(whom, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    if reasons is None:
        return None
    return tuple(word for bit, word in _SLOWDOWNS.items() if reasons & bit)


def _occupants(driver: Driver, whom: str, handle: object) -> tuple[Occupant, ...] | None:
    """The processes that compute, by pid; a desktop that only draws does not keep runs away."""
    nvml = driver.nvml
    own = driver.ask(whom, nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle)
    if own is None:  # drivers before release 510
        own = driver.ask(whom, nvml.nvmlDeviceGetComputeRunningProcesses_v2, handle)
    if own is None:
        return None
    served = driver.ask(whom, nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, handle) or []
    memory: dict[int, int | None] = {}
    for each in (*own, *served):
        before = memory.get(each.pid)
        memory[each.pid] = max(
            (size for size in (before, each.usedGpuMemory) if size is not None), default=None
        )
    return tuple(Occupant(pid=pid, memory_bytes=memory[pid]) for pid in sorted(memory))


def _drawing(
    driver: Driver, whom: str, handle: object, computing: Collection[int]
) -> tuple[Occupant, ...]:
    """The processes that draw and do not compute: a desktop, whose memory comes and goes."""
    nvml = driver.nvml
    found = driver.ask(whom, nvml.nvmlDeviceGetGraphicsRunningProcesses_v3, handle) or []
    return tuple(
        Occupant(pid=each.pid, memory_bytes=each.usedGpuMemory)
        for each in sorted(found, key=lambda each: each.pid)
        if each.pid not in computing
    )

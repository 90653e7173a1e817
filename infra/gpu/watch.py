"""The GPUs of this machine, looked at again and again through its driver."""

import re
from collections.abc import Iterator
from math import ceil
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self

from infra.errors import BackendError
from infra.gpu.devices import Device, Inventory
from infra.gpu.gauges import numa, size, usage, vitals
from infra.gpu.host import allowance, cores
from infra.gpu.nvml import DeviceFaultError, Driver, NoDriverError
from infra.gpu.readings import Observation, Usage, Vitals, XidEvent
from infra.gpu.sharing import limits
from infra.gpu.wiring import Gpu, address, links

_FRESH_S = 60.0
"""The driver lists GPUs when a session is opened: so often new ones are looked for."""

_MIG_NAME = re.compile(r" MIG (\S+)$")


class _Seen(NamedTuple):
    """A device as one look found it, with its usage where that could be read."""

    device: Device
    usage: Usage | None


class Watch:
    """A session with the driver that is kept open: it holds the GPUs awake and hears their XIDs.

    For one thread at a time, and not across a fork.
    """

    def __init__(self, fresh_s: float = _FRESH_S) -> None:
        self._fresh_s = fresh_s
        self._driver: Driver | None = None
        self._opened_s = 0.0
        self._gpus: dict[int, Gpu] = {}
        self._known: dict[str, tuple[Device, ...]] = {}
        self._links: tuple[tuple[str, ...], dict[tuple[str, str], int]] = ((), {})
        self._heard: list[XidEvent] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; the next look opens another."""
        if self._driver is not None:
            self._hear(self._driver)
            self._driver.close()
        self._driver = None
        self._gpus, self._links = {}, ((), {})

    def read(self) -> Observation:
        """What the machine has now.

        A GPU that the driver lost stays in the inventory as unhealthy until a session that is
        opened later no longer lists it.

        Raises:
            BackendError: there is a driver, and it fails; one GPU that fails is told in the
                observation instead.
        """
        if self._driver is not None and monotonic() - self._opened_s >= self._fresh_s:
            self.close()
        try:
            return self._look(self._session())
        except NoDriverError as error:
            return Observation(inventory=_inventory(), absent=f"no NVIDIA driver: {error}")
        except Exception:
            self.close()  # the next look begins anew
            raise

    def xids(self) -> tuple[XidEvent, ...]:
        """The XIDs that were reported since the last call, the oldest first."""
        if self._driver is not None:
            self._hear(self._driver)
        heard, self._heard = tuple(self._heard), []
        return heard

    def _hear(self, driver: Driver) -> None:
        self._heard.extend(XidEvent(uuid=uuid, code=code) for uuid, code in driver.xids())

    def _session(self) -> Driver:
        if self._driver is None:
            self._driver = Driver()
            self._opened_s = monotonic()
        return self._driver

    def _look(self, driver: Driver) -> Observation:
        nvml = driver.nvml
        driver.troubles.clear()
        seen: list[_Seen] = []
        health: dict[str, Vitals] = {}
        count = driver.call(nvml.nvmlDeviceGetCount)
        for index in range(count):
            try:
                gpu = self._gpus.get(index) or self._meet(driver, index)
                found, health[gpu.uuid] = list(_gpu(driver, gpu)), _vitals(driver, gpu)
                self._known[gpu.uuid] = tuple(each.device for each in found)
            except (DeviceFaultError, BackendError) as error:  # the others are well
                found = self._lost(driver, index, str(error.args[0]), health)
            seen.extend(found)
        return Observation(
            inventory=_inventory(
                devices=tuple(each.device for each in seen),
                links=self._wired(driver, seen),
                driver=driver.call(nvml.nvmlSystemGetDriverVersion),
                cuda=_cuda(driver),
            ),
            usage={each.device.uuid: each.usage for each in seen if each.usage is not None},
            vitals=health,
            absent="" if count else "the NVIDIA driver lists no GPU",
            troubles=tuple(driver.troubles),
        )

    def _meet(self, driver: Driver, index: int) -> Gpu:
        """A GPU for the first time in a session: from then on its XIDs are heard."""
        nvml = driver.nvml
        handle = driver.call(nvml.nvmlDeviceGetHandleByIndex, index)
        uuid = driver.call(nvml.nvmlDeviceGetUUID, handle)
        place = driver.ask(uuid, nvml.nvmlDeviceGetPciInfo, handle)
        gpu = Gpu(handle, uuid, "" if place is None else address(place))
        driver.watch(handle, uuid)
        self._gpus[index] = gpu
        return gpu

    def _lost(
        self, driver: Driver, index: int, fault: str, health: dict[str, Vitals]
    ) -> list[_Seen]:
        """The devices of a GPU that is out of reach, as they were when they were last read."""
        gpu = self._gpus.get(index)
        if gpu is not None:
            health[gpu.uuid] = Vitals(fault=fault)
        known = () if gpu is None else self._known.get(gpu.uuid, ())
        if not known:
            whom = f"GPU {index}" if gpu is None else gpu.uuid
            driver.troubles.append(f"{whom} cannot be leased: {fault}")
        gone = {"state": "unhealthy", "why": f"the driver says of it: {fault}"}
        return [_Seen(each.model_copy(update=gone), None) for each in known]

    def _wired(self, driver: Driver, seen: list[_Seen]) -> dict[tuple[str, str], int]:
        """Links between whole GPUs; they are read once while the same ones are there."""
        whole = {each.device.uuid for each in seen if each.usage and each.device.parent is None}
        gpus = [gpu for gpu in self._gpus.values() if gpu.uuid in whole]
        key = tuple(gpu.uuid for gpu in gpus)
        if key != self._links[0]:
            try:
                self._links = (key, links(driver, gpus))
            except DeviceFaultError as error:  # told by the next look
                driver.troubles.append(f"the links could not be read: {error}")
                return {}
        return self._links[1]


def without_devices() -> Inventory:
    """This machine as if it had no GPUs."""
    return _inventory()


def _inventory(**found: object) -> Inventory:
    cpus, memory_bytes = allowance()
    host = {"cpus": cpus, "memory_bytes": memory_bytes, "cores": cores()}
    return Inventory.model_validate({**host, **found})


def _vitals(driver: Driver, gpu: Gpu) -> Vitals:
    return vitals(driver, gpu.uuid, gpu.handle)


def _cuda(driver: Driver) -> str:
    version = driver.ask("the driver", driver.nvml.nvmlSystemGetCudaDriverVersion_v2)
    return "" if version is None else f"{version // 1000}.{version % 1000 // 10}"


def _gpu(driver: Driver, gpu: Gpu) -> Iterator[_Seen]:
    """What of a GPU can be leased: itself, or its slices where it is cut into some."""
    nvml = driver.nvml
    mode = driver.ask(gpu.uuid, nvml.nvmlDeviceGetMigMode, gpu.handle)
    if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        whole = _described(driver, gpu, gpu.handle, gpu.uuid)
        if whole is not None:
            yield whole
        return
    for place in range(driver.ask(gpu.uuid, nvml.nvmlDeviceGetMaxMigDeviceCount, gpu.handle) or 0):
        handle = driver.ask(gpu.uuid, nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu.handle, place)
        if handle is None:  # nothing was cut there
            continue
        uuid = driver.ask(gpu.uuid, nvml.nvmlDeviceGetUUID, handle)
        piece = uuid and _described(driver, gpu, handle, uuid)
        if piece:
            yield piece


def _described(driver: Driver, gpu: Gpu, handle: object, uuid: str) -> _Seen | None:
    nvml = driver.nvml
    memory = size(driver, uuid, handle)
    if memory is None or memory.usable <= 0:
        driver.troubles.append(f"{uuid} does not say how much memory it has, so it is not leased")
        return None
    name = driver.ask(uuid, nvml.nvmlDeviceGetName, handle) or "unknown"
    capability = driver.ask(uuid, nvml.nvmlDeviceGetCudaComputeCapability, gpu.handle)
    shared = {
        "uuid": uuid,
        "name": name,
        "memory_bytes": memory.usable,
        "capability": capability or (0, 0),
        "bus": gpu.bus,
        "numa": numa(driver, gpu.uuid, gpu.handle),
        "limits": limits(gpu.uuid, capability or (0, 0)),
    }
    if uuid != gpu.uuid:
        shared |= {
            "profile": _profile(driver, name, uuid, handle, memory.usable),
            "parent": gpu.uuid,
            "limits": ("mig",),
        }
    return _Seen(Device.model_validate(shared), usage(driver, uuid, handle))


def _profile(driver: Driver, name: str, uuid: str, handle: object, memory_bytes: int) -> str:
    """A slice's MIG profile: its name ends with it, or it is told from what it is made of."""
    if match := _MIG_NAME.search(name):
        return match[1]
    made_of = driver.ask(uuid, driver.nvml.nvmlDeviceGetAttributes, handle)
    slices = made_of.gpuInstanceSliceCount if made_of else 0
    computes = made_of.computeInstanceSliceCount if made_of else slices
    part = f"{computes}c." if computes != slices else ""
    return f"{part}{slices}g.{ceil(memory_bytes / 2**30)}gb"

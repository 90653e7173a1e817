"""A driver that is not there, fails, is old, or loses a GPU: told, and never taken for none."""

import os
from pathlib import Path

import pytest

from infra.errors import BackendError
from infra.gpu.devices import Link
from infra.gpu.health import judge
from infra.gpu.readings import Occupant, Vitals
from tests.support.nvml.gpus import GIB, MIB, SimulatedGpus
from tests.support.nvml.library import built
from tests.support.nvml.observer import Observer, observing

UNSUPPORTED, NOT_LOADED, LOST, MISMATCH, NO_GPU, UNKNOWN = 3, 9, 15, 18, 28, 999
"""Codes of the driver (``nvmlReturn_t``)."""

NEWER_THAN_2020 = (
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetRemappedRows",
    "nvmlDeviceGetMemoryAffinity",
    "nvmlDeviceGetNvLinkRemoteDeviceType",
)


@pytest.mark.parametrize(
    ("code", "why"),
    [(NOT_LOADED, "Driver Not Loaded"), (NO_GPU, "simulated error 28")],
    ids=["no kernel module", "no GPU"],
)
def test_a_machine_whose_driver_finds_no_gpu_is_an_ordinary_machine(
    gpus: SimulatedGpus, observer: Observer, code: int, why: str
) -> None:
    """No devices and no error, but the reason; a driver that is loaded later is noticed."""
    gpus.add()
    gpus.fail("nvmlInitWithFlags", code)

    before = observer.read()
    gpus.mend()
    after = observer.read()

    assert (before.inventory.devices, before.absent) == ((), f"no NVIDIA driver: {why}")
    assert (len(after.inventory.devices), after.absent) == (1, "")


def test_a_driver_without_gpus_says_so(gpus: SimulatedGpus, observer: Observer) -> None:
    """The last GPU was taken out: an ordinary machine."""
    seen = observer.read()

    assert (seen.inventory.devices, seen.absent) == ((), "the NVIDIA driver lists no GPU")


def test_a_machine_without_the_library_is_an_ordinary_machine(tmp_path: Path) -> None:
    """CPU runs go there; the reason is told."""
    (tmp_path / "libnvidia-ml.so.1").touch()

    with observing(tmp_path, tmp_path / "state") as observer:
        seen = observer.read()

    assert seen.inventory.devices == ()
    assert seen.absent == "no NVIDIA driver: NVML Shared Library Not Found"
    assert seen.inventory.memory_bytes > 0


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2"])
def test_a_driver_that_fails_is_told_with_what_to_do(
    gpus: SimulatedGpus, observer: Observer, function: str
) -> None:
    """Never a machine that silently has no GPUs; the next look finds a driver that was mended."""
    gpus.add()
    gpus.fail(function, MISMATCH)

    with pytest.raises(BackendError, match=r"version mismatch.*restart the machine"):
        observer.read()

    gpus.mend()
    gpus.add()
    assert len(observer.read().inventory.devices) == 2


def test_a_gpu_that_comes_is_noticed(gpus: SimulatedGpus, observer: Observer) -> None:
    """The driver lists GPUs when a session begins, so sessions are renewed."""
    gpus.add()
    observer.begin(fresh_s=0)

    before = observer.read().inventory
    added = gpus.add("NVIDIA A100-SXM4-80GB")
    after = observer.read().inventory

    assert len(before.devices) == 1
    assert [each.uuid for each in after.devices][1:] == [added.uuid]


def test_a_gpu_that_goes_is_unhealthy_and_then_gone(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """In the session that knew it nobody gets it; the next one no longer lists it."""
    stays, goes = gpus.add(), gpus.add()

    before = observer.read().inventory
    goes.remove()
    meanwhile = observer.read()
    observer.begin()
    after = observer.read().inventory

    assert [each.state for each in before.devices] == ["ok", "ok"]
    assert [each.state for each in meanwhile.inventory.devices] == ["ok", "unhealthy"]
    assert meanwhile.inventory.devices[1].why == "the driver says of it: GPU is lost"
    assert meanwhile.usage.keys() == {stays.uuid}
    assert [each.uuid for each in after.devices] == [stays.uuid]


@pytest.mark.parametrize(
    ("function", "code", "why"),
    [
        ("nvmlDeviceGetRemappedRows", LOST, "GPU is lost"),
        ("nvmlDeviceGetName", 16, "GPU requires restart"),
        ("nvmlDeviceGetTopologyCommonAncestor", LOST, ""),
    ],
)
def test_a_gpu_that_is_lost_during_a_look_does_not_spoil_the_others(
    gpus: SimulatedGpus, observer: Observer, function: str, code: int, why: str
) -> None:
    """Wherever in the look it happens, the others are read to the end."""
    well, ill = gpus.add(), gpus.add()
    observer.read()

    gpus.fail(function, code, ill)
    seen = observer.read()

    assert [each.uuid for each in seen.inventory.devices] == [well.uuid, ill.uuid]
    assert seen.inventory.devices[0].state == "ok"
    assert seen.vitals[ill.uuid].fault == why
    assert (seen.inventory.devices[1].state == "unhealthy") == bool(why)
    assert judge(seen.vitals[ill.uuid]).action == ("reset" if why else "ok")


@pytest.mark.parametrize("code", [LOST, UNKNOWN], ids=["lost", "error"])
def test_a_gpu_that_never_said_its_name_is_told_of(
    gpus: SimulatedGpus, observer: Observer, code: int
) -> None:
    """It cannot be leased or named, but it is not passed over in silence."""
    well, nameless = gpus.add(), gpus.add()
    gpus.fail("nvmlDeviceGetUUID", code, nameless)

    seen = observer.read()

    assert [each.uuid for each in seen.inventory.devices] == [well.uuid]
    assert len(seen.troubles) == 1
    assert seen.troubles[0].startswith("GPU 1 cannot be leased: ")


def test_slices_of_a_gpu_that_is_lost_are_unhealthy(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """They stay in the inventory, as they were, so that their leases can be told why."""
    cut = gpus.add()
    cut.slice("1g.10gb")
    cut.slice("2g.20gb")
    before = observer.read().inventory.devices

    cut.fall_off()
    after = observer.read()

    assert [each.uuid for each in after.inventory.devices] == [each.uuid for each in before]
    assert {each.state for each in after.inventory.devices} == {"unhealthy"}
    assert after.vitals_of(before[0].uuid).fault == "GPU is lost"


def test_what_an_old_driver_does_not_know_is_unknown(
    gpus: SimulatedGpus, tmp_path: Path, nvml_library: Path
) -> None:
    """Functions that it lacks are no errors and no zeros; what it knows is read another way."""
    gpu, other = gpus.add(), gpus.add()
    gpu.bind(other)
    gpu.state.reasons = 0x40
    gpu.run(os.getpid(), GIB)
    library = built(tmp_path / "old", without=NEWER_THAN_2020)

    with observing(library, gpus.path) as observer:
        seen = observer.read()

    device, vitals = seen.inventory.devices[0], seen.vitals[gpu.uuid]
    assert (device.memory_bytes, device.numa) == (80 * GIB, None)
    assert seen.usage[gpu.uuid].used_bytes == GIB + 512 * MIB
    assert seen.usage[gpu.uuid].processes == (Occupant(pid=os.getpid(), memory_bytes=GIB),)
    assert (vitals.rows_correctable, vitals.remap_pending) == (None, None)
    assert (vitals.slowdowns, vitals.ecc_uncorrected) == (("heat",), 0)
    assert seen.inventory.links == {(gpu.uuid, other.uuid): Link.NVLINK}
    assert seen.troubles == ()


def test_what_a_gpu_does_not_support_is_unknown(gpus: SimulatedGpus, observer: Observer) -> None:
    """A card for games counts no ECC errors: that is neither an error nor a clean bill."""
    gpu = gpus.add("NVIDIA GeForce RTX 4090", memory=24 * GIB)
    unsupported = (
        *("nvmlDeviceGetTotalEccErrors", "nvmlDeviceGetRemappedRows", "nvmlDeviceGetMigMode"),
        *("nvmlDeviceGetNvLinkState", "nvmlDeviceGetComputeRunningProcesses_v3"),
        *("nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetTotalEnergyConsumption"),
        *("nvmlDeviceGetSupportedEventTypes", "nvmlDeviceGetUtilizationRates"),
    )
    for function in unsupported:
        gpus.fail(function, UNSUPPORTED)
    gpus.fail("nvmlDeviceRegisterEvents", UNKNOWN)

    seen = observer.read()

    assert seen.vitals[gpu.uuid] == Vitals(slowdowns=(), pcie_width=16, pcie_width_most=16)
    assert seen.usage[gpu.uuid].processes is None
    assert seen.usage[gpu.uuid].energy_j is None
    assert judge(seen.vitals[gpu.uuid]).action == "ok"
    assert (seen.troubles, observer.xids()) == ((), ())


def test_a_question_that_fails_is_told_and_its_answer_unknown(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """One answer is missing; the device can still be leased, and nobody takes the gap for zero."""
    gpu = gpus.add()
    gpus.fail("nvmlDeviceGetTotalEccErrors", UNKNOWN)
    gpus.fail("nvmlDeviceGetTemperature", UNKNOWN)

    seen = observer.read()

    assert seen.inventory.devices[0].state == "ok"
    assert seen.vitals[gpu.uuid].ecc_uncorrected is None
    assert f"{gpu.uuid}: nvmlDeviceGetTemperature failed: Unknown Error" in seen.troubles


def test_a_device_without_memory_of_its_own_is_told_of_and_not_leased(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """Placement goes by memory: a GPU that shares the machine's has none to go by."""
    gpu = gpus.add("NVIDIA GB10")
    gpus.fail("nvmlDeviceGetMemoryInfo", UNSUPPORTED)
    gpus.fail("nvmlDeviceGetMemoryInfo_v2", UNSUPPORTED)

    seen = observer.read()

    assert seen.inventory.devices == ()
    assert seen.troubles == (
        f"{gpu.uuid} does not say how much memory it has, so it is not leased",
    )

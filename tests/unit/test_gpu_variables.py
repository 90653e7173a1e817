"""The environment of a run, by values; and what a lease says holds it."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from infra.errors import ResourceError
from infra.gpu.bounds import Bounds, DeviceBound
from infra.gpu.devices import Inventory
from infra.gpu.leases import Lease
from infra.gpu.placement import Grant, place
from infra.gpu.sharing import MpsDaemon
from infra.gpu.variables import environment, overridden
from infra.processes import ProcessIdentity
from infra.resources import Enforcement, RunRequest
from tests.support.machines import gpu, machine, mig_slice

JOURNAL = Path("/var/leases.db")
DAEMON = MpsDaemon(process=ProcessIdentity(pid=7, started="then"), pipes=Path("/run/mps"))
TORCH = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")


def held_by(*limits: Enforcement) -> Inventory:
    """A machine of two devices that have such means."""
    return machine(gpu(0, limits=limits), gpu(1, limits=limits))


def lease(there: Inventory, **wishes: object) -> Lease:
    """A lease of what a run wishes on an empty machine."""
    request = RunRequest.model_validate({"cpus": 2, "memory": "1GiB", **wishes})
    grant = place(request, there, [])
    assert isinstance(grant, Grant), grant.why
    return Lease(
        id=3,
        run=UUID(int=1),
        worker="left",
        request=request,
        grant=grant,
        since=datetime(2026, 1, 1, tzinfo=UTC),
    )


def variables(
    there: Inventory, given: dict[str, str] | None = None, **wishes: object
) -> dict[str, str]:
    """What the run of a lease is given."""
    return environment(lease(there, **wishes), there, JOURNAL, given or {}, DAEMON)


def test_a_run_sees_its_devices_by_uuid_in_pci_order() -> None:
    """Numbers would be counted anew in each process, and differently by each library."""
    seen = variables(held_by("advisory"), gpus=2)

    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-00,GPU-01"
    assert seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert seen["PERENNIAL_LEASE_DEVICES"] == "GPU-00,GPU-01"
    assert (seen["PERENNIAL_LEASE"], seen["PERENNIAL_LEASES"]) == ("3", "/var/leases.db")


def test_a_run_without_devices_sees_none() -> None:
    """Not all, as it would if the variable were not set."""
    seen = variables(held_by("advisory"))

    assert (seen["CUDA_VISIBLE_DEVICES"], seen["PERENNIAL_LEASE_DEVICES"]) == ("-1", "")
    assert seen["DASK_DISTRIBUTED__DIAGNOSTICS__NVML"] == "False"


def test_a_slice_is_named_by_its_own_uuid() -> None:
    """It needs no other limit than the hardware's."""
    seen = variables(machine(mig_slice(0, 1)), gpus="mig:1g.10gb")

    assert seen["CUDA_VISIBLE_DEVICES"] == "MIG-00-1"
    assert not any(name.startswith(("CUDA_MPS", "PYTORCH")) for name in seen)


def test_thread_pools_are_as_large_as_the_lease_unless_the_deployment_says_so() -> None:
    """A library that finds 64 cores starts 64 threads, on two."""
    seen = variables(held_by("advisory"), {"OMP_NUM_THREADS": "1"})

    assert (seen["OMP_NUM_THREADS"], seen["OPENBLAS_NUM_THREADS"]) == ("1", "2")
    assert "POLARS_MAX_THREADS" not in variables(held_by("advisory"), cpus=0)


def test_a_part_of_a_device_is_held_by_mps_where_its_daemon_answers() -> None:
    """Memory by the client's own numbers of devices; the daemon does not heed UUIDs there."""
    seen = variables(held_by("mps", "torch", "advisory"), gpus=0.25, gpu_memory="12GiB")

    assert seen["CUDA_MPS_PIPE_DIRECTORY"] == "/run/mps"
    assert seen["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "25"
    assert seen["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=12288M"
    assert not any(name in seen for name in TORCH)


def test_several_shared_devices_have_a_limit_each() -> None:
    """In the order in which they are seen."""
    there = held_by("mps", "advisory")

    seen = variables(there, gpus=2, exclusive=False, gpu_memory="8GiB")

    assert seen["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=8192M,1=8192M"
    assert seen["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "10"


def test_a_lease_that_counts_on_mps_does_not_begin_without_its_daemon() -> None:
    """Nothing would hold the run to its part, and the lease would say that something does."""
    there = held_by("mps", "torch", "advisory")
    part, whole = lease(there, gpus=0.5), lease(there, gpus=1)

    with pytest.raises(ResourceError, match="Lease 3 counts on MPS, whose daemon does not answer"):
        environment(part, there, JOURNAL, {}, None)

    assert environment(whole, there, JOURNAL, {}, None)["CUDA_VISIBLE_DEVICES"] == "GPU-00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "per_process_memory_fraction:0.15"),
        (
            {"PYTORCH_ALLOC_CONF": "expandable_segments:True"},
            "expandable_segments:True,per_process_memory_fraction:0.15",
        ),
        (
            {
                "PYTORCH_CUDA_ALLOC_CONF": "roundup_power2_divisions:[256:1,512:2],"
                "per_process_memory_fraction:0.9",
                "PYTORCH_ALLOC_CONF": "expandable_segments:True",
            },
            "roundup_power2_divisions:[256:1,512:2],per_process_memory_fraction:0.15",
        ),
        ({"PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:1"}, None),
    ],
    ids=["nothing", "other settings", "torch's order", "a cap of its own"],
)
def test_torch_is_told_its_cap_beside_its_other_settings(
    given: dict[str, str], expected: str | None
) -> None:
    """Under both names: it takes one, and the deployment's would be the first."""
    seen = variables(held_by("torch", "advisory"), given, gpus=0.25, gpu_memory="12GiB")

    wanted = expected or "per_process_memory_fraction:0.15"
    assert [seen[name] for name in TORCH] == [wanted, wanted]


def test_a_cap_is_rounded_down() -> None:
    """Three thirds must not be more than a device."""
    seen = variables(held_by("torch", "advisory"), gpus=1 / 3)

    assert seen["PYTORCH_ALLOC_CONF"] == "per_process_memory_fraction:0.3333"


def test_a_whole_device_is_capped_by_nothing() -> None:
    """It is the run's alone."""
    for limits in (("mps", "advisory"), ("torch", "advisory")):
        seen = variables(held_by(*limits), gpus=1)

        assert not any(name.startswith(("CUDA_MPS", "PYTORCH")) for name in seen)


def test_what_gives_way_to_the_lease_is_named() -> None:
    """What it leaves as it was, or does not know, is not."""
    given = {"CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "1", "MINE": "x"}

    assert overridden(given, variables(held_by("advisory"), given)) == ("CUDA_VISIBLE_DEVICES",)


def test_a_lease_says_what_holds_its_run() -> None:
    """One line, without a word that is not true of it."""
    holding = lease(held_by("torch", "advisory"), gpus=0.25).grant.holdings[0]
    bounds = Bounds(
        lease=3,
        devices=(DeviceBound.of(holding),),
        cpus="cpuset",
        cpu_count=3,
        cores=(4, 5, 9),
        memory="cgroup v2",
        memory_bytes=2**31,
        overridden=("CUDA_VISIBLE_DEVICES",),
    )

    assert bounds.sentence == (
        "Lease 3: GPU-00 (20 GiB; torch holds itself to it, each process for itself; other "
        "libraries are not held); 3 cores (4-5,9) by cpuset; 2 GiB of memory by a control group. "
        "What the deployment says in CUDA_VISIBLE_DEVICES gave way to the lease."
    )
    assert Bounds.model_validate_json(bounds.model_dump_json()) == bounds


@pytest.mark.parametrize(
    ("wishes", "limits", "by"),
    [
        ({"gpus": 1}, ("mps", "advisory"), "alone"),
        ({"gpus": 0.5}, ("mps", "advisory"), "mps"),
        ({"gpus": 0.5, "accept_advisory": True}, ("advisory",), "advisory"),
    ],
)
def test_a_device_is_held_by_the_strongest_means_that_it_needs(
    wishes: dict[str, object], limits: tuple[Enforcement, ...], by: str
) -> None:
    """Nobody has to be held back on a device that nobody else is on."""
    holding = lease(held_by(*limits), **wishes).grant.holdings[0]

    assert DeviceBound.of(holding).by == by

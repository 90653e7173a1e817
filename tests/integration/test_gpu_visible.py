"""What the processes of a run see: every one exactly its lease, or it trains nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.bentos import build_bento, serving_bento
from infra.gpu.confinement import sweep
from tests.support.confined import UUIDS, Host, device, told
from tests.support.feature_tables import bare_home
from tests.support.nvml.gpus import SimulatedGpus

_NO_DRIVER, _UNKNOWN = 9, 999

_SERVICE = '''"""Tells what it sees."""

import os

import bentoml


@bentoml.service
class Telling:
    """Answers with its environment."""

    @bentoml.api
    def seen(self) -> dict[str, str]:
        """The variables that it was started with."""
        return dict(os.environ)
'''


@pytest.fixture
def world(driver_library: Path, gpus: SimulatedGpus) -> dict[str, str]:
    """A machine with four GPUs, as the variables by which a process finds them."""
    for uuid in UUIDS:
        gpus.add().state.uuid = uuid.encode()
    return {"LD_LIBRARY_PATH": str(driver_library), "SIMULATED_NVML": str(gpus.path)}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """The same machine as a worker has read it."""
    made = Host(tmp_path, *(device(place) for place in range(4)))
    yield made
    sweep(made.journal.path, list)


def test_every_process_of_a_run_sees_exactly_its_lease(
    host: Host, world: dict[str, str], tmp_path: Path
) -> None:
    """Itself, a program that it starts, Dask's workers; whatever the worker itself may see."""
    host.lease(gpus=1)
    lease = host.lease(gpus=2, cpus=1)
    confinement = host.confine(lease)
    worker = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}

    seen = told(confinement, "everywhere", **world, **worker, PERENNIAL_HOME=str(tmp_path / "home"))

    everybody = [seen["self"], seen["program"], *seen["workers"]]
    assert len(everybody) == 4
    assert [each["devices"] for each in everybody] == [[UUIDS[1], UUIDS[2]]] * 4
    assert [each["cores"] for each in everybody] == [[*lease.grant.cores]] * 4
    assert [each["variables"] for each in everybody] == [
        {
            "CUDA_VISIBLE_DEVICES": f"{UUIDS[1]},{UUIDS[2]}",
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "PERENNIAL_LEASE": str(lease.id),
            "PERENNIAL_LEASES": str(host.journal.path),
        }
    ] * 4


def test_a_run_without_gpus_sees_none(host: Host, world: dict[str, str], tmp_path: Path) -> None:
    """In no process of it, though there are four."""
    confinement = host.confine(host.lease())

    seen = told(confinement, "everywhere", **world, PERENNIAL_HOME=str(tmp_path / "home"))

    everybody = [seen["self"], seen["program"], *seen["workers"]]
    assert [each["devices"] for each in everybody] == [[]] * 4
    assert {each["variables"]["CUDA_VISIBLE_DEVICES"] for each in everybody} == {"-1"}


def test_dask_starts_where_no_device_is_visible(host: Host, world: dict[str, str]) -> None:
    """It would ask the driver for the device of index -1, and end with what that answers."""
    code = (
        "from distributed import LocalCluster\n"
        "LocalCluster(n_workers=1, processes=False, dashboard_address=None).close()"
    )
    environment = host.confine(host.lease()).environment
    naive = {"CUDA_VISIBLE_DEVICES": "-1"}

    assert _run({**environment, **world}, code).returncode == 0
    assert "Cluster failed to start" in _run({**naive, **world}, code).stderr


def test_a_smoke_test_of_a_bento_sees_what_its_run_sees(host: Host, tmp_path: Path) -> None:
    """Its server is a process of its own, in an environment that is made for it."""
    confinement = host.confine(host.lease(gpus=1))
    context = tmp_path / "context"
    context.mkdir()
    (context / "service.py").write_text(_SERVICE)

    with bare_home(tmp_path / "home"), pytest.MonkeyPatch.context() as patch:
        for name, value in confinement.environment.items():
            patch.setenv(name, value)
        build_bento(context, "service:Telling", "telling:1", [], {})
        with serving_bento("telling:1") as server:
            status, seen = server.ask("seen", {})
    confinement.lift()

    assert status == 200
    assert {name: seen.get(name) for name in confinement.environment} == confinement.environment


def test_a_slice_is_seen_alone(
    host: Host, driver_library: Path, gpus: SimulatedGpus, tmp_path: Path
) -> None:
    """CUDA gives a process one slice; its UUID is the slice's own."""
    cut = gpus.add()
    for place in range(2):
        cut.slice("1g.10gb").state.uuid = UUIDS[place].replace("GPU", "MIG").encode()
    slices = [
        device(place, uuid=UUIDS[place].replace("GPU", "MIG"), profile="1g.10gb", limits=("mig",))
        for place in range(2)
    ]
    there = Host(tmp_path / "cut", *slices)
    there.lease(gpus="mig:1g.10gb")
    confinement = there.confine(there.lease(gpus="mig:1g.10gb"))
    world = {"LD_LIBRARY_PATH": str(driver_library), "SIMULATED_NVML": str(gpus.path)}

    seen = told(confinement, "report", **world)

    assert seen["devices"] == [slices[1].uuid]
    assert "the hardware holds it to its slice" in confinement.stated.sentence


@pytest.mark.parametrize(
    ("below", "sees"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0"}, UUIDS[0]),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, f"{UUIDS[0]}, {UUIDS[1]}"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "none"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-00000000"}, "none"),
    ],
    ids=["another", "one more", "hidden", "not there"],
)
def test_a_process_that_sees_anything_else_trains_nothing(
    host: Host, world: dict[str, str], below: dict[str, str], sees: str
) -> None:
    """Whoever changed the variable below the run would train on somebody else's device."""
    host.lease(gpus=1)
    lease = host.lease(gpus=1)

    said = _seen({**host.confine(lease).environment, **world, **below})

    assert said == (
        f"IntegrityError: Lease {lease.id} is of {UUIDS[1]}; this process sees {sees}. It trains "
        f"nothing. CUDA_VISIBLE_DEVICES is {below['CUDA_VISIBLE_DEVICES']!r} here: see what "
        "changed it below the run, and leave it as the lease has set it."
    )


def test_a_run_without_gpus_that_sees_one_trains_nothing(host: Host, world: dict[str, str]) -> None:
    """Zero GPUs means that none are visible, not all."""
    environment = host.confine(host.lease()).environment
    del environment["CUDA_VISIBLE_DEVICES"]

    assert _seen({**environment, **world}).startswith(
        f"IntegrityError: Lease 1 is of no GPU; this process sees {', '.join(UUIDS)}."
    )


def test_what_torch_has_found_is_what_counts(host: Host, tmp_path: Path) -> None:
    """It has looked with the environment of that time, whatever the variables say now."""
    environment = host.confine(host.lease(gpus=1)).environment
    (tmp_path / "torch.py").write_text(
        "from types import SimpleNamespace as N\n"
        f"one = N(uuid={UUIDS[2].removeprefix('GPU-')!r})\n"
        "cuda = N(is_initialized=lambda: True, device_count=lambda: 1, "
        "get_device_properties=lambda place: one)\n"
    )

    said = _seen({**environment, "PYTHONPATH": str(tmp_path)}, "import torch; ")

    assert f"this process sees {UUIDS[2]}." in said


def test_a_leased_device_that_cuda_cannot_reach_is_the_drivers_fault(
    host: Host, world: dict[str, str], gpus: SimulatedGpus
) -> None:
    """A run that is started again may go elsewhere; one without GPUs is not concerned."""
    with_gpu, without = host.confine(host.lease(gpus=1)), host.confine(host.lease())
    gpus.fail("nvmlInitWithFlags", _NO_DRIVER)

    broken = _seen({**with_gpu.environment, **world})

    assert broken.startswith(f"BackendError: CUDA does not start: cuInit answers {_UNKNOWN}.")
    assert _seen({**without.environment, **world}) == "[]"


def test_without_a_driver_a_leased_device_is_not_seen(host: Host) -> None:
    """A container that was not given the driver's library, say."""
    said = _seen(host.confine(host.lease(gpus=1)).environment)

    assert "this process sees none. It trains nothing." in said


def test_without_a_lease_nobody_is_asked(world: dict[str, str]) -> None:
    """A training by hand, or by another worker, sees what it sees."""
    assert _seen(world) == "[]"


def _seen(environment: dict[str, str], before: str = "") -> str:
    code = (
        f"{before}import json; from infra.errors import PerennialError\n"
        "from infra.gpu.visible import check_devices\n"
        "try: print(json.dumps(check_devices()))\n"
        "except PerennialError as error: print(f'{type(error).__name__}: {error}')"
    )
    done = _run(environment, code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _run(environment: dict[str, str], code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

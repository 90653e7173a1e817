"""A lease of a real GPU: torch sees exactly it, keeps within it, and gives everything back."""

import json
import os
import signal
from pathlib import Path

import pytest

from infra.gpu.devices import Device
from infra.gpu.leases import Lease
from infra.gpu.quarantine import entries
from infra.gpu.sharing import mps_daemon, torch_caps_itself
from infra.settings import PROJECT
from tests.gpu.torched import HOLDING, Site, holding, ran, started

MIB = 2**20

SEEN = """
import json, torch
from infra.gpu.visible import check_devices
told = check_devices()
torch.cuda.init()
there = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
print(json.dumps([told, ["GPU-" + str(each.uuid) for each in there]]))
"""

_LONG_S = 300


@pytest.mark.timeout(_LONG_S)
def test_torch_sees_exactly_the_leased_device(site: Site, free: Device) -> None:
    """By its own word, and by the check that every training makes."""
    lease = site.lease(gpus=1, cpus=1)

    done = ran(SEEN, site.confine(lease).environment)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[*lease.grant.uuids], [*lease.grant.uuids]]
    assert not isinstance(site.asked(gpus=len(site.machine.observe().inventory.devices)), Lease)


@pytest.mark.timeout(_LONG_S)
def test_every_rank_of_torchrun_sees_the_leased_device(
    site: Site, free: Device, tmp_path: Path
) -> None:
    """Processes that torch starts are processes of the run."""
    lease = site.lease(gpus=1, cpus=1)
    script = tmp_path / "rank.py"
    script.write_text(f"import os, sys; sys.path.insert(0, {str(PROJECT)!r})\n{SEEN}")
    asked = ["torchrun", "--standalone", "--nproc-per-node=2", str(script)]
    code = f"import sys; from torch.distributed.run import main; sys.argv = {asked}; main()"

    done = ran(code, site.confine(lease).environment)

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [[[*lease.grant.uuids], [*lease.grant.uuids]]] * 2, done.stderr


@pytest.mark.timeout(_LONG_S)
def test_torch_sees_nothing_without_a_lease_of_a_device(site: Site, free: Device) -> None:
    """Zero GPUs means that none are visible, not all."""
    code = (
        "import torch; from infra.gpu.visible import check_devices\n"
        "print(torch.cuda.is_available(), torch.cuda.device_count(), check_devices())"
    )

    done = ran(code, site.confine(site.lease()).environment)

    assert done.stdout == "False 0 ()\n", done.stderr


@pytest.mark.timeout(_LONG_S)
def test_a_process_that_hides_its_device_trains_nothing(site: Site, free: Device) -> None:
    """The check asks CUDA itself, not the variable."""
    environment = site.confine(site.lease(gpus=1)).environment

    done = ran(SEEN, {**environment, "CUDA_VISIBLE_DEVICES": ""})

    assert "IntegrityError: Lease 1 is of" in done.stderr
    assert "this process sees none" in done.stderr


@pytest.mark.timeout(_LONG_S)
def test_torch_keeps_within_its_part_of_a_device(site: Site, free: Device) -> None:
    """More than its quarter is an out-of-memory error of torch's, in the run that wanted it."""
    if mps_daemon() is not None or not torch_caps_itself():
        pytest.skip("MPS holds parts of devices here, or torch cannot")
    lease = site.lease(gpus=0.25)
    most = lease.grant.holdings[0].memory_bytes
    code = (
        "import torch\n"
        "print(torch.cuda.get_per_process_memory_fraction(0))\n"
        f"kept = torch.empty(int({most} * 0.9), dtype=torch.uint8, device='cuda')\n"
        f"try: torch.empty(int({most} * 0.2), dtype=torch.uint8, device='cuda')\n"
        "except torch.cuda.OutOfMemoryError: print('out of memory')"
    )

    done = ran(code, site.confine(lease).environment)

    assert done.stdout == "0.25\nout of memory\n", done.stderr
    assert lease.grant.holdings[0].enforcement == "torch"


@pytest.mark.timeout(_LONG_S)
def test_cuda_starts_where_an_rlimit_holds_the_memory(
    site: Site, free: Device, tmp_path: Path
) -> None:
    """It reserves far more addresses than the run may have memory."""
    confinement = site.confine(site.lease(gpus=1, cpus=1, memory="8GiB"), root=tmp_path)

    with started(f"input()\n{HOLDING.format(mebibytes=256)}", confinement.environment) as process:
        confinement.apply(process.pid)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        holding(process)

    assert confinement.stated.memory == "rlimit"


@pytest.mark.timeout(_LONG_S)
def test_memory_is_back_when_a_lease_has_ended(site: Site, free: Device) -> None:
    """Even where the run was killed: the device is leased again, and is not kept out."""
    before = site.machine.observe().usage[free.uuid].used_bytes
    lease = site.lease(gpus=1)

    with site.running(lease, HOLDING.format(mebibytes=2048)) as process:
        holding(process)
        during = site.machine.observe().usage[free.uuid].used_bytes
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kept_out = site.machine.leave(lease)

    after = site.machine.observe().usage[free.uuid].used_bytes
    assert before is not None
    assert during is not None
    assert after is not None
    assert during - before >= 2048 * MIB
    assert after - before < 64 * MIB
    assert (kept_out, entries(site.machine.journal)) == ((), {})
    assert isinstance(site.asked(gpus=1), Lease)


@pytest.mark.timeout(_LONG_S)
def test_a_foreign_process_is_noticed_and_its_device_not_leased(site: Site, free: Device) -> None:
    """By what it runs, as far as that can be seen from here."""
    with started(HOLDING.format(mebibytes=512), {"CUDA_VISIBLE_DEVICES": free.uuid}) as process:
        holding(process)
        sight = site.machine.lookout.look()
        now = sight.inventory.device(free.uuid)
        if not sight.seen.usage[free.uuid].processes:
            pytest.skip("the driver does not say which processes are on the device (a container)")

        foreign = sight.foreign[free.uuid]
        assert now is not None
        assert now.state == "occupied"
        assert foreign[0].pid == process.pid or not foreign[0].command
        answer = site.asked(gpus=1, gpu_model=free.name)
        assert isinstance(answer, str) or free.uuid not in answer.grant.uuids


@pytest.mark.timeout(_LONG_S)
def test_a_run_on_its_own_device_is_not_foreign(site: Site, free: Device) -> None:
    """It is explained by its lease."""
    lease = site.lease(gpus=1)

    with site.running(lease, HOLDING.format(mebibytes=512)) as process:
        holding(process)
        foreign = site.machine.lookout.look().foreign

    assert free.uuid not in foreign or process.pid not in {each.pid for each in foreign[free.uuid]}

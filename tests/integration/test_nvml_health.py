"""Health and company: what a driver counts, reports and sees on a GPU, up to the state it is in."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from infra.gpu.health import judge
from infra.gpu.readings import Occupant, Usage, Vitals, XidEvent
from infra.gpu.states import stated
from tests.support.nvml.gpus import GIB, MIB, SimulatedGpus
from tests.support.nvml.observer import Observer
from tests.support.source_tree import ROOT
from tests.support.stack import eventually


@pytest.fixture
def run() -> Iterator[psutil.Popen]:
    """A process that leads a group, and a child of it that has left the group."""
    script = "setsid sleep 300 & exec sleep 300"
    leader = psutil.Popen(["sh", "-c", script], start_new_session=True)
    eventually(lambda: _names(leader) == ["sleep", "sleep"], within_s=20)
    family = [*leader.children(), leader]
    yield leader
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    leader.wait()


@pytest.fixture
def colleague() -> Iterator[psutil.Popen]:
    """A process that is nobody's run."""
    process = psutil.Popen(["sleep", "301"])
    yield process
    process.kill()
    process.wait()


def _names(leader: psutil.Popen) -> list[str]:
    return [each.name() for each in (leader, *leader.children())]


def test_memory_is_back_when_the_process_is_dead(
    gpus: SimulatedGpus, observer: Observer, run: psutil.Popen
) -> None:
    """What a driver does at a kill, the simulated one does too: nobody keeps books for it."""
    gpu = gpus.add()
    gpu.state.base, gpu.state.busy, gpu.state.power, gpu.state.energy = 300 * MIB, 97, 650_000, 5000
    gpu.run(run.pid, 70 * GIB)

    before = observer.read().usage[gpu.uuid]
    run.kill()
    run.wait()
    after = observer.read().usage[gpu.uuid]

    assert before == Usage(
        processes=(Occupant(pid=run.pid, memory_bytes=70 * GIB),),
        used_bytes=70 * GIB + 300 * MIB,
        busy_percent=97,
        power_w=650,
        energy_j=5,
        temperature_c=35,
    )
    assert (after.processes, after.used_bytes) == ((), 300 * MIB)


def test_memory_that_a_dead_process_has_left_behind_is_seen(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """The baseline is the driver's word and not the sum of what processes hold."""
    gpu = gpus.add()
    gpu.state.base = 20 * GIB

    usage = observer.read().usage[gpu.uuid]

    assert (usage.processes, usage.used_bytes) == ((), 20 * GIB)


def test_ill_health_keeps_a_gpu_and_its_slices_from_being_leased(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """From the driver's counters over the verdict to what placement sees."""
    well, ill = gpus.add(), gpus.add()
    piece = ill.slice("1g.10gb")
    ill.state.ecc[1][0], ill.state.ecc[0][1] = 2, 40
    ill.state.rows[:] = [3, 1, 1, 0]
    ill.state.width = 8
    well.state.reasons = 0x1 | 0x4

    seen = observer.read()
    health = {uuid: judge(vitals) for uuid, vitals in seen.vitals.items()}
    found = stated(seen.inventory, health, {})

    assert seen.vitals[ill.uuid] == Vitals(
        ecc_corrected=0,
        ecc_uncorrected=2,
        ecc_corrected_ever=40,
        ecc_uncorrected_ever=0,
        rows_correctable=3,
        rows_uncorrectable=1,
        remap_pending=True,
        remap_failed=False,
        slowdowns=(),
        pcie_width=8,
        pcie_width_most=16,
    )
    assert [each.state for each in found.devices] == ["ok", "unhealthy"]
    assert found.devices[1].uuid == piece.uuid
    assert found.devices[1].why == (
        "needs a reset: bad rows of memory are remapped at the next reset; "
        "2 ECC errors since the last reset could not be corrected"
    )


def test_xids_are_heard_once_and_in_order(gpus: SimulatedGpus, observer: Observer) -> None:
    """From the first look on, across sessions; what was reported before is not known."""
    one, two = gpus.add(), gpus.add()
    one.raise_xid(13)
    observer.begin(fresh_s=0)
    observer.read()

    one.raise_xid(94)
    two.raise_xid(79)
    observer.read()
    two.raise_xid(31)

    assert observer.xids() == (
        XidEvent(uuid=one.uuid, code=94),
        XidEvent(uuid=two.uuid, code=79),
        XidEvent(uuid=two.uuid, code=31),
    )
    assert observer.xids() == ()


def test_a_gpu_that_fell_off_the_bus_says_so_by_its_xid(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """The event outlives the device that it is of."""
    gpu = gpus.add()
    observer.read()

    gpu.fall_off()
    gpu.raise_xid(79)

    assert observer.xids() == (XidEvent(uuid=gpu.uuid, code=79),)
    assert observer.read().inventory.devices[0].state == "unhealthy"


def test_only_processes_that_no_lease_explains_are_foreign(
    gpus: SimulatedGpus, observer: Observer, run: psutil.Popen, colleague: psutil.Popen
) -> None:
    """A run and its child that has left the group are ours; a colleague is named with command."""
    leased, taken = gpus.add(), gpus.add()
    (child,) = run.children()
    leased.run(run.pid, GIB)
    leased.run(child.pid, 2 * GIB)
    taken.run(colleague.pid, 3 * GIB)

    ours = observer.find_foreign([run.pid])
    theirs = observer.find_foreign([])

    (found,) = ours[taken.uuid]
    assert ours.keys() == {taken.uuid}
    assert (found.pid, found.command, found.memory_bytes) == (colleague.pid, "sleep 301", 3 * GIB)
    assert found.user == psutil.Process().username()
    assert {each.pid for each in theirs[leased.uuid]} == {run.pid, child.pid}


def test_a_process_of_another_container_is_foreign_though_unseen(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """The driver names a pid that means nothing here: the device is occupied all the same."""
    gpu = gpus.add()
    gpu.run(2**22 + 1, 5 * GIB, elsewhere=True)

    foreign = observer.find_foreign([])
    (device,) = stated(observer.read().inventory, {}, foreign).devices

    assert device.state == "occupied"
    assert device.why == f"pid {2**22 + 1}, unseen here, 5 GiB"


def test_two_processes_may_put_work_on_simulated_gpus_at_once(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """Runs that tests start enter themselves: none overwrites another."""
    gpu = gpus.add()
    script = (
        "import sys, pathlib; from tests.support.nvml.gpus import SimulatedGpus as S\n"
        "gpu = S(pathlib.Path(sys.argv[1])).gpus()[0]\n"
        "for pid in range(int(sys.argv[2]), int(sys.argv[2]) + 12): gpu.run(pid, 1, elsewhere=True)"
    )
    command = [sys.executable, "-c", script, str(gpus.path)]

    writers = [subprocess.Popen([*command, start], cwd=ROOT) for start in ("1000", "2000")]
    codes = [each.wait(timeout=60) for each in writers]

    assert codes == [0, 0]
    assert len(observer.read().usage[gpu.uuid].processes or ()) == 24

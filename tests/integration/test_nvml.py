"""The inventory: GPUs through NVIDIA's real bindings, above a driver that a test drives."""

from infra.gpu.devices import Link
from infra.gpu.placement import Grant, place
from infra.gpu.readings import Occupant
from infra.resources import RunRequest
from tests.support.nvml.gpus import GIB, MIB, SimulatedGpus
from tests.support.nvml.observer import Observer


def test_a_gpu_is_known_by_its_uuid_with_all_that_placement_asks(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """Name, memory that runs can have, capability, place on the bus, NUMA node, driver, CUDA."""
    gpus.add(numa=1)
    gpus.add("Tesla T4", memory=16 * GIB, capability=(7, 5), numa=None)

    seen = observer.read()

    first, second = seen.inventory.devices
    assert (first.uuid, first.name) == ("GPU-00", "NVIDIA H100 80GB HBM3")
    assert first.memory_bytes == 80 * GIB - 512 * MIB
    assert (first.capability, first.bus, first.numa) == ((9, 0), "0000:01:00.0", 1)
    assert (second.capability, second.bus, second.numa) == ((7, 5), "0000:02:00.0", None)
    assert (seen.inventory.driver, seen.inventory.cuda) == ("580.95.05", "13.0")
    assert (seen.absent, seen.troubles) == ("", ())
    assert seen.inventory.cpus >= 1
    assert isinstance(place(RunRequest(gpus=1), seen.inventory, []), Grant)


def test_a_gpu_in_mig_mode_is_leased_by_its_slices(gpus: SimulatedGpus, observer: Observer) -> None:
    """Slices have UUIDs of their own beside whole GPUs; the GPU that they are cut from is none."""
    whole, cut = gpus.add(), gpus.add()
    small, large = cut.slice("1g.10gb"), cut.slice("3g.40gb")

    seen = observer.read().inventory

    assert [each.uuid for each in seen.devices] == [whole.uuid, small.uuid, large.uuid]
    assert [each.profile for each in seen.devices] == [None, "1g.10gb", "3g.40gb"]
    assert {each.parent for each in seen.devices[1:]} == {cut.uuid}
    assert {each.limits for each in seen.devices[1:]} == {("mig",)}
    assert seen.devices[1].memory_bytes == 10 * GIB
    assert isinstance(place(RunRequest(gpus="mig:3g.40gb"), seen, []), Grant)


def test_a_slice_that_does_not_name_its_profile_is_told_by_what_it_is_made_of(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """Old drivers give a slice its GPU's name; its memory is a little less than it says."""
    cut = gpus.add("NVIDIA A100-SXM4-40GB", memory=40 * GIB)
    plain, part = cut.slice("1g.5gb", 4864 * MIB), cut.slice("3g.20gb", 20096 * MIB)
    plain.state.name = part.state.name = cut.state.name
    part.state.compute_slices = 1

    profiles = [each.profile for each in observer.read().inventory.devices]

    assert profiles == ["1g.5gb", "1c.3g.20gb"]


def test_a_gpu_in_mig_mode_without_slices_offers_nothing(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """It can run nothing until somebody cuts it; a slice that is cut is there at the next look."""
    cut = gpus.add()
    cut.state.mig = 1

    before = observer.read().inventory.devices
    cut.slice("1g.10gb")
    after = observer.read().inventory.devices

    assert (before, len(after)) == ((), 1)


def test_links_are_counted_by_pair(gpus: SimulatedGpus, observer: Observer) -> None:
    """NVLinks to each other and through a switch; else the level at which two GPUs meet."""
    one, two, three, four = (gpus.add() for _ in range(4))
    one.bind(two, 4)
    three.plug("0:c0:0", 6)
    four.plug("0:c0:0", 4)
    gpus.meet(two, three, 40)
    gpus.meet(one, three, 10)

    seen = observer.read().inventory
    a, b, c, d = seen.devices

    assert seen.between(a, b) == Link.NVLINK + 3
    assert seen.between(c, d) == Link.NVLINK + 3
    assert seen.between(b, c) == Link.NODE
    assert seen.between(a, c) == Link.SWITCH
    assert seen.between(a, d) == Link.SYSTEM


def test_links_to_a_switch_count_though_its_address_is_hidden(
    gpus: SimulatedGpus, observer: Observer
) -> None:
    """The newest switches are no PCI devices; a link to a CPU leads to no GPU."""
    one, two = gpus.add(), gpus.add()
    for gpu in (one, two):
        gpu.plug("", 17)
        gpu.plug("0:d0:0")
        gpu.state.links[17].kind = 1

    seen = observer.read().inventory

    assert seen.links == {(one.uuid, two.uuid): Link.NVLINK + 16}


def test_processes_are_told_by_device_and_slice(gpus: SimulatedGpus, observer: Observer) -> None:
    """Pid and memory; a process that computes by itself and through MPS is one."""
    whole, cut = gpus.add(), gpus.add()
    piece = cut.slice("1g.10gb")
    whole.run(101, 3 * GIB, elsewhere=True)
    whole.run(101, 4 * GIB, "mps", elsewhere=True)
    whole.run(102, 2**64 - 1, elsewhere=True)
    piece.run(103, GIB, elsewhere=True)

    usage = observer.read().usage

    assert usage[whole.uuid].processes == (
        Occupant(pid=101, memory_bytes=4 * GIB),
        Occupant(pid=102, memory_bytes=None),
    )
    assert usage[piece.uuid].processes == (Occupant(pid=103, memory_bytes=GIB),)
    assert usage[piece.uuid].used_bytes == GIB

"""Which devices a run gets: by example, and whatever anybody asks for."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.devices import Device, Inventory, Link
from infra.gpu.placement import Grant, Impossible, Wait, place
from infra.gpu.suitability import mismatch
from infra.resources import RunRequest
from tests.support.machines import GIB, gpu, machine, mig_slice, two_islands

Life = tuple[Inventory, list[tuple[RunRequest, Grant | Wait | Impossible, list[Grant]]]]
"""A machine, and runs: each with what it got and what was held then."""


def asked(**wishes: object) -> RunRequest:
    """A request as YAML gives it."""
    return RunRequest.model_validate({"memory": "1GiB", **wishes})


def devices(found: Grant | Wait | Impossible) -> list[str]:
    """The devices of a grant."""
    assert isinstance(found, Grant), found.why
    return [each.uuid for each in found.holdings]


def granted(inventory: Inventory, *requests: RunRequest) -> list[Grant]:
    """What runs hold that came one after the other and all fitted."""
    held: list[Grant] = []
    for request in requests:
        found = place(request, inventory, held)
        assert isinstance(found, Grant), found.why
        held.append(found)
    return held


def test_a_run_without_gpus_gets_cores_alone() -> None:
    """Ordinary runs go to ordinary machines."""
    found = place(asked(cpus=2), machine(cpus=2), [])

    assert found == Grant(cpus=2, memory_bytes=GIB)


def test_the_smallest_device_that_will_do_is_taken() -> None:
    """The large ones stay free for those who need them."""
    there = machine(gpu(0, memory_gib=80), gpu(1, memory_gib=24), gpu(2, memory_gib=40))

    assert devices(place(asked(gpus=1), there, [])) == ["GPU-01"]
    assert devices(place(asked(gpus=1, gpu_memory="30GiB"), there, [])) == ["GPU-02"]


def test_a_set_has_the_most_nvlinks_within_it() -> None:
    """Two links between a pair beat one, four on one island beat two and two."""
    there = two_islands()

    pair = place(asked(gpus=2), there, [])
    four = place(asked(gpus=4), there, granted(there, asked(gpus=2), asked(gpus=1)))

    assert devices(pair) == ["GPU-00", "GPU-01"]
    assert devices(four) == ["GPU-04", "GPU-05", "GPU-06", "GPU-07"]


def test_without_nvlinks_a_set_is_near_by_pcie_and_then_by_numa() -> None:
    """A switch in common beats a node in common, which beats nothing in common."""
    numa = (0, 1, 0, 1)
    four = [gpu(each, numa=numa[each]) for each in range(4)]

    switch = machine(*four, links={(1, 2): Link.SWITCH, (0, 2): Link.NODE})
    none = machine(*four)

    assert devices(place(asked(gpus=2), switch, [])) == ["GPU-01", "GPU-02"]
    assert devices(place(asked(gpus=2), none, [])) == ["GPU-00", "GPU-02"]


def test_a_single_device_is_taken_from_where_it_cuts_least() -> None:
    """A pair that is linked stays a pair."""
    there = machine(gpu(0), gpu(1), gpu(2), links={(0, 1): Link.NVLINK})

    assert devices(place(asked(gpus=1), there, [])) == ["GPU-02"]


def test_parts_are_packed_onto_devices_that_are_shared_already() -> None:
    """Four quarters are one device; whole ones stay whole."""
    there = machine(gpu(0), gpu(1))

    held = granted(there, *[asked(gpus=0.25)] * 4, asked(gpus=1))

    assert [each.holdings[0].uuid for each in held] == ["GPU-00"] * 4 + ["GPU-01"]


def test_a_part_goes_where_least_is_left_over() -> None:
    """Best fit: a half fills the half that is free, not the whole."""
    there = machine(gpu(0), gpu(1))
    held = granted(there, asked(gpus=0.5), asked(gpus=0.75))

    found = place(asked(gpus=0.25), there, held)

    assert [each.holdings[0].uuid for each in held] == ["GPU-00", "GPU-01"]
    assert devices(found) == ["GPU-01"]


def test_ten_tenths_are_a_whole_device() -> None:
    """Whatever floating point makes of their sum."""
    there = machine(gpu(0))

    held = granted(there, *[asked(gpus=0.1)] * 10)

    assert len(held) == 10
    assert isinstance(place(asked(gpus=0.1), there, held), Wait)


def test_whole_devices_may_be_shared_by_memory() -> None:
    """A run that says how much it needs leaves the rest to others who say so, too."""
    there = machine(gpu(0, memory_gib=24))
    wish = asked(gpus=1, exclusive=False, gpu_memory="10GiB")

    held = granted(there, wish, wish)

    third = place(wish, there, held)
    assert isinstance(third, Wait)
    assert "GPU-00 has 4 GiB and 17% left" in third.why


def test_slices_are_taken_where_their_device_is_used_already() -> None:
    """A device in MIG mode whose slices are all free can be set up anew."""
    there = machine(
        *(mig_slice(0, each) for each in range(3)), *(mig_slice(1, each) for each in range(3))
    )

    held = granted(there, *[asked(gpus="mig:1g.10gb")] * 3)

    assert {each.holdings[0].uuid[:6] for each in held} == {"MIG-00"}
    assert {each.holdings[0].enforcement for each in held} == {"mig"}


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"gpus": 3}, "3 GPUs are asked for; 2 of 3 suit"),
        ({"gpus": 1, "gpu_model": "B200"}, "GPU-00 is no B200"),
        ({"gpus": 1, "gpu_memory": "81GiB"}, "GPU-00 has 80 GiB, less than 81 GiB"),
        ({"gpus": 1, "compute_capability": "10.0"}, "has compute capability 9.0, below 10.0"),
        ({"gpus": "mig:3g.40gb"}, "MIG-02-0 is no slice 3g.40gb"),
        ({"cpus": 65}, "65 cores are asked for; there are 64"),
        ({"memory": "1TiB"}, "1024 GiB of memory are asked for; there are 512 GiB"),
    ],
)
def test_what_no_release_could_help_is_refused_at_once(
    wishes: dict[str, object], said: str
) -> None:
    """The reason names devices and numbers."""
    there = machine(gpu(0), gpu(1), mig_slice(2, 0))

    found = place(asked(**wishes), there, [])

    assert isinstance(found, Impossible)
    assert said in found.why


def test_several_slices_do_not_make_several_gpus() -> None:
    """Processes of one training cannot talk across MIG slices."""
    there = machine(mig_slice(0, 0), mig_slice(0, 1))

    found = place(asked(gpus=2), there, [])

    assert isinstance(found, Impossible)
    assert "is a MIG slice (1g.10gb), not a whole device" in found.why


def test_a_part_that_nothing_enforces_is_refused_unless_that_is_accepted() -> None:
    """An advisory lease is a promise: who relies on it must say so."""
    there = machine(gpu(0, limits=("advisory",)))

    refused = place(asked(gpus=0.5), there, [])
    accepted = place(asked(gpus=0.5, accept_advisory=True), there, [])

    assert isinstance(refused, Impossible)
    assert "nothing that would hold a run to its part" in refused.why
    assert isinstance(accepted, Grant)
    assert accepted.holdings[0].enforcement == "advisory"


def test_a_wait_says_what_it_waits_for() -> None:
    """Who looks at the run reads which device is held, and why."""
    busy = gpu(1).model_copy(update={"state": "occupied", "why": "python of ann, pid 7"})
    there = machine(gpu(0), busy)

    found = place(asked(gpus=1), there, granted(there, asked(gpus=1)))

    assert isinstance(found, Wait)
    assert found.blocking == ("GPU-00", "GPU-01")
    assert "0 of 2 that suit are free" in found.why
    assert "GPU-00 is leased, GPU-01 is occupied (python of ann, pid 7)" in found.why


def test_cores_and_memory_are_counted_like_devices() -> None:
    """A retrain does not starve what serves."""
    there = machine(cpus=4, memory_gib=8)
    held = granted(there, asked(cpus=3, memory="6GiB"))

    cores = place(asked(cpus=2), there, held)
    memory = place(asked(memory="3GiB"), there, held)

    assert isinstance(cores, Wait)
    assert isinstance(memory, Wait)
    assert cores.why == "2 cores are asked for; 1 are free."
    assert memory.why == "3 GiB of memory are asked for; 2 GiB are free."
    assert (cores.blocking, memory.blocking) == (("cores",), ("memory",))


@st.composite
def machines(draw: st.DrawFn) -> Inventory:
    """Up to six devices of mixed kinds, with links of every nearness, some of them unwell."""
    found: list[Device] = []
    for place_ in range(draw(st.integers(0, 6))):
        state = draw(st.sampled_from(["ok", "ok", "ok", "unhealthy"]))
        device = (
            mig_slice(place_, 0, draw(st.sampled_from(["1g.10gb", "2g.20gb"])))
            if draw(st.booleans()) and place_ % 3 == 0
            else gpu(
                place_,
                memory_gib=draw(st.sampled_from([16, 24, 80])),
                numa=draw(st.integers(0, 1)),
                limits=draw(st.sampled_from([("torch", "advisory"), ("advisory",)])),
            )
        )
        found.append(device.model_copy(update={"state": state}))
    places = range(len(found))
    pairs = [(one, other) for one in places for other in places if one < other]
    links = {pair: draw(st.integers(0, 9)) for pair in pairs}
    return machine(*found, links=links, cpus=8, memory_gib=32)


@st.composite
def requests(draw: st.DrawFn) -> RunRequest:
    """Everything that may be asked for."""
    kind = draw(st.sampled_from(["none", "whole", "part", "slice", "by memory"]))
    wishes: dict[str, object] = {
        "cpus": draw(st.integers(0, 3)),
        "memory": f"{draw(st.integers(1, 8))}GiB",
        "accept_advisory": draw(st.booleans()),
    }
    if kind == "whole":
        wishes |= {"gpus": draw(st.integers(1, 4))}
    if kind == "part":
        wishes |= {"gpus": draw(st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.9]))}
    if kind == "slice":
        wishes |= {"gpus": "mig:1g.10gb"}
    if kind == "by memory":
        wishes |= {"gpus": draw(st.integers(1, 2)), "exclusive": False}
    if kind == "by memory" or (kind in {"whole", "part"} and draw(st.booleans())):
        wishes |= {"gpu_memory": f"{draw(st.sampled_from([4, 12, 20, 40]))}GiB"}
    return RunRequest.model_validate(wishes)


@st.composite
def lives(
    draw: st.DrawFn,
) -> Life:
    """A machine, and runs that come and go: each with what it got and what was held then."""
    there = draw(machines())
    held: list[Grant] = []
    told = []
    for request in draw(st.lists(requests(), max_size=12)):
        leaves = draw(st.booleans())
        if held and leaves:
            held.pop(draw(st.integers(0, len(held) - 1)))
        found = place(request, there, held)
        told.append((request, found, list(held)))
        if isinstance(found, Grant):
            held.append(found)
    return there, told


@given(lives())
def test_no_device_is_ever_promised_twice(life: Life) -> None:
    """Alone is alone; shares and memories never sum to more than there is; nothing unwell goes."""
    there, told = life

    for _, found, held in told:
        grants = [*held, *([found] if isinstance(found, Grant) else [])]
        for device in there.devices:
            on_it = [
                each for grant in grants for each in grant.holdings if each.uuid == device.uuid
            ]
            assert len(on_it) <= 1 or not any(each.alone for each in on_it)
            assert fsum(each.share for each in on_it) <= 1 + 1e-9
            assert sum(each.memory_bytes for each in on_it) <= device.memory_bytes
            assert not on_it or device.state == "ok"
        assert sum(grant.cpus for grant in grants) <= there.cpus
        assert sum(grant.memory_bytes for grant in grants) <= there.memory_bytes


@given(lives())
def test_a_grant_is_what_was_asked_for(life: Life) -> None:
    """As many devices, each of them suitable and with the memory."""
    there, told = life

    for request, found, _ in told:
        if isinstance(found, Grant):
            wanted = request.whole or int(request.gpus != 0)
            assert len({each.uuid for each in found.holdings}) == wanted
            for holding in found.holdings:
                device = there.device(holding.uuid)
                assert device is not None
                assert mismatch(request, device) is None
                assert holding.memory_bytes >= (request.gpu_memory or 0)


@given(lives())
def test_nothing_that_fits_is_refused(life: Life) -> None:
    """Counted anew, by hand: enough devices take it and the machine has the rest."""
    there, told = life

    for request, found, held in told:
        if isinstance(found, Grant):
            continue
        cpus = there.cpus - sum(grant.cpus for grant in held)
        memory = there.memory_bytes - sum(grant.memory_bytes for grant in held)
        wanted = request.whole or int(request.gpus != 0)
        able = [device for device in there.devices if _could_take(request, device, held)]
        assert request.cpus > cpus or (request.memory or 0) > memory or len(able) < wanted


@given(lives())
def test_what_is_impossible_stays_so_on_an_empty_machine(life: Life) -> None:
    """And what waits would be granted there, once everything on it is well."""
    there, told = life
    well = [device.model_copy(update={"state": "ok"}) for device in there.devices]
    empty = there.model_copy(update={"devices": tuple(well)})

    for request, found, _ in told:
        assert isinstance(place(request, empty, []), Impossible) == isinstance(found, Impossible)


def _could_take(request: RunRequest, device: Device, held: list[Grant]) -> bool:
    if device.state != "ok" or mismatch(request, device):
        return False
    on_it = [each for grant in held for each in grant.holdings if each.uuid == device.uuid]
    if request.alone or request.profile:
        return not on_it
    if any(each.alone for each in on_it):
        return False
    memory = request.gpu_memory or int((request.fraction or 1) * device.memory_bytes)
    share = request.fraction or memory / device.memory_bytes
    return (
        sum(each.share for each in on_it) + share <= 1 + 1e-9
        and sum(each.memory_bytes for each in on_it) + memory <= device.memory_bytes
    )

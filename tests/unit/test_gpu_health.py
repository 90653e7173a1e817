"""The verdict on a GPU: what its driver counts and reports, in what order of severity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.devices import ForeignProcess
from infra.gpu.health import LASTING, Health, judge
from infra.gpu.readings import Observation, Vitals
from infra.gpu.states import stated
from infra.gpu.xids import XIDS, meaning
from tests.support.machines import GIB, gpu, machine, mig_slice

HOT = Vitals(slowdowns=("heat",), pcie_width=16, pcie_width_most=16)
NARROW = Vitals(slowdowns=(), pcie_width=8, pcie_width_most=16)
WELL = Vitals(slowdowns=(), pcie_width=16, pcie_width_most=16, ecc_uncorrected=0)


def test_a_gpu_of_which_nothing_is_known_may_be_leased() -> None:
    """A card that counts nothing is not condemned for it."""
    assert judge(Vitals()) == Health()


def test_history_condemns_no_gpu() -> None:
    """Corrected errors, remapped rows and what a reset has cleared are facts, not faults."""
    worn = Vitals(
        ecc_corrected=9000,
        ecc_corrected_ever=10**6,
        ecc_uncorrected=0,
        ecc_uncorrected_ever=12,
        rows_correctable=3,
        rows_uncorrectable=2,
        remap_pending=False,
        remap_failed=False,
    )

    assert judge(worn) == Health()


@pytest.mark.parametrize(
    ("vitals", "why"),
    [
        (Vitals(ecc_uncorrected=1), "1 ECC errors since the last reset"),
        (Vitals(remap_pending=True), "remapped at the next reset"),
        (Vitals(remap_failed=True), "NVIDIA replaces such boards"),
        (Vitals(fault="GPU is lost"), "the driver says of it: GPU is lost"),
    ],
    ids=["uncorrected", "remap pending", "remap failed", "lost"],
)
def test_memory_that_a_reset_alone_mends_asks_for_one(vitals: Vitals, why: str) -> None:
    """No run gets the GPU before; the words say what was found."""
    found = judge(vitals)

    assert found.action == "reset"
    assert why in found.why


@pytest.mark.parametrize(
    ("looks", "why"),
    [(HOT, "slowed down by hardware: heat"), (NARROW, "8 of 16 PCIe lanes work")],
    ids=["heat", "lanes"],
)
def test_what_may_pass_drains_only_when_it_lasts(looks: Vitals, why: str) -> None:
    """One hot moment is no fault; so many looks in a row are, and a good one ends them."""
    assert judge(looks, before=[looks] * (LASTING - 2)) == Health()
    assert judge(looks, before=[looks] * (LASTING - 1)) == Health(action="drain", why=why)
    assert judge(looks, before=[looks] * 9 + [WELL, looks]) == Health()
    assert judge(WELL, before=[looks] * 9) == Health()


def test_different_slowdowns_in_a_row_are_no_lasting_one() -> None:
    """Heat and then the power supply: neither lasts."""
    braked = Vitals(slowdowns=("power brake",))

    assert judge(braked, before=[HOT, HOT]) == Health()


def test_a_link_of_unknown_width_has_lost_no_lanes() -> None:
    """Virtual machines tell a width of 0."""
    odd = Vitals(pcie_width=0, pcie_width_most=16)

    assert judge(odd, before=[odd] * LASTING) == Health()


@pytest.mark.parametrize(
    ("code", "action"),
    [
        *((code, "ok") for code in (13, 31, 43, 45, 63, 68, 92, 94, 100, 130)),
        *((code, "drain") for code in (54, 74, 109, 146, 154, 999)),
        *((code, "reset") for code in (48, 62, 64, 79, 95, 119, 120, 140, 143)),
    ],
)
def test_an_xid_means_what_the_catalogue_says(code: int, action: str) -> None:
    """A run's own error leaves the GPU in use; one that we do not know does not."""
    found = judge(WELL, xids=[code])

    assert found.action == action
    assert (f"XID {code}: " in found.why) == (action != "ok")


@given(st.lists(st.integers(1, 200)), st.integers(1, 200))
def test_one_sign_more_never_makes_a_gpu_healthier(before: list[int], more: int) -> None:
    """Whatever was reported, another error leaves the verdict as it is or makes it graver."""
    grave = ("ok", "drain", "reset")

    less, all_of_them = judge(WELL, xids=before), judge(WELL, xids=[*before, more])

    assert grave.index(less.action) <= grave.index(all_of_them.action)
    assert bool(all_of_them.why) == (all_of_them.action != "ok")


def test_every_xid_has_words() -> None:
    """The table says of each number what is to be done and why, shortly."""
    assert len(XIDS) > 90
    assert {meaning(code)[0] for code in XIDS} == {"ok", "drain", "reset"}
    assert all(10 < len(words) < 80 for _, words in XIDS.values())


def test_the_severest_sign_decides_and_all_of_its_kind_are_told() -> None:
    """What a reset mends anyway needs no drain beside it; each reason for the reset is there."""
    found = judge(NARROW, xids=[79, 13, 48, 74, 79], before=[NARROW] * LASTING)

    assert found.action == "reset"
    assert found.why == (
        "XID 48: an ECC error that could not be corrected; "
        "XID 79: it fell off the bus; the machine must be restarted"
    )


def test_the_state_of_a_device_says_what_keeps_it() -> None:
    """Ill health before company; slices share the health of their GPU, not its company."""
    there = machine(gpu(0), gpu(1), gpu(2), mig_slice(3, 0), mig_slice(3, 1))
    notebook = ForeignProcess(pid=7, user="ada", command="jupyter lab", memory_bytes=2 * GIB)
    health = {
        "GPU-01": Health(action="drain", why="8 of 16 PCIe lanes work"),
        "GPU-03": Health(action="reset", why="XID 79"),
    }

    found = stated(there, health, {"GPU-00": [notebook], "GPU-01": [notebook]})

    assert [(each.state, each.why) for each in found.devices] == [
        ("occupied", "jupyter lab of ada (pid 7, 2 GiB)"),
        ("unhealthy", "is drained: 8 of 16 PCIe lanes work"),
        ("ok", ""),
        ("unhealthy", "needs a reset: XID 79"),
        ("unhealthy", "needs a reset: XID 79"),
    ]


def test_a_state_that_is_known_already_stays() -> None:
    """A quarantine is not lifted because the driver finds nothing wrong."""
    held = gpu(0).model_copy(update={"state": "quarantined", "why": "memory did not return"})

    found = stated(machine(held), {}, {"GPU-00": [ForeignProcess(pid=7)]})

    assert found.devices == (held,)


def test_a_slice_has_the_vitals_of_its_gpu() -> None:
    """And a device that was not read has unknown ones."""
    seen = Observation(inventory=machine(mig_slice(3, 0), gpu(1)), vitals={"GPU-03": NARROW})

    assert seen.vitals_of("MIG-03-0") == NARROW
    assert seen.vitals_of("GPU-01") == Vitals()

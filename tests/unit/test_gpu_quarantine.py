"""What keeps a device out, for how long, and what is a leak: pure, by values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.baselines import TOLERANCE_BYTES, lingering, unexplained
from infra.gpu.placement import Wait, place
from infra.gpu.quarantine import FORGIVEN, Entry, Life, overlaid, quiet, struck, told
from infra.gpu.readings import Occupant, Usage
from infra.resources import RunRequest
from tests.support.machines import gpu, machine, mig_slice

GIB = 2**30
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def entry(**known: object) -> Entry:
    """A device that came at noon."""
    given = {"device": "GPU-00", "why": "it failed", "since": NOON, "until": NOON + quiet(1)}
    return Entry.model_validate(given | known)


@given(st.integers(1, 10_000))
def test_no_device_rests_shorter_for_failing_again_nor_longer_than_a_day(strikes: int) -> None:
    """The period escalates and is bounded, however often a device fails."""
    assert quiet(strikes) <= quiet(strikes + 1) <= timedelta(days=1)


def test_a_device_that_fails_soon_again_rests_longer_and_one_that_was_well_begins_anew() -> None:
    """Strikes are remembered for a week."""
    let_in = entry(strikes=2).passed("it was right", NOON)

    soon = struck(let_in, "GPU-00", "it failed again", NOON + timedelta(hours=1))
    late = struck(let_in, "GPU-00", "it failed again", NOON + FORGIVEN)

    assert (soon.strikes, soon.until - soon.since) == (3, quiet(3))
    assert (late.strikes, late.out) == (1, True)


def test_a_second_reason_joins_the_first_and_the_device_rests_anew() -> None:
    """A device that is out already has come once; what was said is not said again."""
    one, later = entry(), NOON + timedelta(seconds=40)

    again = struck(one, "GPU-00", "it failed", later)
    more = struck(one, "GPU-00", "XID 79", later)

    assert again == one.model_copy(update={"until": later + quiet(1)})
    assert (more.why, more.since, more.strikes) == ("it failed; XID 79", NOON, 1)


def test_reasons_do_not_grow_for_ever() -> None:
    """A counter that grows gives a new reason at each look."""
    one = entry()

    for errors in range(10_000):
        one = struck(one, "GPU-00", f"{errors} ECC errors", NOON)

    assert len(one.why) < 500


@pytest.mark.parametrize(
    ("at", "due"),
    [
        (NOON, False),
        (NOON + quiet(1), True),
        (NOON - timedelta(days=365), True),
    ],
    ids=["at once", "after its rest", "the clock was set back"],
)
def test_a_device_is_due_after_its_rest(at: datetime, due: bool) -> None:
    """A clock that jumps back by a year does not keep a device out for a year."""
    assert entry().due(at) is due


def test_a_failed_probe_is_a_strike_and_one_that_could_not_run_is_none() -> None:
    """A machine without CUDA says so again and again; the device is not worse for it."""
    failed = entry().failed("its memory read wrong", NOON)
    unable = entry().postponed("no library", NOON)

    assert (failed.strikes, failed.until) == (2, NOON + quiet(2))
    assert (unable.strikes, unable.until, unable.said) == (1, NOON + quiet(1), "no library")


def test_a_gpu_that_is_kept_out_keeps_its_slices_out() -> None:
    """By its own UUID or by its GPU's, and with the reason and the next probe in words."""
    there = machine(gpu(0), gpu(1), mig_slice(2, 0))
    kept = {"GPU-00": entry(), "GPU-02": entry(device="GPU-02"), "GPU-01": entry(out=False)}

    shown = overlaid(there, kept)
    waits = place(RunRequest(gpus="mig:1g.10gb"), shown, [])

    assert [each.state for each in shown.devices] == ["quarantined", "ok", "quarantined"]
    assert shown.devices[0].why == (
        "it failed; since 2026-05-04 12:00 UTC, probed next at 12:01 UTC"
    )
    assert isinstance(waits, Wait)


def test_a_device_that_wants_a_reset_says_who_must_do_it() -> None:
    """Nothing of ours resets a GPU."""
    assert told(entry(ended=Life(boot="b"))).endswith("until a person has reset it")


@pytest.mark.parametrize(
    ("now", "ended"),
    [
        (Life(boot="a", energy_j=900.0), False),
        (Life(boot="a", energy_j=12.0), True),
        (Life(boot="b", energy_j=900.0), True),
        (Life(boot="a"), False),
    ],
    ids=["goes on", "its counter began anew", "the machine was restarted", "not known"],
)
def test_a_reset_is_told_by_what_begins_anew(now: Life, ended: bool) -> None:
    """The driver's counter of energy only grows between resets."""
    assert Life(boot="a", energy_j=800.0).precedes(now) is ended


def test_what_others_hold_is_no_leak() -> None:
    """Colleagues, co-tenants and a desktop come and go between two looks."""
    usage = Usage(
        processes=(Occupant(pid=1, memory_bytes=3 * GIB), Occupant(pid=2, memory_bytes=GIB)),
        drawing=(Occupant(pid=3, memory_bytes=GIB // 2),),
        used_bytes=5 * GIB,
    )

    assert unexplained(usage) == GIB // 2
    assert unexplained(Usage(processes=None, used_bytes=GIB)) is None
    assert unexplained(Usage(processes=(Occupant(pid=1),), used_bytes=GIB)) is None


def test_memory_within_the_tolerance_is_back() -> None:
    """A driver's own bookkeeping differs each time; a context that stayed does not."""
    before = 300 * 2**20

    def held(more: int) -> str:
        return lingering(Usage(processes=(), used_bytes=before + more), before, others=False)

    assert held(TOLERANCE_BYTES) == ""
    assert held(2 * GIB) == "2 GiB are held by no process"


def test_the_last_of_several_is_judged_where_the_driver_does_not_say_whose_memory_it_is() -> None:
    """In a container a driver may list no process though co-tenants hold memory."""
    hidden = Usage(processes=(), used_bytes=20 * GIB)
    told_apart = Usage(processes=(Occupant(pid=1, memory_bytes=GIB),), used_bytes=20 * GIB)

    assert lingering(hidden, 0, others=True) == ""
    assert lingering(hidden, 0, others=False) == "20 GiB are held by no process"
    assert lingering(told_apart, 0, others=True) == "19 GiB are held by no process"


def test_a_device_that_no_longer_answers_is_not_back() -> None:
    """What cannot be read was not shown to be well."""
    assert lingering(None, 0, others=False) == "the driver no longer answers for it"

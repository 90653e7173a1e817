"""Which waiting runs a machine takes: priority, age, and who may pass whom."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.claiming import AGE_STEP, Claims, Held, WaitingRun, claim, weight
from infra.gpu.devices import Inventory
from infra.gpu.placement import Grant, Impossible, place
from infra.resources import RunRequest
from tests.support.machines import gpu, machine

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FOUR = machine(*(gpu(place_) for place_ in range(4)))


def minutes(number: float) -> timedelta:
    """A number of minutes."""
    return timedelta(minutes=number)


def waiter(number: int, *, age: float = 0, **wishes: object) -> WaitingRun:
    """A run that has waited for `age` minutes."""
    request = RunRequest.model_validate({"memory": "1GiB", **wishes})
    return WaitingRun(run=UUID(int=number), request=request, since=NOW - minutes(age))


def holder(there: Inventory, gpus: int, until: float | None = None) -> Held:
    """A run that holds the first devices until so many minutes from now."""
    grant = place(RunRequest(gpus=gpus), there, [])
    assert isinstance(grant, Grant)
    return Held(grant=grant, until=None if until is None else NOW + minutes(until))


def numbers(claims: Claims) -> tuple[list[int], list[int]]:
    """The runs that are taken and those that are left."""
    return [each.run.int for each in claims.taken], [each.run.int for each in claims.left]


def test_runs_are_taken_by_priority_and_then_by_age() -> None:
    """Who has waited longer comes first among equals."""
    runs = [waiter(1, gpus=2), waiter(2, gpus=2, age=5), waiter(3, gpus=2, priority=1)]

    taken, left = numbers(claim(runs, FOUR, [], NOW))

    assert (taken, left) == ([3, 2], [1])


def test_the_work_queue_comes_before_priority_and_age() -> None:
    """As with Prefect: whoever is in a later queue waits, however long it has waited."""
    old, urgent = waiter(1, gpus=4, age=600, priority=9), waiter(2, gpus=4)

    taken, left = numbers(claim([old.model_copy(update={"queue": 1}), urgent], FOUR, [], NOW))

    assert (taken, left) == ([2], [1])


def test_waiting_makes_up_for_priority() -> None:
    """Nothing starves: so long a wait is worth one step."""
    old, urgent = waiter(1, gpus=4, age=AGE_STEP / minutes(1) * 3), waiter(2, gpus=4, priority=2)

    taken, left = numbers(claim([urgent, old], FOUR, [], NOW))

    assert weight(old, NOW) == 3
    assert (taken, left) == ([1], [2])


def test_a_clock_that_was_set_back_makes_nobody_younger_than_new() -> None:
    """A run that is due in the future by this clock has not waited, no more and no less."""
    assert weight(waiter(1, age=-60), NOW) == 0


def test_a_small_run_passes_a_big_one_that_it_does_not_delay() -> None:
    """It is over when the big one can start; one that is not waits."""
    busy = [holder(FOUR, 2, until=30)]
    big = waiter(1, gpus=4, age=9)
    short = waiter(2, gpus=1, age=2, max_runtime="PT20M")
    long = waiter(3, gpus=1, age=1, max_runtime="PT40M")

    claims = claim([big, short, long], FOUR, busy, NOW)

    assert numbers(claims) == ([2], [1, 3])
    assert claims.taken[0].passed == (UUID(int=1),)
    assert claims.left[0].expected == NOW + minutes(30)
    assert "would delay run" in claims.left[1].answer.why
    assert "before 12:30:00 UTC" in claims.left[1].answer.why


def test_a_long_run_passes_where_the_big_one_has_enough_without_it() -> None:
    """Three devices will be free for one that needs two."""
    busy = [holder(FOUR, 3, until=30)]
    big, long = waiter(1, gpus=2, age=9), waiter(2, gpus=1)

    claims = claim([big, long], FOUR, busy, NOW)

    assert numbers(claims) == ([2], [1])


def test_nothing_passes_where_nobody_knows_when_a_device_is_free() -> None:
    """A run without a limit may end at any moment; then the first run starts at once."""
    busy = [holder(FOUR, 2)]
    big, short = waiter(1, gpus=4, age=9), waiter(2, gpus=1, max_runtime="PT1M")

    claims = claim([big, short], FOUR, busy, NOW)

    assert numbers(claims) == ([], [1, 2])
    assert claims.left[0].expected is None
    assert "at a time that is not known" in claims.left[1].answer.why


def test_a_run_passes_on_what_the_first_one_cannot_use() -> None:
    """Cores, and devices of another kind."""
    there = machine(gpu(0), gpu(1, name="NVIDIA L4", memory_gib=24))
    busy = [holder(machine(gpu(0)), 1)]
    first = waiter(1, gpus=1, gpu_model="H100", age=9)

    claims = claim([first, waiter(2, gpus=1), waiter(3)], there, busy, NOW)

    assert numbers(claims) == ([2, 3], [1])


def test_cores_that_the_first_run_waits_for_are_kept_for_it() -> None:
    """Many small runs do not keep a large one out by its cores."""
    there = machine(cpus=4)
    busy = [Held(grant=Grant(cpus=2, memory_bytes=1))]

    small = [waiter(number, cpus=1) for number in (2, 3)]
    claims = claim([waiter(1, cpus=4, age=9), *small], there, busy, NOW)

    assert numbers(claims) == ([], [1, 2, 3])


def test_a_run_that_waits_for_cores_keeps_no_devices_and_what_asks_for_none_passes() -> None:
    """Nobody knows when the cores are free; two GPUs do not stand idle until then."""
    there = machine(gpu(0), gpu(1), cpus=8)
    busy = [Held(grant=Grant(cpus=4, memory_bytes=0))]
    others = [waiter(2, gpus=1), waiter(3), waiter(4, gpus=1, cpus=1)]

    claims = claim([waiter(1, cpus=8, age=9), *others], there, busy, NOW)

    assert numbers(claims) == ([2, 3], [1, 4])


def test_memory_that_the_first_run_waits_for_is_kept_for_it() -> None:
    """What takes none of it passes."""
    there = machine(cpus=8)
    half = there.memory_bytes // 2
    busy = [Held(grant=Grant(cpus=0, memory_bytes=half))]
    first = waiter(1, memory=there.memory_bytes, age=9)

    claims = claim([first, waiter(2), waiter(3, memory=None, cpus=8)], there, busy, NOW)

    assert numbers(claims) == ([3], [1, 2])


def test_a_run_whose_devices_are_unwell_keeps_nobody_waiting() -> None:
    """No end of a run would help it, so no room is kept for it."""
    unwell = gpu(0).model_copy(update={"state": "unhealthy", "why": "XID 79"})
    there = machine(unwell, gpu(1))

    claims = claim([waiter(1, gpus=2, age=9), waiter(2, gpus=1)], there, [], NOW)

    assert numbers(claims) == ([2], [1])


def test_what_is_impossible_keeps_nobody_waiting() -> None:
    """It is left with its reason, for the worker to refuse."""
    claims = claim([waiter(1, gpus=5, age=9), waiter(2, gpus=4)], FOUR, [], NOW)

    assert numbers(claims) == ([2], [1])
    assert isinstance(claims.left[0].answer, Impossible)


def test_a_run_that_is_overdue_may_end_any_moment() -> None:
    """Its limit is past: the reservation is for now, and nothing passes for longer than that."""
    busy = [holder(FOUR, 2, until=-5)]

    claims = claim([waiter(1, gpus=4, age=9), waiter(2, gpus=1)], FOUR, busy, NOW)

    assert numbers(claims) == ([], [1, 2])


_waiters = st.lists(
    st.builds(
        lambda gpus, runtime, age, priority: (gpus, runtime, age, priority),
        st.sampled_from([0, 1, 2, 3, 4, 0.5]),
        st.one_of(st.none(), st.integers(1, 60)),
        st.integers(0, 120),
        st.integers(0, 3),
    ),
    max_size=8,
)
_holders = st.lists(
    st.tuples(st.integers(1, 2), st.one_of(st.none(), st.integers(1, 60))), max_size=2
)


@given(_waiters, _holders)
def test_no_run_that_passes_delays_the_first(
    wishes: list[tuple[float, int | None, int, int]], holders: list[tuple[int, int | None]]
) -> None:
    """At the time for which the first run is expected, it fits beside all that runs then."""
    busy: list[Held] = []
    for gpus, until in holders:
        grant = place(RunRequest(gpus=gpus), FOUR, [each.grant for each in busy])
        assert isinstance(grant, Grant)
        end = None if until is None else NOW + minutes(until)
        busy.append(Held(grant=grant, until=end))
    runs = [
        waiter(
            number,
            gpus=gpus,
            age=age,
            priority=priority,
            **({"max_runtime": minutes(runtime)} if runtime else {}),
        )
        for number, (gpus, runtime, age, priority) in enumerate(wishes)
    ]
    requests = {each.run: each.request for each in runs}

    claims = claim(runs, FOUR, busy, NOW)

    assert len(claims.taken) + len(claims.left) == len(runs)
    first = next((each for each in claims.left if each.expected is not None), None)
    if first is not None:
        at = first.expected
        assert at is not None
        ends = [(each.grant, each.until) for each in busy]
        ends += [(each.grant, _end(requests[each.run])) for each in claims.taken]
        then = [grant for grant, end in ends if end is None or end > at]
        assert isinstance(place(requests[first.run], FOUR, then), Grant)


def _end(request: RunRequest) -> datetime | None:
    return NOW + request.max_runtime if request.max_runtime else None

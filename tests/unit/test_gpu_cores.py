"""Which cores a run gets: by example, and whatever anybody asks for."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.cores import Core, choose
from infra.gpu.host import cores
from infra.gpu.placement import Grant, place
from infra.resources import RunRequest
from tests.support.machines import gpu, machine

Take = tuple[int, frozenset[int]]
"""How many cores a run asks for, and the NUMA nodes of its devices."""


def two_sockets(physical: int = 4, threads: int = 2) -> tuple[Core, ...]:
    """Two NUMA nodes of as many cores; the second thread of each is numbered after all firsts."""
    every = 2 * physical
    return tuple(
        Core(number=number, physical=number % every, numa=number % every // physical)
        for number in range(every * threads)
    )


def test_cores_lie_near_the_devices() -> None:
    """A copy to a GPU of the other socket crosses the link between the two."""
    assert choose(4, two_sockets(), (), {1}) == (4, 5, 12, 13)


def test_devices_on_two_nodes_get_cores_of_both() -> None:
    """Half of a gang would else feed its GPUs from afar."""
    assert choose(4, two_sockets(), (), {0, 1}) == (0, 4, 8, 12)


def test_threads_of_one_physical_core_are_taken_together() -> None:
    """Two runs on the two threads of one core slow each other down."""
    assert choose(2, two_sockets(), ()) == (0, 8)
    assert choose(2, two_sockets(), (8,)) == (1, 9)


def test_one_core_is_taken_where_its_sibling_is_gone_already() -> None:
    """Whole cores stay whole, as whole devices do."""
    assert choose(1, two_sockets(), (0,)) == (8,)
    assert choose(3, two_sockets(), (0,)) == (1, 8, 9)


def test_a_run_without_devices_stays_on_one_node_and_leaves_the_larger_room() -> None:
    """Best fit, as for devices."""
    taken = {4, 12}

    assert choose(6, two_sockets(), taken) == (5, 6, 7, 13, 14, 15)
    assert choose(8, two_sockets(), taken) == (0, 1, 2, 3, 8, 9, 10, 11)


def test_a_run_that_no_node_can_hold_takes_the_rest_where_there_is_most() -> None:
    """It runs, though not as near as could be wished."""
    assert choose(5, two_sockets(physical=2), (), {0}) == (0, 1, 2, 4, 5)
    assert len(choose(8, two_sockets(physical=2), ())) == 8


def test_where_the_machine_says_nothing_of_its_cores_none_is_chosen() -> None:
    """They are still counted."""
    found = place(RunRequest(cpus=3), machine(cpus=4), [])

    assert isinstance(found, Grant)
    assert (found.cpus, found.cores) == (3, ())


def test_a_grant_names_cores_near_its_device() -> None:
    """Placement chooses both."""
    there = machine(gpu(0, numa=0), gpu(1, numa=1), cpus=16).model_copy(
        update={"cores": two_sockets()}
    )

    first = place(RunRequest(gpus=1, cpus=8), there, [])
    assert isinstance(first, Grant)
    second = place(RunRequest(gpus=1, cpus=8), there, [first])

    assert isinstance(second, Grant)
    assert first.cores == (0, 1, 2, 3, 8, 9, 10, 11)
    assert second.cores == (4, 5, 6, 7, 12, 13, 14, 15)


@st.composite
def machines(draw: st.DrawFn) -> tuple[Core, ...]:
    """Cores of any shape; some may be switched off."""
    made = two_sockets(draw(st.integers(1, 6)), draw(st.sampled_from((1, 2, 4))))
    off = draw(st.sets(st.sampled_from(made), max_size=len(made) - 1))
    nodeless = draw(st.booleans())
    there = [core for core in made if core not in off]
    return tuple(core.model_copy(update={"numa": None}) if nodeless else core for core in there)


@given(machines(), st.data())
def test_cores_are_never_shared_and_never_more_than_there_are(
    there: tuple[Core, ...], data: st.DataObject
) -> None:
    """Runs come and go; each has what it asked for while as many are free."""
    held: list[tuple[int, ...]] = []
    for _ in range(data.draw(st.integers(1, 8))):
        leaves: bool = data.draw(st.booleans())
        if held and leaves:
            held.pop(data.draw(st.integers(0, len(held) - 1)))
        taken = [number for each in held for number in each]
        count = data.draw(st.integers(1, len(there)))

        got = choose(count, there, taken, data.draw(st.sets(st.integers(0, 1))))

        assert len(got) == min(count, len(there) - len(taken))
        assert set(got) <= {core.number for core in there} - set(taken)
        held.append(got)
    assert max(Counter(number for each in held for number in each).values(), default=1) == 1


@given(machines(), st.lists(st.integers(0, 5), max_size=10), st.data())
def test_placement_promises_no_core_twice(
    there: tuple[Core, ...], asked: list[int], data: st.DataObject
) -> None:
    """Each run that fits has as many as it asked for, however many come and go."""
    host = machine(gpu(0, numa=0), gpu(1, numa=1), cpus=len(there))
    host = host.model_copy(update={"cores": there})
    held: list[Grant] = []
    for cpus in asked:
        leaves: bool = data.draw(st.booleans())
        if held and leaves:
            held.pop(data.draw(st.integers(0, len(held) - 1)))
        got = place(RunRequest(cpus=cpus, gpus=data.draw(st.integers(0, 1))), host, held)
        if isinstance(got, Grant):
            assert len(got.cores) == got.cpus == cpus
            held.append(got)
    mine = [core for grant in held for core in grant.cores]
    assert len(mine) == len(set(mine)) <= len(there)


@given(machines(), st.data())
def test_at_most_one_physical_core_is_split_on_each_node(
    there: tuple[Core, ...], data: st.DataObject
) -> None:
    """On a machine that nobody uses yet; what is left over of a core is one core's."""
    got = choose(data.draw(st.integers(1, len(there))), there, ())

    mine = [core for core in there if core.number in got]
    whole = Counter(core.physical for core in there)
    split = {
        core.physical: core.numa
        for core in mine
        if sum(each.physical == core.physical for each in mine) < whole[core.physical]
    }
    assert max(Counter(split.values()).values(), default=0) <= 1


def test_the_kernel_says_which_cores_are_siblings_and_where_they_are(tmp_path: Path) -> None:
    """By lists with ranges, as sysfs writes them."""
    mine = sorted(core.number for core in cores())
    first = mine[0]
    files = {
        f"devices/system/cpu/cpu{first}/topology/thread_siblings_list": f"{first}-{first + 1}\n",
        "devices/system/node/node0/cpulist": "\n",
        "devices/system/node/node3/cpulist": f"0-{mine[-1]}\n",
    }
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)

    found = cores(tmp_path)

    assert found[0] == Core(number=first, physical=first, numa=3)
    assert [core.number for core in found] == mine


@pytest.mark.parametrize("text", ["", "nonsense", "-", ",,"])
def test_what_the_kernel_says_unclearly_leaves_a_core_alone(tmp_path: Path, text: str) -> None:
    """It is its own physical core, on no node."""
    number = cores()[0].number
    path = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
    path.parent.mkdir(parents=True)
    path.write_text(text)

    assert cores(tmp_path)[0] == Core(number=number, physical=number, numa=None)

"""Whose processes are on a device: by families made up, and on looks that disagree."""

import os

from hypothesis import given
from hypothesis import strategies as st

from infra.gpu.census import find_foreign, kin
from infra.gpu.devices import ForeignProcess
from infra.gpu.foreign import Kin, Person, described, explained, strangers, unlike_ours
from infra.gpu.readings import Observation, Occupant, Usage
from tests.support.machines import GIB, gpu, machine

NOBODY = 2**22 + 1
"""Larger than any pid of Linux."""

FAMILY = {
    1: Kin(parent=0, group=1),
    10: Kin(parent=1, group=10),
    11: Kin(parent=10, group=10),
    12: Kin(parent=11, group=12),
    13: Kin(parent=12, group=13),
    14: Kin(parent=1, group=10),
    20: Kin(parent=1, group=20),
}
"""A run (10) with a child, a grandchild in a session of its own and hers, an orphan; a stranger."""

families = st.dictionaries(
    st.integers(1, 30),
    st.builds(Kin, parent=st.integers(0, 30), group=st.integers(1, 30)),
    max_size=30,
)


class Looks:
    """A device, and who is on it at each look in turn."""

    def __init__(self, *occupants: tuple[Occupant, ...]) -> None:
        self._occupants = list(occupants)

    def read(self) -> Observation:
        """The next look."""
        usage = {"GPU-00": Usage(processes=self._occupants.pop(0))}
        return Observation(inventory=machine(gpu(0)), usage=usage)


def test_a_group_and_all_that_descend_from_it_are_ours() -> None:
    """Who left the group is ours by birth, who lost its parent by the group."""
    assert explained(FAMILY, [10]) == {10, 11, 12, 13, 14}
    assert explained(FAMILY, [11]) == {11, 12, 13}
    assert explained(FAMILY, []) == frozenset()


def test_the_worker_above_a_run_is_not_the_run() -> None:
    """Kinship goes downwards only: siblings of a run are not its own."""
    assert 1 not in explained(FAMILY, [12])
    assert explained(FAMILY, [12]) == {12, 13}


@given(families, st.sets(st.integers(1, 30)))
def test_every_child_of_ours_is_ours(kin: dict[int, Kin], groups: set[int]) -> None:
    """Whatever the family, loops included: closed under birth, and nobody else is in it."""
    ours = explained(kin, groups)

    assert {pid for pid, each in kin.items() if each.parent in ours} <= ours
    assert all(kin[pid].group in groups or pid in groups or kin[pid].parent in ours for pid in ours)


def test_strangers_are_those_whom_no_lease_explains() -> None:
    """Where the driver does not say who is there, nobody is accused."""
    occupants = [Occupant(pid=10), Occupant(pid=20)]

    assert strangers(occupants, {10}) == [Occupant(pid=20)]
    assert strangers(None, {10}) == []


def test_a_stranger_is_told_by_user_command_and_memory() -> None:
    """What a colleague is asked about; what is not known is left out, not made up."""
    people = {20: Person(user="ada", command="python notebook.py")}

    seen = described(Occupant(pid=20, memory_bytes=3 * GIB), people)
    unseen = described(Occupant(pid=21), people)

    assert str(seen) == "python notebook.py of ada (pid 20, 3 GiB)"
    assert str(unseen) == "pid 21, unseen here"


def test_a_process_that_ended_between_two_looks_is_no_stranger() -> None:
    """It was there for the driver and gone for the system: the second look decides."""
    ended, me = (Occupant(pid=NOBODY),), (Occupant(pid=os.getpid()),)

    _, gone = find_foreign(Looks(ended, ()), [])
    _, left = find_foreign(Looks(ended + me, ()), [])
    _, there = find_foreign(Looks(ended, ended), [])

    assert gone == {}
    assert [each.pid for each in left["GPU-00"]] == [os.getpid()]
    assert there == {"GPU-00": (ForeignProcess(pid=NOBODY),)}


def test_what_can_be_seen_is_not_asked_for_twice() -> None:
    """One look is enough where every stranger is known; this very process is one."""
    me = (Occupant(pid=os.getpid(), memory_bytes=GIB),)

    _, found = find_foreign(Looks(me), [])
    _, ours = find_foreign(Looks(me), [os.getpgid(0)])

    assert [each.pid for each in found["GPU-00"]] == [os.getpid()]
    assert found["GPU-00"][0].command
    assert ours == {}


def test_the_census_knows_this_process() -> None:
    """Parent and group as the system has them."""
    assert kin()[os.getpid()] == Kin(parent=os.getppid(), group=os.getpgid(0))


def test_in_a_container_what_nobody_can_see_on_a_run_s_device_is_taken_for_the_run_s() -> None:
    """The driver numbers it as the host does; on a device that nobody holds it is a stranger."""
    unseen = ForeignProcess(pid=812_345)
    seen = ForeignProcess(pid=17, user="ada", command="jupyter")
    found = {"GPU-00": (unseen, seen), "GPU-01": (unseen,), "GPU-02": (unseen,)}

    inside = unlike_ours(found, {"GPU-00", "GPU-01"}, everyone=False)
    outside = unlike_ours(found, {"GPU-00", "GPU-01"}, everyone=True)

    assert inside == {"GPU-00": (seen,), "GPU-02": (unseen,)}
    assert outside == found

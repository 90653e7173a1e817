"""Where a control group is made, and with which limits: version 2 as files that a test writes."""

import os
from pathlib import Path

import pytest

from infra.gpu.cgroups import Group, Limits, NoGroupError, found, make
from tests.unit.test_gpu_host import version_2, written

MIB = 2**20
LIMITS = Limits(memory_bytes=300 * MIB, cpus=2, cores=(1, 2))


def tree(root: Path, handed: dict[str, str]) -> Path:
    """A process in ``/ours/worker``; for each group what it hands on to those below it."""
    files = version_2("/ours/worker")
    for group in ("", "/ours", "/ours/worker"):
        files |= {
            f"sys/fs/cgroup{group}/cgroup.procs": "",
            f"sys/fs/cgroup{group}/cgroup.controllers": "cpuset cpu memory\n",
            f"sys/fs/cgroup{group}/cgroup.subtree_control": handed.get(group, ""),
        }
    return written(root, files)


def test_a_group_is_made_in_the_nearest_one_that_hands_memory_on(tmp_path: Path) -> None:
    """Beside the worker's own, where a service delegates its groups."""
    root = tree(tmp_path, {"": "memory", "/ours": "cpuset cpu memory"})
    (root / "sys/fs/cgroup/ours/worker/cgroup.controllers").write_text("")

    group = make("perennial-1", LIMITS, root)

    folder = root / "sys/fs/cgroup/ours/perennial-1"
    assert (group.version, group.folders, group.cpus) == (2, (folder,), "cpuset")
    assert (folder / "memory.max").read_text() == str(300 * MIB)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cpuset.cpus").read_text() == "1,2"


def test_a_controller_that_is_there_is_handed_on(tmp_path: Path) -> None:
    """The kernel refuses that to a group that has processes of its own."""
    root = tree(tmp_path, {"/ours": "memory"})
    (root / "sys/fs/cgroup/ours/worker/cgroup.controllers").write_text("")

    make("perennial-1", LIMITS, root)

    assert (root / "sys/fs/cgroup/ours/cgroup.subtree_control").read_text() == "+cpu"


def test_without_a_cpuset_a_quota_holds_the_cores(tmp_path: Path) -> None:
    """A user's own groups have no cpuset as a rule."""
    root = tree(tmp_path, {"/ours/worker": "memory cpu"})
    (root / "sys/fs/cgroup/ours/worker/cgroup.controllers").write_text("memory cpu")

    group = make("perennial-1", LIMITS, root)

    assert group.cpus == "quota"
    assert (group.folders[0] / "cpu.max").read_text() == "200000 100000"
    assert [each.cpus for each in found("perennial-", root)] == ["quota"]


def test_a_run_that_keeps_no_memory_has_no_limit_of_it(tmp_path: Path) -> None:
    """Its group is there to hold its cores."""
    root = tree(tmp_path, {"/ours/worker": "memory cpuset"})

    group = make("perennial-1", Limits(memory_bytes=0, cpus=1, cores=(3,)), root)

    assert (group.folders[0] / "memory.max").read_text() == "max"


def test_a_process_that_has_no_number_here_is_no_member(tmp_path: Path) -> None:
    """To end process 0 would be to end oneself and one's group."""
    (tmp_path / "cgroup.procs").write_text("0\n12\n")

    assert Group("perennial-1", 2, (tmp_path,)).members() == {12}


def test_a_kernel_without_control_groups_says_so(tmp_path: Path) -> None:
    """The lease says it too."""
    with pytest.raises(NoGroupError, match="no memory controller is mounted"):
        make("perennial-1", LIMITS, tmp_path)


def test_where_no_group_has_the_memory_controller_each_says_why(tmp_path: Path) -> None:
    """Version 2 beside version 1: the old hierarchy has the controllers."""
    root = tree(tmp_path, {})
    for group in ("", "ours", "ours/worker"):
        (root / "sys/fs/cgroup" / group / "cgroup.controllers").write_text("hugetlb")

    with pytest.raises(NoGroupError, match="cgroup/ours: it has no memory controller and 1 more"):
        make("perennial-1", LIMITS, root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_user_that_may_not_make_groups_is_told(tmp_path: Path) -> None:
    """Most users on most machines."""
    root = tree(tmp_path, {"": "memory", "/ours": "memory", "/ours/worker": "memory"})
    for folder in (root / "sys/fs/cgroup").rglob("cgroup.procs"):
        folder.chmod(0o444)

    with pytest.raises(NoGroupError, match="this user may not make groups there"):
        make("perennial-1", LIMITS, root)

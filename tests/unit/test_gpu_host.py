"""Cores and memory that a process may use, by control groups that a test writes."""

import os
from pathlib import Path

import psutil
import pytest

from infra.gpu.host import Allowance, allowance

ALL = Allowance(len(os.sched_getaffinity(0)), psutil.virtual_memory().total)
MIB = 2**20
HALF = f"{len(os.sched_getaffinity(0)) * 50_000} 100000"
"""A quota of half the cores, as version 2 writes it."""


def written(root: Path, files: dict[str, str]) -> Path:
    """A folder with files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def version_2(group: str, top: str = "/") -> dict[str, str]:
    """What the kernel says of a process in a group of version 2."""
    return {
        "proc/self/cgroup": f"0::{group}\n",
        "proc/self/mountinfo": f"30 1 0:26 {top} /sys/fs/cgroup rw shared:4 - cgroup2 cgroup rw\n",
    }


def test_a_machine_without_control_groups_is_all_there_is(tmp_path: Path) -> None:
    """No limit is known, so none is made up."""
    assert allowance(tmp_path) == ALL


def test_the_real_machine_allows_something() -> None:
    """Whatever limits this test runs under."""
    found = allowance()

    assert 1 <= found.cpus <= ALL.cpus
    assert 0 < found.memory_bytes <= ALL.memory_bytes


def test_the_tightest_group_above_a_process_counts(tmp_path: Path) -> None:
    """A service has no limit of its own, the slice above it has."""
    root = written(
        tmp_path,
        {
            **version_2("/user.slice/job.service"),
            "sys/fs/cgroup/user.slice/job.service/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/job.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{300 * MIB}\n",
            "sys/fs/cgroup/user.slice/cpu.max": f"{HALF}\n",
        },
    )

    assert allowance(root) == Allowance(max(1, ALL.cpus // 2), 300 * MIB)


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    """The group's path is the host's, the mount shows what lies below it."""
    root = written(
        tmp_path,
        {
            **version_2("/docker/abc/job", top="/docker/abc"),
            "sys/fs/cgroup/job/memory.max": f"{200 * MIB}\n",
        },
    )

    assert allowance(root).memory_bytes == 200 * MIB


def test_version_1_has_a_mount_for_each_controller(tmp_path: Path) -> None:
    """Quota and period in two files; a limit beyond all memory is none."""
    mount = "31 30 0:27 / /sys/fs/cgroup/{0} rw - cgroup cgroup rw,{0}\n"
    root = written(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n",
            "proc/self/mountinfo": mount.format("memory") + mount.format("cpu,cpuacct"),
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{100 * MIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )

    assert allowance(root) == Allowance(1, 100 * MIB)


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "", "proc/self/mountinfo": "\n"},
        {"proc/self/cgroup": "nonsense\n", "proc/self/mountinfo": "a b c - cgroup2\n"},
        {**version_2("/gone")},
        {**version_2("/a"), "sys/fs/cgroup/a/memory.max": "", "sys/fs/cgroup/a/cpu.max": "\n"},
        {**version_2("/a"), "sys/fs/cgroup/a/memory.max": "x", "sys/fs/cgroup/a/cpu.max": "x y"},
        {**version_2("/"), "proc/self/mountinfo": "30 1 - cgroup2 cgroup rw\n"},
    ],
    ids=["empty", "nonsense", "no such folder", "empty limits", "no numbers", "short line"],
)
def test_what_cannot_be_understood_limits_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    """A kernel that writes something else does not stop the worker."""
    assert allowance(written(tmp_path, files)) == ALL

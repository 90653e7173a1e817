"""What this process may use of its machine: cores and memory, by affinity and control groups."""

import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psutil

from infra.gpu.cores import Core

_ROOT = Path("/")
_MOUNT_FIELDS = 5
"""Of a line of mountinfo: the fourth is what of a file system is mounted, the fifth where."""
_QUOTA_AND_PERIOD = 2
_NUMBER = re.compile(r"-?\d+")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class Allowance(NamedTuple):
    """Whole cores, at least one, and bytes of memory."""

    cpus: int
    memory_bytes: int


def allowance(root: Path = _ROOT) -> Allowance:
    """The cores and the memory that this process may use.

    The smallest of what the machine has, the cores that the process may run on, and the limits of
    its control group and of every group above it, version 1 or 2.

    Args:
        root: where ``/proc`` and the control groups are looked for.
    """
    cores = float(len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)
    memory = psutil.virtual_memory().total
    for folder in _groups(root):
        cores = min(cores, _cores(folder) or cores)
        memory = min(memory, _memory(folder) or memory)
    return Allowance(cpus=max(1, int(cores)), memory_bytes=memory)


def cores(root: Path = _ROOT) -> tuple[Core, ...]:
    """The cores that this process may run on; none where the kernel has no affinity.

    Args:
        root: where the kernel's word on cores and NUMA nodes is looked for.
    """
    if sys.platform != "linux":
        return ()
    return _topology(frozenset(os.sched_getaffinity(0)), root)


@lru_cache(maxsize=1)
def _topology(numbers: frozenset[int], root: Path) -> tuple[Core, ...]:
    nodes: dict[int, int] = {}
    for folder in sorted((root / "sys/devices/system/node").glob("node[0-9]*")):
        node = int(folder.name.removeprefix("node"))
        nodes |= dict.fromkeys(_listed(folder / "cpulist"), node)
    known = root / "sys/devices/system/cpu"
    return tuple(
        Core(
            number=number,
            physical=min(
                _listed(known / f"cpu{number}/topology/thread_siblings_list"), default=number
            ),
            numa=nodes.get(number),
        )
        for number in sorted(numbers)
    )


def _listed(path: Path) -> list[int]:
    """The numbers of a list as the kernel writes it: ``0-3,8``."""
    found: list[int] = []
    for first, last in _RANGE.findall(" ".join(_lines(path))):
        found.extend(range(int(first), int(last or first) + 1))
    return found


def _groups(root: Path) -> Iterator[Path]:
    """Every folder of a control group that this process is in, each with those above it."""
    own = _lines(root / "proc/self/cgroup")
    groups = {line.split(":")[1]: line.split(":", 2)[-1] for line in own if ":" in line}
    for line in _lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        where, how = place.split(), kind.split()
        if len(where) < _MOUNT_FIELDS or not how or how[0] not in {"cgroup", "cgroup2"}:
            continue
        controllers = "" if how[0] == "cgroup2" else _controllers(groups, how[-1])
        if controllers in groups:
            yield from _upwards(root, groups[controllers], top=where[3], mounted=where[4])


def _controllers(groups: dict[str, str], options: str) -> str:
    """The line of ``/proc/self/cgroup`` that a mount of version 1 belongs to."""
    mounted = set(options.split(","))
    return next((each for each in groups if each and set(each.split(",")) <= mounted), "none")


def _upwards(root: Path, group: str, *, top: str, mounted: str) -> Iterator[Path]:
    """A group's folder and those above it, as far as they can be seen below a mount."""
    mount = root / mounted.lstrip("/")
    inside = group.removeprefix(top) if group.startswith(top) else ""
    parts = [part for part in inside.split("/") if part not in {"", ".."}]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _cores(folder: Path) -> float | None:
    """Cores that a group may use on average, None where it has no limit."""
    numbers = _numbers(folder / "cpu.max") or [
        *_numbers(folder / "cpu.cfs_quota_us"),
        *_numbers(folder / "cpu.cfs_period_us"),
    ]
    if len(numbers) != _QUOTA_AND_PERIOD:
        return None
    quota, period = numbers
    return quota / period if quota > 0 and period > 0 else None


def _memory(folder: Path) -> int | None:
    """Bytes that a group may use, None where it has no limit."""
    limits = _numbers(folder / "memory.max") or _numbers(folder / "memory.limit_in_bytes")
    return limits[0] if limits and limits[0] > 0 else None


def _numbers(path: Path) -> list[int]:
    """The numbers of a file of one line; none where it is not there, or says ``max``."""
    words = " ".join(_lines(path)).split()
    return [int(word) for word in words] if all(map(_NUMBER.fullmatch, words)) else []


def _lines(path: Path) -> list[str]:
    """A file of the kernel's by lines; none where it is not there."""
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []

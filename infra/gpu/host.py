"""What this process may use of its machine: cores and memory, by affinity and control groups."""

import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psutil

from infra.gpu.cores import Core
from infra.gpu.hierarchies import ROOT, hierarchies, lines

_QUOTA_AND_PERIOD = 2
_NUMBER = re.compile(r"-?\d+")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class Allowance(NamedTuple):
    """Whole cores, at least one, and bytes of memory."""

    cpus: int
    memory_bytes: int


def allowance(root: Path = ROOT) -> Allowance:
    """The cores and the memory that this process may use.

    The smallest of what the machine has, the cores that the process may run on, and the limits of
    its control group and of every group above it, version 1 or 2.

    Args:
        root: where ``/proc`` and the control groups are looked for.
    """
    count = float(len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)
    memory = psutil.virtual_memory().total
    for folder in (each for found in hierarchies(root) for each in found.folders):
        count = min(count, _cores(folder) or count)
        memory = min(memory, _memory(folder) or memory)
    return Allowance(cpus=max(1, int(count)), memory_bytes=memory)


def cores(root: Path = ROOT) -> tuple[Core, ...]:
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
    for first, last in _RANGE.findall(" ".join(lines(path))):
        found.extend(range(int(first), int(last or first) + 1))
    return found


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
    words = " ".join(lines(path)).split()
    return [int(word) for word in words] if all(map(_NUMBER.fullmatch, words)) else []

"""What the simulated driver saw: who was on a device with how much, judged by its log alone."""

import json
from pathlib import Path
from typing import NamedTuple

from tests.support.nvml.gpus import GIB, audited


class Audit(NamedTuple):
    """A driver's log, judged.

    Attributes:
        came: how often a process came onto a device.
        together: how often there were others on it already, as runs that share a device are.
        booked_twice: a sentence for each time that a device held more than it has.
    """

    came: int
    together: int
    booked_twice: tuple[str, ...]


def audit(state: Path) -> Audit:
    """Judge every moment at which a process came onto a device.

    The log is written under the lock under which processes come and go, and each line has all
    that live on the device: processes that meet on it do so in the line of the one that came last.

    Args:
        state: the file of the simulated GPUs.
    """
    before: dict[str, set[tuple[int, int]]] = {}
    came, together, twice = 0, 0, []
    for line in audited(state).read_text("utf-8").splitlines():
        seen = json.loads(line)
        device, there = seen["device"], {(pid, start) for pid, start, _ in seen["processes"]}
        new = there - before.get(device, set())
        before[device] = there
        came += len(new)
        together += len(new) if len(there) > 1 else 0
        held = sum(memory for _, _, memory in seen["processes"])
        if held > seen["total"]:
            twice.append(f"{device}: {held / GIB:.1f} GiB of {seen['total'] / GIB:.0f} by {there}")
    return Audit(came, together, tuple(twice))

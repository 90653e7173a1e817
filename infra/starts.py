"""When a process started, by a clock that nobody sets: a pid is used again, a pid with this is not.

It imports little, for the keeper of a stack always runs.
"""

import os
import sys
import time
from pathlib import Path
from typing import Final

_STATE, _START = 0, 19
"""Places in ``/proc/PID/stat`` behind the name. Source: proc_pid_stat(5), fields 3 and 22."""

_ENDED: Final = {"Z", "X"}
"""A zombie has ended; that nobody has asked for its exit code changes nothing."""


def start_of(pid: int) -> str | None:
    """The mark of a process's start, equal for the same process only; None where none runs.

    The time of day is no such mark: it is computed from the clock, and clocks are set.
    """
    if sys.platform != "linux":
        return _by_clock(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # a process may call itself anything, ")" included
    return None if fields[_STATE] in _ENDED else f"{boot}:{fields[_START]}"


def age_s(started: str) -> float | None:
    """Seconds since a process started, by a clock that nobody sets; None where nobody can tell.

    Args:
        started: what `start_of` said of it.
    """
    if sys.platform != "linux":
        return max(time.time() - float(started), 0.0)
    boot, _, ticks = started.partition(":")
    try:
        now = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        uptime_s = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except OSError:
        return None
    return uptime_s - int(ticks) / os.sysconf("SC_CLK_TCK") if boot == now else None


def _by_clock(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None

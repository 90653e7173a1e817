"""What workers are given to do in tests: importable, as all work for workers is."""

import os
import signal
import sys
import time
from pathlib import Path

from infra.errors import DataError


def who(job: int) -> tuple[int, int, str, bool]:
    """The job, the process that did it, its threads, and whether Prefect was imported there."""
    time.sleep(0.3)  # long enough for the other worker to take the next job
    return job, os.getpid(), os.environ.get("OMP_NUM_THREADS", ""), "prefect" in sys.modules


def imported(module: str) -> bool:
    """Whether a module is imported there already."""
    return module in sys.modules


def die(job: int) -> int:
    """Killed at job 1, as by the machine's own memory killer."""
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def eat(job: int) -> int:
    """Takes a gibibyte, 32 MiB at a time."""
    taken = []
    for _ in range(32):
        taken.append(bytearray(os.urandom(2**20)) * 32)
        time.sleep(0.02)
    return len(taken) + job


def refuse(job: int) -> int:
    """An error of ours at job 1."""
    if job == 1:
        raise DataError("The rows are too few.", hint="Wait for more.")
    return job


def stumble(job: int) -> int:
    """An error that is not ours at job 1."""
    return 1 // (job - 1)


def linger(folder: str) -> None:
    """Leaves its process id in a folder and stays."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(120)

"""Leases of simulated GPUs, as a worker gives them: placed, with the baseline of their devices."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import psutil

from infra.gpu.baselines import note_baselines
from infra.gpu.belonging import marks
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.readings import Observation
from infra.processes import ProcessIdentity
from infra.resources import RunRequest


def given(
    journal: Journal, worker: Worker, seen: Observation, number: int, request: RunRequest
) -> Lease:
    """A lease for the run of a number."""
    with journal.deciding(worker) as decision:
        lease = decision.lease(UUID(int=number), request, seen.inventory)
        assert isinstance(lease, Lease), lease.why
        note_baselines(decision, lease, seen)
    return lease


@contextmanager
def running(journal: Journal, worker: Worker, lease: Lease, script: str) -> Iterator[psutil.Popen]:
    """The process of a lease: a shell that leads a group and carries the lease's number."""
    environment = os.environ | marks(journal.path, lease)
    with started(script, environment) as process:
        with journal.deciding(worker) as decision:
            decision.attach(lease, ProcessIdentity.of(process.pid))
        yield process


@contextmanager
def started(script: str, environment: dict[str, str] | None = None) -> Iterator[psutil.Popen]:
    """A shell in a group of its own; whoever of it is left at the end is killed."""
    process = psutil.Popen(["sh", "-c", script], env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            for each in (*process.children(recursive=True), process):
                each.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


def pid_in(path: Path) -> int:
    """The pid that a script has written to a file; 0 while it has not."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else 0

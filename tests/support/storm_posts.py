"""What a storm rages over: machines with GPUs, and workers that are started again and again."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.processes import variable
from infra.settings import PROJECT
from tests.support.nvml.gpus import GIB, SimulatedGpus, audited


@dataclass
class Place:
    """A machine: its GPUs, its journal, and how a command gets there."""

    folder: Path
    before: list[str] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """Of all workers of the machine."""
        return self.folder / "leases.db"

    @property
    def state(self) -> Path:
        """Of its GPUs."""
        return self.folder / "state"

    def furnish(self, *gib: int, slices: int = 0) -> None:
        """Give it GPUs of so many GiB; the last is cut into slices where there are to be some."""
        gpus = SimulatedGpus(self.state)
        made = [gpus.add(memory=each * GIB, numa=None) for each in gib]
        for _ in range(slices):
            made[-1].slice("1g.10gb")
        audited(self.state).touch()

    def processes(self) -> list[psutil.Process]:
        """Every process that has to do with its leases."""
        return [
            each
            for each in psutil.process_iter()
            if variable(each, "PERENNIAL_LEASES") == str(self.journal) and each.pid != os.getpid()
        ]


class Post:
    """A worker that is started again whenever it has ended."""

    def __init__(self, name: str, place: Place, environment: dict[str, str], pool: str) -> None:
        self.name, self.place, self._pool = name, place, pool
        self._environment = {
            **environment,
            "SIMULATED_NVML": str(place.state),
            "PERENNIAL_LEASES": str(place.journal),
            "PREFECT_WORKER_QUERY_SECONDS": "0.4",
            "PERENNIAL_PATROL_S": "0.5",
        }
        self._due_s = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def tend(self, after_s: float) -> None:
        """Start it if it has ended, and was seen to so long ago."""
        if self.process is not None and self.process.poll() is not None:
            self.process, self._due_s = None, time.monotonic() + after_s
        if self.process is None and time.monotonic() >= self._due_s:
            self._start()

    def _start(self) -> None:
        command = (sys.executable, "-m", "prefect", "worker", "start", "--pool", self._pool)
        with (self.place.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.place.before, *command, "--name", self.name],
                cwd=PROJECT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    def kill(self) -> bool:
        """Whether there was one to kill."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.wait(30)
        return True

    def stop(self) -> None:
        """End it as a supervisor does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

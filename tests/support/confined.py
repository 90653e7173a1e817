"""Leases on this very machine, and processes that are confined to them as a worker confines its."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.gpu import cgroups
from infra.gpu.confinement import Confinement, confine
from infra.gpu.devices import Device, Inventory
from infra.gpu.host import allowance, cores
from infra.gpu.leases import Journal, Lease
from infra.processes import ProcessIdentity
from infra.resources import RunRequest

UUIDS = tuple(f"GPU-8932f937-d72c-4106-c12f-20bd9faed9{place:02x}" for place in range(4))
"""Of four GPUs, as drivers write them: CUDA tells the number alone."""


class Host:
    """This machine with made-up GPUs, and the journal of its leases."""

    def __init__(self, folder: Path, *devices: Device) -> None:
        cpus, memory = allowance()
        self.inventory = Inventory(
            cpus=cpus, memory_bytes=memory, cores=cores(), devices=devices, cuda="13.0"
        )
        self.journal = Journal(folder / "leases.db")
        self._worker = self.journal.enlist("test", ProcessIdentity.of(os.getpid()))

    def lease(self, **wishes: object) -> Lease:
        """A lease of what a run wishes."""
        request = RunRequest.model_validate({"memory": "1GiB", **wishes})
        with self.journal.deciding(self._worker) as decision:
            found = decision.lease(uuid4(), request, self.inventory)
        assert isinstance(found, Lease), found.why
        return found

    def release(self, lease: Lease) -> None:
        """End a lease in the journal alone, as a worker does that is killed right after."""
        with self.journal.deciding(self._worker) as decision:
            decision.release(lease)

    def confine(
        self, lease: Lease, given: Mapping[str, str] | None = None, **where: Path
    ) -> Confinement:
        """What holds a run to its lease."""
        return confine(lease, self.inventory, self.journal.path, given or {}, **where)


def device(place: int = 0, **fields: object) -> Device:
    """A whole device of this machine that is not there."""
    return Device.model_validate(
        {"uuid": UUIDS[place], "name": "H100", "memory_bytes": 80 * 2**30, "numa": 0, **fields}
    )


@contextmanager
def running(
    confinement: Confinement, what: str, *arguments: str, **more: str
) -> Iterator["subprocess.Popen[str]"]:
    """A run of `tests.support.reporting`, confined before it does anything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.reporting", what, *arguments],
        env={**os.environ, **more, **confinement.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        confinement.apply(process.pid)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
        confinement.lift()


def told(confinement: Confinement, what: str, *arguments: str, **more: str) -> Any:  # noqa: ANN401 - JSON
    """What a confined run tells; it must come to its end."""
    with running(confinement, what, *arguments, **more) as process:
        out, error = process.communicate("\n", timeout=120)
        assert process.returncode == 0, error
        return json.loads(out)


@cache
def no_groups() -> str:
    """Why no control group can be made here, or takes nobody; empty where one does."""
    limits = cgroups.Limits(memory_bytes=2**30, cpus=1, cores=())
    try:
        group = cgroups.make(f"perennial-try-{os.getpid()}", limits)
    except cgroups.NoGroupError as error:
        return f"no control group can be made here: {error}"
    process = subprocess.Popen(["/bin/sleep", "60"])
    try:
        group.admit(process.pid)
    except OSError as error:
        return f"the control groups here take nobody: {error}"
    finally:
        process.kill()
        process.wait()
        group.remove()
    return ""

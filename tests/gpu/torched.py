"""Leases of a real GPU, and torch in processes that are confined to them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from infra.gpu.claiming import WaitingRun
from infra.gpu.confinement import Confinement, confine
from infra.gpu.leases import Lease
from infra.gpu.machine import Machine
from infra.processes import ProcessIdentity
from infra.resources import RunRequest

HOLDING = """
import torch
kept = torch.zeros({mebibytes} * 2**18, device="cuda")
torch.cuda.synchronize()
print("held", flush=True)
input()
"""
"""Takes memory of the device, says so, and keeps it until it is told to go on."""


class Site:
    """A machine, and its leases as a worker gives them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def asked(self, **wishes: object) -> Lease | str:
        """The lease of a run, or why there is none now."""
        request = RunRequest.model_validate(wishes)
        run = WaitingRun(run=uuid4(), name="test", request=request, since=datetime.now(UTC))
        decided = self.machine.claim([run])
        return decided.taken[0] if decided.taken else decided.left[0].answer.why

    def lease(self, **wishes: object) -> Lease:
        """The lease of a run."""
        found = self.asked(**wishes)
        assert isinstance(found, Lease), found
        return found

    def confine(self, lease: Lease, **where: Path) -> Confinement:
        """What holds the run of a lease; where no control group is looked for, by rlimit."""
        if where:
            inventory = self.machine.observe().inventory
            return confine(lease, inventory, self.machine.journal.path, {}, **where)
        return self.machine.confine(lease, {})

    @contextmanager
    def running(self, lease: Lease, code: str) -> Iterator["subprocess.Popen[str]"]:
        """A program that holds a lease, confined and noted as a worker does it."""
        hold = self.machine.confine(lease, {})
        with started(code, hold.environment) as process:
            self.machine.attach(lease, ProcessIdentity.of(process.pid))
            yield process


@contextmanager
def started(code: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A program in a group of its own, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def holding(process: "subprocess.Popen[str]") -> None:
    """Return when a program holds its memory."""
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == "held\n", f"{said}{process.communicate()[1]}"


def ran(code: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """A program that has come to its end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )

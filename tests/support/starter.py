"""Programs that start from a process which has imported what they need, as warm runs do.

A new interpreter imports Prefect's worker for a second and a half, a flow with all its tasks for
longer, and the tests start dozens of each. The process that imports is the one of warm starts
(`infra.warm.zygote`); this is its other end for tests.
"""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from infra.settings import PROJECT
from infra.warm import zygote
from infra.warm.surroundings import AT_IMPORT, HIDDEN, INSTALLED, OURS

_Streams = tuple[BinaryIO, BinaryIO]

_OF_ONE_START = ("PERENNIAL_", "MLFLOW_", "E2E_KILLED", "SIMULATED_NVML", "PYTEST_CURRENT_TEST")
"""Begin the names that no import reads: starts that differ in these alone share one process."""

_ROOM = "x" * 2**13
_PATIENCE_S = 60
_LISTENING = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); "
_LISTENING += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
"""Whatever the tests were started by, what they start listens to Ctrl-C."""


class Started:
    """A program that was started, as `subprocess.Popen` knows it."""

    def __init__(self, starter: "Starter", pid: int) -> None:
        self._starter = starter
        self.pid = pid

    @property
    def returncode(self) -> int | None:
        """Its exit code where its end was noticed, below zero the signal that ended it."""
        return self._starter.ended.get(self.pid)

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        self._starter.listen(0)
        return self.returncode

    def wait(self, timeout: float = _PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        until = time.monotonic() + timeout
        while (code := self.returncode) is None:
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            self._starter.listen(left)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Starter:
    """A process that has imported, and forks one for each program."""

    def __init__(self, environment: Mapping[str, str], imports: Iterable[str]) -> None:
        """Let it import.

        Args:
            environment: its variables.
            imports: names of modules.
        """
        self.ended: dict[int, int] = {}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = (zygote.__file__, str(theirs.fileno()), str(os.getpid()))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LISTENING, *script],
                cwd=PROJECT,
                env={**environment, **AT_IMPORT, "ROOM": _ROOM},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        told = {"folder": str(PROJECT), "imports": [*imports], "hidden": [*HIDDEN]}
        unused: dict[str, Any] = {"watched": [], "engine": "", "preparing": "", "of_one_run": []}
        self._control.send(json.dumps({**told, **unused, "room": 0}).encode())
        said = json.loads(self._control.recv(2**20) or '{"unfit": "it ended"}')
        assert "files" in said, said
        atexit.register(self._end)

    def start(
        self, command: tuple[str, ...], environment: Mapping[str, str], streams: _Streams
    ) -> Started:
        """What ``python -m`` starts with a module and its arguments."""
        job, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with job:
            with theirs:
                given = [each.fileno() for each in (theirs, *streams)]
                socket.send_fds(self._control, [b"{}"], given)
            pid = json.loads(job.recv(2**20))["pid"]
            work = {
                "module": command[0],
                "command": [sys.executable, "-m", *command],
                "environment": dict(environment),
                "folder": str(PROJECT),
            }
            job.send(json.dumps(work).encode())
        return Started(self, pid)

    def listen(self, within_s: float) -> None:
        """Hear of the programs that have ended until there is nothing more to hear."""
        while select.select([self._control], [], [], within_s)[0]:
            told = json.loads(self._control.recv(2**20))
            self.ended[told["ended"]] = told["code"]
            within_s = 0

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(_PATIENCE_S)
        self._control.close()


def started(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    streams: _Streams,
    imports: tuple[str, ...],
) -> Started:
    """What ``python -m`` starts with a module and its arguments, from imports of those before it.

    Args:
        command: the module and its arguments.
        environment: its variables.
        streams: where it says what it says, and where what went wrong.
        imports: modules that it needs.
    """
    shared = {k: v for k, v in environment.items() if not k.startswith(_OF_ONE_START)}
    starter = _starter(frozenset(shared.items()), imports)
    return starter.start(command, environment, streams)


def done(*command: str, within_s: float, **variables: str) -> "subprocess.CompletedProcess[str]":
    """How ``python -m`` of a module that runs our flows or their steps ended, and what it said.

    Args:
        command: the module and its arguments.
        within_s: how long it may take.
        variables: of its environment, beside those of this process.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = started(command, os.environ | variables, (out, err), (*OURS, *INSTALLED))
        try:
            code = process.wait(within_s)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, code, _read(out), _read(err))


def _read(said: BinaryIO) -> str:
    said.seek(0)
    return said.read().decode(errors="replace")


@functools.cache
def _starter(variables: frozenset[tuple[str, str]], imports: tuple[str, ...]) -> Starter:
    return Starter(dict(variables), imports)

"""A run's process that was forked, as Prefect's starter knows processes."""

import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import anyio
import anyio.abc

from infra.processes import ProcessIdentity

_LOOK_S: Final = 0.2


class WarmChild(anyio.abc.Process):
    """A process that has imported and waits for its work; it ends where it gets none."""

    def __init__(self, pid: int, job: socket.socket, work: Mapping[str, object]) -> None:
        self._identity = ProcessIdentity.of(pid)
        self._job, self._work = job, work
        self._code: int | None = None
        self._ended = anyio.Event()

    def begin(self) -> None:
        """Give it its work. Where it has ended meanwhile, its exit code says so."""
        with self._job, suppress(BrokenPipeError, ConnectionResetError):
            self._job.send(json.dumps(self._work).encode())

    def over(self, code: int) -> None:
        """It has ended, and its parent has told its exit code."""
        if self._code is None:
            self._code = code
            self._ended.set()

    async def orphaned(self) -> None:
        """Its parent is gone: nobody can tell its exit code, and it lives as long as it lives."""
        while self._identity.alive:  # noqa: ASYNC110 - a process sets no event
            await anyio.sleep(_LOOK_S)
        self.over(-signal.SIGKILL)

    # As anyio's processes

    @property
    def pid(self) -> int:
        """Its number."""
        return self._identity.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, below zero the signal that ended it; None while it runs."""
        return self._code

    async def wait(self) -> int:
        """Its exit code, as soon as it has ended."""
        await self._ended.wait()
        return self._code or 0

    def send_signal(self, signal: int) -> None:
        """Send a signal, where it still runs."""
        if self._code is not None or not self._identity.alive:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, signal)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    async def aclose(self) -> None:
        """Wait for its end; where that is broken off, it is ended."""
        try:
            await self.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                with suppress(ProcessLookupError):
                    self.kill()
                await self.wait()
            raise
        finally:
            self._job.close()

    @property
    def stdin(self) -> None:
        """Nothing: it finds nothing there."""

    @property
    def stdout(self) -> None:
        """Nothing: it writes to a file."""

    @property
    def stderr(self) -> None:
        """Nothing: it writes to a file."""

"""What a run prints: kept where no worker's end can end the run, and handed on as it comes."""

import codecs
import ctypes
import fcntl
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import anyio
from anyio.to_thread import run_sync
from prefect.logging import get_logger

LOOK_S: Final = 0.1
"""Seconds between two looks for what a run has printed."""

_CHUNK = 2**16
_WORDS = 2**15
_PUNCH = 2**20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # Source: linux/falloc.h


class Sink(Protocol):
    """Where a worker prints, such as ``sys.stdout``."""

    def write(self, text: str, /) -> object:
        """Take a piece of text."""

    def flush(self) -> object:
        """Hand on what was taken."""


class Output:
    """A file without a name that a run writes to, and whose growth a worker prints.

    A pipe would end the run at its next line when the worker is gone. What was printed is given
    back to the disk, so that the file stays small however long the run talks.
    """

    def __init__(self, sink: Sink | None) -> None:
        """A file for what comes.

        Args:
            sink: where it is printed, None for nowhere.
        """
        self._sink = sink
        self.words = ""
        """The last that was said."""

        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - `close` closes it
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)  # stdout and stderr may share
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._read = self._punched = 0

    def fileno(self) -> int:
        """The descriptor that the run is given."""
        return self._file.fileno()

    @property
    def grown(self) -> bool:
        """Whether there is something that was not printed."""
        return os.fstat(self.fileno()).st_size > self._read

    def hand_on(self) -> None:
        """Print what has come. Whoever listens no more is told no more; the run goes on."""
        while piece := os.pread(self.fileno(), _CHUNK, self._read):
            self._read += len(piece)
            self._print(self._decoder.decode(piece))
        self._give_back()

    def close(self) -> None:
        """Let go of the file; a run that still lives keeps it."""
        self._file.close()

    def _print(self, text: str) -> None:
        self.words = (self.words + text)[-_WORDS:]
        if self._sink is None:
            return
        try:
            self._sink.write(text)
            self._sink.flush()
        except (OSError, ValueError) as error:
            self._sink = None
            get_logger("worker.output").warning("A run's output is shown no more: %s", error)

    def _give_back(self) -> None:
        whole = self._read - self._read % _PUNCH
        if sys.platform == "linux" and whole > self._punched:
            # A file system that cannot do it keeps all until the run's end.
            _libc().fallocate(
                self.fileno(), _KEEP_SIZE | _PUNCH_HOLE, self._punched, whole - self._punched
            )
            self._punched = whole


@asynccontextmanager
async def followed(outputs: Iterable[Output]) -> AsyncIterator[None]:
    """Hand on what outputs get as long as the block lasts, and at its end what is left."""
    watched = list(outputs)
    try:
        async with anyio.create_task_group() as group:
            for output in watched:
                group.start_soon(_follow, output)
            yield
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            for output in watched:
                await run_sync(output.hand_on)


async def _follow(output: Output) -> None:
    while True:
        await anyio.sleep(LOOK_S)
        if output.grown:
            with anyio.CancelScope(shield=True):  # else a piece could be printed twice
                await run_sync(output.hand_on)


def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return library

"""A process that has imported, as the worker sees it: what it is asked for, and what it tells."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from prefect.logging import get_logger

from infra.warm.children import WarmChild
from infra.warm.surroundings import ENGINE, OF_ONE_RUN, PREPARING, ColdError, Surroundings
from infra.warm.zygote import signature

_log = get_logger("worker.warm")
_MESSAGE: Final = 2**20
_FORK_S: Final = 5.0
ROOM: Final = "PERENNIAL_WARM_ROOM"
"""Makes an environment large enough to be written over; a process that has it imports ahead."""

_ROOM_BYTES = 2**13
_SCRIPT = Path(__file__).with_name("zygote.py")


class Nursery:
    """One process that imports for starts of the same surroundings, and forks their processes."""

    def __init__(self, surroundings: Surroundings, imports: Sequence[str], nowhere: str) -> None:
        """Start it; it tells when it is ready.

        Args:
            surroundings: what the starts have in common.
            imports: modules that it imports, where they are installed.
            nowhere: an empty folder.
        """
        self._files: dict[str, list[int] | None] | None = None
        self._began_ns = 0
        self._children: dict[int, WarmChild] = {}
        self._told: dict[int, int] = {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `listen` closes it
        where = surroundings.folder
        self._where = f"in {where}" if where else "in folders of their own"
        self._environment = {**surroundings.environment, ROOM: "x" * _ROOM_BYTES}
        self._control, theirs = _pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_SCRIPT), str(theirs.fileno()), str(os.getpid())],
                env=self._environment,
                cwd=surroundings.folder or nowhere,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._say(
            imports=imports,
            hidden=surroundings.hidden,
            watched=surroundings.watched,
            folder=surroundings.folder,
            engine=ENGINE,
            preparing=PREPARING,
            of_one_run=sorted(OF_ONE_RUN),
            room=_size(self._environment),
        )

    @property
    def ready(self) -> bool:
        """Whether it has imported."""
        return self._files is not None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def changed(self) -> str:
        """The first file that is not as it was imported; empty where there is none."""
        for place, was in (self._files or {}).items():
            now = signature(place)
            if now != was or (now is not None and now[0] > self._began_ns):
                return place
        return ""

    async def fork(self, out: int, err: int, work: Mapping[str, object]) -> WarmChild:
        """A process for a run, which waits for a word to begin.

        Args:
            out: descriptor for its standard output.
            err: the same for its errors.
            work: what it is to do.

        Raises:
            ColdError: there is none to be had.
        """
        if _size(work["environment"]) > _size(self._environment):
            raise ColdError(f"its environment is more than {_ROOM_BYTES} bytes larger than usual")
        job, theirs = _pair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"{}"], [theirs.fileno(), out, err])
            with anyio.fail_after(_FORK_S):
                await anyio.wait_readable(job)
            child = WarmChild(_pid(job.recv(_MESSAGE)), job, work)
        except (OSError, TimeoutError) as error:
            job.close()
            raise ColdError(f"no process was forked: {error or 'it took too long'}") from error
        except BaseException:
            job.close()
            raise
        self._children[child.pid] = child
        if child.pid in self._told:
            self._over(child.pid)
        return child

    async def listen(self) -> str:
        """Hear what it tells until it ends, and stay with what it leaves.

        Returns:
            The module that it cannot import and fork, and why, divided by a colon; or why it never
            got ready; or nothing.
        """
        last = ""
        try:
            while text := await self._heard():
                told = json.loads(text)
                if "files" in told:
                    self._files, self._began_ns = told["files"], told["began_ns"]
                    _log.info("Runs %s start at once from now on.", self._where)
                elif "unfit" in told:
                    return f"{told['unfit']}: {told['why']}"
                else:
                    self._told[told["ended"]] = told["code"]
                    self._over(told["ended"])
            last = "" if self.ready else f": {self._last_words()}"
        finally:
            self.end()
            self._control.close()
            with anyio.CancelScope(shield=True):
                await run_sync(self._process.wait)
                self._errors.close()
        async with anyio.create_task_group() as group:
            for child in self._children.values():
                group.start_soon(child.orphaned)
        return last

    def retire(self) -> None:
        """Fork no more; it ends with the last of its processes."""
        self._say(retire=True)

    def end(self) -> None:
        """End it; runs that have begun live on."""
        self._process.kill()

    async def _heard(self) -> bytes:
        await anyio.wait_readable(self._control)
        try:
            return self._control.recv(_MESSAGE)
        except ConnectionResetError:
            return b""

    def _say(self, **what: Any) -> None:  # noqa: ANN401 - JSON
        try:
            self._control.send(json.dumps(what).encode())
        except OSError:  # it has ended, which `listen` hears
            return

    def _over(self, pid: int) -> None:
        if pid in self._children:
            self._children.pop(pid).over(self._told.pop(pid))

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.poll()}"


def _pid(text: bytes) -> int:
    """The number of the process that was forked, by what it or its parent told."""
    told = json.loads(text or b'{"refused": "it ended at once"}')
    if "refused" in told:
        raise ColdError(f"no process was forked: {told['refused']}")
    return int(told["pid"])


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _size(environment: Any) -> int:  # noqa: ANN401 - a mapping of texts
    """Bytes that an environment takes in a process."""
    return sum(len(os.fsencode(f"{name}={value}")) + 1 for name, value in environment.items())

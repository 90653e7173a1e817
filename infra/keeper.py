"""The keeper of a stack: the supervisor's parent, which ends everything when its time has come.

It ends the stack on SIGTERM, when the supervisor is gone, when every owner is gone, even by
kill -9, and when its home was deleted, with which goes what says where the stack is: servers in
their order first, then whatever still carries the marker of the home.
Meanwhile it starts `perennial upkeep` every so often, in a process of its own.
Run as ``python -m infra.keeper HOME CONFIGURATION SECONDS``; it imports little, for it always runs.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from infra.starts import start_of

_LOOK_S = 0.5
_ORDERLY_S = 90.0
_SET_PDEATHSIG = 1  # linux/prctl.h


class _Asked:
    """Whether somebody asked the keeper to end the stack."""

    yes = False

    @classmethod
    def note(cls, _number: int, _frame: FrameType | None) -> None:
        cls.yes = True


class Rounds:
    """Starts a command every so often, never a second one beside the first."""

    def __init__(self, command: Sequence[str], every_s: float, log: Path) -> None:
        """Begin to count; the first round is a whole interval away.

        Args:
            command: what is started.
            every_s: seconds from one start to the next; 0 for never.
            log: what the last round said.
        """
        self._command, self._every_s, self._log = list(command), every_s, log
        self._last_s = time.monotonic()
        self._running: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start a round where one is due and none runs; a machine that cannot has the next."""
        if self._running is not None and self._running.poll() is None:
            return
        self._running = None
        if not self._every_s or time.monotonic() < self._last_s + self._every_s:
            return
        self._last_s = time.monotonic()
        with contextlib.suppress(OSError), self._log.open("wb") as log:
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def end(self) -> None:
        """End the round that runs, if one does; what it left is done by the next."""
        if self._running is not None and self._running.poll() is None:
            self._running.kill()
            self._running.wait(_LOOK_S * 20)


def owners_gone(path: Path) -> bool:
    """Whether the stack has owners and none of them is alive; without owners it lives on.

    A file that cannot be read names nobody: the stack stays until it is told to end.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        owners = json.loads(path.read_text(encoding="utf-8"))
        return bool(owners) and all(start_of(each["pid"]) != each["started"] for each in owners)
    return False


def is_deleted(stack: Path) -> bool:
    """Whether the folder of a stack is gone; one that cannot be looked at is there."""
    try:
        stack.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def detach(home: Path) -> None:
    """Go on as nobody's child, its pid written down: who launched it has no one to wait for."""
    pid = os.fork()
    if pid:
        (home / "stack" / "keeper.pid").write_text(f"{pid}\n", encoding="utf-8")
        os._exit(0)


def _die_with_parent() -> None:
    """In the supervisor before it begins: a keeper that is killed takes it along, in order."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)


def keep(home: Path, configuration: Path, upkeep_s: float) -> None:
    """Run the supervisor until the stack is to end, then end it.

    Args:
        home: of the stack.
        configuration: of the supervisor.
        upkeep_s: seconds between two rounds of upkeep, 0 for none.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _Asked.note)
    stack = home / "stack"
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    command = [sys.executable, "-m", "deployments.cli", "upkeep"]
    rounds = Rounds(command, upkeep_s, home / "logs" / "upkeep.log")
    while supervisor.poll() is None and not _Asked.yes:
        if owners_gone(stack / "owners.json") or is_deleted(stack):
            break
        rounds.look()
        time.sleep(_LOOK_S)
    rounds.end()
    supervisor.terminate()
    try:
        supervisor.wait(_ORDERLY_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
    _sweep(home)


def _sweep(home: Path) -> None:
    """End what outlived the supervisor; imported late, for it is needed once."""
    os.environ["PERENNIAL_HOME"] = str(home)
    from infra import places
    from infra.errors import ConfigError
    from infra.stack import reconcile

    try:
        found = places.read_places()
    except ConfigError:  # damaged since; who comes next is told
        reconcile.clear_unknown()
    else:
        reconcile.clear_remains(found)


if __name__ == "__main__":
    detach(Path(sys.argv[1]))
    keep(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))

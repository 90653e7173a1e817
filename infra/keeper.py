"""The keeper of a stack: the supervisor's parent, which ends everything when its time has come.

It ends the stack on SIGTERM, when the supervisor is gone, and when every owner is gone, even by
kill -9: servers in their order first, then whatever still carries the marker of the home.
Run as ``python -m infra.keeper HOME CONFIGURATION``; it imports little, for it always runs.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import psutil

_LOOK_S = 0.5
_ORDERLY_S = 90.0
_SAME_START_S = 1.0
_SET_PDEATHSIG = 1  # linux/prctl.h


class _Asked:
    """Whether somebody asked the keeper to end the stack."""

    yes = False

    @classmethod
    def note(cls, _number: int, _frame: FrameType | None) -> None:
        cls.yes = True


def owners_gone(path: Path) -> bool:
    """Whether the stack has owners and none of them is alive; without owners it lives on."""
    try:
        owners = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return bool(owners) and not any(_alive(owner["pid"], owner["started"]) for owner in owners)


def _alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _die_with_parent() -> None:
    """In the supervisor before it begins: a keeper that is killed takes it along, in order."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)


def keep(home: Path, configuration: Path) -> None:
    """Run the supervisor until the stack is to end, then end it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _Asked.note)
    stack = home / "stack"
    (stack / "keeper.pid").write_text(f"{os.getpid()}\n")
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    while supervisor.poll() is None and not _Asked.yes and not owners_gone(stack / "owners.json"):
        time.sleep(_LOOK_S)
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
    from infra.stack import reconcile

    reconcile.clear_remains(places.read_places())


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))

"""A workspace that one forked process prepares, and that another, as new, enters for the run.

Of a deployment without a command Prefect starts one interpreter that runs the pull steps, and puts
the engine's, a new one, in its place. Here the first is forked once more and leaves its place by
telling its parent what was to be in it. That one has run nothing yet and goes on as the engine,
unless the steps have changed what its imports have read: then a new interpreter takes the place.
The process that runs are forked from loads this file by its place: it imports nothing of ours.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any, Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1  # Source: linux/prctl.h
_SUFFIXES: Final = tuple(all_suffixes())
_SETTINGS: Final = {"prefect.toml": b"", "pyproject.toml": b"[tool.prefect", ".env": b"PREFECT_"}
"""Files of a folder that Prefect reads its settings from, and what is in those that have any."""


def wanted() -> dict[str, Any] | None:
    """Fork a process that prepares; None in it, what it wants to be in its parent.

    The parent does not return where the other has ended otherwise: it ends in the same way.
    """
    here, there = socket.socketpair()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        here.close()
        _end_with(parent)
        setattr(os, "execvpe", _teller(there))  # noqa: B010 - what it is to be, it tells
        return None
    there.close()
    with here, here.makefile("rb") as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    if not text:
        _end_as(os.waitstatus_to_exitcode(status))
    found: dict[str, Any] = json.loads(text)
    return found


def enter(work: Mapping[str, Any], before: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Be where a command is to run; where that cannot be here, a new interpreter runs it.

    Args:
        work: its ``command``, ``environment`` and ``folder``.
        before: the same of the process that prepared, which this one had until now.
        told: what was imported, and for which surroundings.
    """
    os.chdir(work["folder"])
    ahead = [] if sys.flags.safe_path else [work["folder"]]
    ahead += _places(work["environment"])
    why = _why_not(work, before, told, ahead)
    if why:
        print(f"Its flow starts cold: {why}.", file=sys.stderr, flush=True)  # noqa: T201 - the log of the worker
        os.execvpe(work["command"][0], work["command"], work["environment"])  # noqa: S606 - as Prefect would
    gone = {before["folder"], *_places(before["environment"]), *ahead}
    sys.path[:] = [*dict.fromkeys(ahead), *(each for each in sys.path if each not in gone)]


def _why_not(
    work: Mapping[str, Any],
    before: Mapping[str, Any],
    told: Mapping[str, Any],
    ahead: list[str],
) -> str:
    """Why a command cannot run in this process; empty where it can."""
    if work["command"] != [sys.executable, "-m", told["engine"]]:
        return "its command is not Prefect's engine by the worker's interpreter"
    if told["folder"] not in ("", work["folder"]):
        return f"it works in {work['folder']}, and its imports are for {told['folder']}"
    return (
        _other_variables(work["environment"], before["environment"], told)
        or ("" if told["folder"] else _settings(Path(work["folder"])))
        or next(filter(None, map(_module, map(Path, ahead))), "")
    )


def _other_variables(
    now: Mapping[str, str], before: Mapping[str, str], told: Mapping[str, Any]
) -> str:
    """What imports may have read of the variables and is another now."""
    for name in sorted(now.keys() | before.keys()):
        own = name in told["of_one_run"] or name.startswith("PREFECT__") or name == "PYTHONPATH"
        if not own and now.get(name) != before.get(name):
            return f"its workspace has another {name}"
    size = sum(len(os.fsencode(f"{name}={value}")) + 1 for name, value in now.items())
    return "its environment has grown too large" if size > told["room"] else ""


def _settings(folder: Path) -> str:
    """A file that Prefect would read its settings from, had it started in the folder."""
    for name, part in _SETTINGS.items():
        place = folder / name
        if place.is_file() and part in place.read_bytes():
            return f"{place} has settings of Prefect"
    return ""


def _module(folder: Path) -> str:
    """A module that a new interpreter would find in a folder, and that was found elsewhere."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        name = entry.name.partition(".")[0]
        place = getattr(sys.modules.get(name), "__file__", None)
        if name == "__main__" or not place:
            continue
        is_module = entry.name.endswith(_SUFFIXES) or (entry / "__init__.py").is_file()
        if is_module and folder.resolve() not in Path(place).resolve().parents:
            return f"{folder} has a module {name} of its own"
    return ""


def _places(environment: Mapping[str, str]) -> list[str]:
    """Folders that an interpreter puts before its own."""
    given = environment.get("PYTHONPATH", "")
    return [str(Path(each).absolute()) for each in given.split(os.pathsep)] if given else []


# The process that prepares


def _teller(there: socket.socket) -> Callable[..., NoReturn]:
    def tell(_file: str, command: list[str], environment: Mapping[str, str]) -> NoReturn:
        """Leave, and let the parent be what was asked for."""
        work = {"command": command, "environment": dict(environment), "folder": str(Path.cwd())}
        there.sendall(json.dumps(work).encode())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    return tell


def _end_with(parent: int) -> None:
    """Let the kernel end this process with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _end_as(code: int) -> NoReturn:
    """End as another process did."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)

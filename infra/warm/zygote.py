"""A process that has imported what runs need, and from which each run's process is forked.

It is run as a script and imports nothing of ours for itself: a name such as ``infra`` may be
another's in the folder that a run works in. It has one thread, always: a fork of several would copy
locks that nobody opens. What it says and is told are JSON texts over sockets of whole messages
(`infra.warm.nurseries` is the other end).
"""

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h
_MESSAGE = 2**20
_LOOPS: list[Any] = []
"""Event loops that imports have made: a fork would share with others what wakes them."""

_ARGUMENTS, _ENVIRONMENT = 45, 47
"""Places in ``/proc/PID/stat`` behind the name. Source: proc_pid_stat(5), fields 48 and 50."""


def main() -> None:
    """Import, say so, and fork a process for each that is asked for; returns in such a process."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _end_with(int(sys.argv[2]))
    told = _receive(control)
    if not sys.flags.safe_path:  # as of ``python -m``: the folder, not that of the script
        sys.path[:1] = [str(Path.cwd())] if told["folder"] else []
    _say(control, _imported(told))
    _serve(control, told)


def _end_with(parent: int) -> None:
    """Let the kernel end this process with the worker, whatever ends the worker."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


# Importing


def _imported(told: dict[str, Any]) -> dict[str, Any]:
    """Import what there is: what to compare later, or the module that stands in the way."""
    began_ns = time.time_ns()
    gc.disable()
    sys.modules.update(dict.fromkeys(told["hidden"]))  # None hides a name
    for name in _named(told["imports"]):
        why = _why_not(name)
        if why:
            return {"unfit": name, "why": why}
    for name in told["hidden"]:
        del sys.modules[name]
    if "prefect" in sys.modules:
        _complete_models()
        _beside("certificates").read_once()
    gc.collect()
    if asyncio := sys.modules.get("asyncio.selector_events"):
        kind = asyncio.BaseSelectorEventLoop
        _LOOPS.extend(each for each in gc.get_objects() if issubclass(type(each), kind))
    gc.freeze()  # else a search for garbage would copy what all runs share
    gc.enable()
    return {"began_ns": began_ns, "files": _files(told["watched"]), "threads": _threads()}


def _complete_models() -> None:
    """Prefect builds what checks its values when it first meets one; here, once for all runs."""
    waiting: list[Any] = [sys.modules["pydantic"].BaseModel]
    while waiting:
        model = waiting.pop()
        waiting += type.__subclasses__(model)
        if model.__module__.startswith("prefect.") and not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)


def _beside(name: str) -> ModuleType:
    """A module beside this one: in the folder of a run its name may be another's."""
    place = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_perennial_{name}", place)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type] # it is a file
    spec.loader.exec_module(module)  # type: ignore[union-attr] # as above
    return module


def _named(imports: list[str]) -> list[str]:
    """The modules themselves: ``tasks.*`` is every module below ``tasks``."""
    names = []
    for each in imports:
        package = each.removesuffix(".*")
        names.append(package)
        if package != each and (spec := importlib.util.find_spec(package)):
            below = pkgutil.walk_packages(spec.submodule_search_locations, f"{package}.")
            names += [module.name for module in below]
    return names


def _why_not(name: str) -> str:
    """Import a module that is there; why nothing can be forked with it, if so."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            return ""  # it is not installed
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - the run that needs it will say so itself
        return f"{type(error).__name__}: {error}"
    return _unfit()


def _unfit() -> str:
    """Why a fork would not be safe; empty where it is."""
    if (threads := _threads()) != 1:
        return f"there are {threads} threads"
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            place = str(descriptor.readlink())
            if place.startswith("/dev/nvidia"):
                return f"{place} is open"
    return ""


def _threads() -> int:
    return len([*Path("/proc/self/task").iterdir()])


def _files(watched: list[str]) -> dict[str, list[int] | None]:
    """What must be as it is: code that is not installed, what is installed, and `watched`."""
    installed = [each for each in sys.path if each.endswith("-packages")]
    watched = [*watched, *_settings()]
    code = {
        place
        for module in list(sys.modules.values())
        if (place := getattr(module, "__file__", None)) and not _is_installed(place)
    }
    return {place: signature(place) for place in sorted({*code, *installed, *watched})}


def _settings() -> list[str]:
    """Files and folders of settings that imports have read, where what reads them is there."""
    found = []
    if dask := sys.modules.get("dask.config"):
        found += [str(path) for each in dask.paths for path in (each, *Path(each).glob("*.y*ml"))]
    if matplotlib := sys.modules.get("matplotlib"):
        found.append(matplotlib.matplotlib_fname())
    return found


def _is_installed(place: str) -> bool:
    stdlib = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return "-packages/" in place or place.startswith(stdlib)


def signature(place: str) -> list[int] | None:
    """What changes when a file or a folder's list of names does; None where there is none."""
    try:
        found = Path(place).stat()
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size, found.st_ino]


# Forking


def _serve(control: socket.socket, told: dict[str, Any]) -> None:
    """Fork until the worker is gone, or has said that it wants no more and all have ended."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    alive: set[int] = set()
    wanted = True
    while wanted or alive:
        ready, _, _ = select.select([control, woken] if wanted else [woken, control], [], [])
        if woken in ready:
            woken.recv(_MESSAGE)
            alive -= set(_reaped(control))
        if control in ready:
            text, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 3)
            if not text:
                break
            if not descriptors:
                wanted = False
                continue
            child = _forked(descriptors)
            if child == 0:
                _leave_parent(control, woken, wakes)
                _become(descriptors, told)
                return
            alive.add(child)
    os._exit(0)  # what imports have left to be done at the end is for the runs to do


def _reaped(control: socket.socket) -> list[int]:
    """The processes that have ended; their exit codes are told."""
    ended = []
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found[0])
            _say(control, {"ended": found[0], "code": os.waitstatus_to_exitcode(found[1])})
    return ended


def _forked(descriptors: list[int]) -> int:
    """Fork a process that has these descriptors; its number, 0 in it, -1 where there is none."""
    job = socket.socket(fileno=descriptors[0])
    try:
        why = _unfit()
        child = -1 if why else os.fork()
    except OSError as error:
        why, child = str(error), -1
    if child == 0:
        job.detach()
        return 0
    if child < 0:
        _say(job, {"refused": why})
    job.close()
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    return child


def _leave_parent(control: socket.socket, *others: socket.socket) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for each in (control, *others):
        each.close()


# A run's process


def _become(descriptors: list[int], told: dict[str, Any]) -> None:
    """Say that there is a process, wait for its work, and be as if it had just been started."""
    os.setsid()
    job = socket.socket(fileno=descriptors[0])
    _say(job, {"pid": os.getpid()})
    work = _receive(job)
    job.close()
    for number, descriptor in enumerate(descriptors[1:], start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(work["folder"])
    if not sys.flags.safe_path:
        sys.path[: 1 if told["folder"] else 0] = [work["folder"]]
    _take_on(work["environment"], work["command"])
    if work["module"] == told["preparing"]:
        work = _prepared(work, told)
    importlib.invalidate_caches()
    _fresh()
    _enter(work["module"], work["command"][3:])


def _prepared(work: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The work of a process that prepares a workspace, and in this one the run in it."""
    preparing = _beside("preparing")
    wanted: dict[str, Any] | None = preparing.wanted()
    if wanted is None:
        return work
    preparing.enter(wanted, work, told)
    _take_on(wanted["environment"], wanted["command"])
    return {**wanted, "module": told["engine"]}


def _take_on(environment: dict[str, str], command: list[str]) -> None:
    """The run's environment and command, for this process and for whoever looks at it."""
    os.environ.clear()  # frees the memory that is written over below
    os.environ.update(environment)
    sys.orig_argv = list(command)
    stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    places = [int(each) for each in stat.rpartition(")")[2].split()[1:]]
    shown = [f"{name}={value}" for name, value in environment.items()]
    for at, texts in ((_ARGUMENTS - 1, command), (_ENVIRONMENT - 1, shown)):
        start, size = places[at], places[at + 1] - places[at]
        text = b"".join(os.fsencode(each) + b"\0" for each in texts)
        ctypes.memset(start, 0, size)
        ctypes.memmove(start, text, min(len(text), size - 1))


def _fresh() -> None:
    """What every process has of its own: secrets, chance, settings and threads as it wants them."""
    if multiprocessing := sys.modules.get("multiprocessing.process"):
        multiprocessing.current_process().authkey = os.urandom(32)
    for loop in _LOOPS:
        type(loop).__init__(loop)  # what it waits on is opened anew, as nothing runs in it yet
    if dask := sys.modules.get("dask.config"):
        dask.update(dask.config, dask.collect_env())  # read before what is of this run was known
    if "numpy" not in sys.modules:
        return
    sys.modules["numpy"].random.seed()
    named = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or ""
    threads = int(named) if named.isdecimal() else len(os.sched_getaffinity(0))
    if threads != 1:  # it was imported with one
        with suppress(ImportError):
            importlib.import_module("threadpoolctl").threadpool_limits(threads, user_api="blas")


def _enter(name: str, arguments: list[str]) -> None:
    """Run a module as ``python -m`` does: in a new ``__main__`` that knows its name."""
    spec = importlib.util.find_spec(name)
    code = getattr(spec.loader, "get_code")(name) if spec else None  # noqa: B009 - of source files
    module = ModuleType("__main__")
    module.__dict__.update(
        __spec__=spec,
        __file__=spec and spec.origin,
        __loader__=spec and spec.loader,
        __package__=spec and spec.parent,
    )
    sys.modules.update(dict.fromkeys({"__main__", "__mp_main__"} & sys.modules.keys(), module))
    sys.argv = [str(spec and spec.origin), *arguments]
    exec(code, module.__dict__)  # type: ignore[arg-type] # noqa: S102 - it is Prefect's engine


# Talking


def _say(listener: socket.socket, what: dict[str, Any]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody listens any more
        listener.send(json.dumps(what).encode())


def _receive(speaker: socket.socket) -> dict[str, Any]:
    text = speaker.recv(_MESSAGE)
    if not text:
        _leave()
    found: dict[str, Any] = json.loads(text)
    return found


def _leave() -> NoReturn:
    os._exit(0)  # the worker is gone, and nothing has begun


if __name__ == "__main__":
    main()

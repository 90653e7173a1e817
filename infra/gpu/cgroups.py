"""A control group for a lease: made where this process may make one, removed when the lease ends.

The kernel holds what is in it to memory and cores, all processes together and whoever starts more;
it kills one of them when they want more memory, and says so.
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from infra.errors import ResourceError, few
from infra.gpu.hierarchies import ROOT, Hierarchy, hierarchies, lines

_PATIENCE_S = 5.0
_LOOK_S = 0.02
_CONTROLLERS = {"memory", "cpuset", "cpu"}
_PERIOD_US = 100_000
"""Of a quota of cores: the kernel's default. Source: cgroup-v2, ``cpu.max``."""


class NoGroupError(Exception):
    """No group can be made here: the message says why."""


class Limits(NamedTuple):
    """What a group is held to; `cores` are numbers, none where they are not known.

    No bytes and no cpus are no limit.
    """

    memory_bytes: int
    cpus: int
    cores: tuple[int, ...]

    @property
    def listed(self) -> str:
        """The cores as the kernel reads them."""
        return ",".join(map(str, self.cores))


class Group(NamedTuple):
    """A group by its name: one folder in version 2, one for each controller in version 1."""

    name: str
    version: Literal[1, 2]
    folders: tuple[Path, ...]
    cpus: Literal["cpuset", "quota", ""] = ""

    def admit(self, pid: int) -> None:
        """Take a process in; what it starts from then on is in it as well.

        Raises:
            OSError: the kernel refuses, or there is no such process.
        """
        for folder in self.folders:
            _write(folder / "cgroup.procs", str(pid))

    def members(self) -> frozenset[int]:
        """The processes in it; one of another namespace has no number here, and is told as 0."""
        inside = (lines(folder / "cgroup.procs") for folder in self.folders)
        return frozenset(int(pid) for listed in inside for pid in listed) - {0}

    def kills(self) -> int:
        """How many of its processes the kernel has killed because they wanted more memory."""
        return max(map(_kills, self.folders))

    def peak_bytes(self) -> int | None:
        """The most memory that it has had, None where the kernel does not say."""
        files = ("memory.peak", "memory.max_usage_in_bytes")
        said = [lines(folder / name) for folder in self.folders for name in files]
        return max((int(each[0]) for each in said if each), default=None)

    def abandon(self) -> None:
        """Remove what of it holds nobody, and harm nobody: it will not be used."""
        for folder in self.folders:
            with suppress(OSError):
                folder.rmdir()

    def remove(self, patience_s: float = _PATIENCE_S) -> None:
        """Remove it; what is still in it is killed, for its lease has ended.

        Raises:
            ResourceError: a process in it does not die.
        """
        deadline = time.monotonic() + patience_s
        while left := [folder for folder in self.folders if not _gone(folder)]:
            for pid in self.members():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"The control group {left[0]} cannot be removed: its processes "
                    f"{sorted(self.members())} do not die.",
                    hint="They wait for a device or a disk; `ps -o stat,wchan` says for which.",
                )
            time.sleep(_LOOK_S)


def make(name: str, limits: Limits, root: Path = ROOT) -> Group:
    """A new group that holds what is admitted to it to its limits.

    In version 2 it lies in the nearest group above this process that hands the memory controller
    on, in version 1 below this process's own groups.

    Args:
        name: of its folders.
        limits: memory, and cores where the kernel can hold it to those.
        root: where ``/proc`` and the control groups are looked for.

    Raises:
        NoGroupError: this process may not make one.
    """
    refusals = []
    for hierarchy in sorted(hierarchies(root), key=lambda each: -each.version):
        try:
            if hierarchy.version == 2:  # noqa: PLR2004 - the version
                return _version_2(name, limits, hierarchy.folders)
            if "memory" in hierarchy.controllers:
                return _version_1(name, limits, hierarchy, root)
        except NoGroupError as error:
            refusals.append(str(error))
        except OSError as error:
            refusals.append(f"{error.filename}: {error.strerror}")
    raise NoGroupError("; ".join(refusals) or "no memory controller is mounted")


def found(prefix: str, root: Path = ROOT) -> list[Group]:
    """The groups whose names begin so, wherever on this machine another process has made them."""
    places: dict[tuple[str, Literal[1, 2]], list[Path]] = {}
    for hierarchy in hierarchies(root):
        if hierarchy.version == 1 and not hierarchy.controllers & _CONTROLLERS:
            continue
        version: Literal[1, 2] = 2 if hierarchy.version == 2 else 1  # noqa: PLR2004 - the version
        for folder in _named(prefix, hierarchy.mount):
            places.setdefault((folder.name, version), []).append(folder)
    return [
        Group(name=name, version=version, folders=tuple(folders), cpus=_held(folders))
        for (name, version), folders in places.items()
    ]


def _version_2(name: str, limits: Limits, above: Sequence[Path]) -> Group:
    refusals = []
    for parent in above:
        try:
            _hand_on(parent, "memory")
        except OSError as error:
            refusals.append(f"{parent}: {error.strerror}")
            continue
        for wanted in ("cpuset", "cpu"):
            with suppress(OSError):
                _hand_on(parent, wanted)
        memory = {"memory.max": str(limits.memory_bytes or "max")}
        folder = _made(parent / name, memory, {"memory.swap.max": "0"})
        handed = " ".join(lines(parent / "cgroup.subtree_control")).split()
        return Group(name, 2, (folder,), _held_cores(folder, limits, handed))
    raise NoGroupError(few(refusals, 2))


def _held_cores(
    folder: Path, limits: Limits, handed: Sequence[str]
) -> Literal["cpuset", "quota", ""]:
    """Hold a group of version 2 to its cores, as well as its controllers can."""
    if "cpuset" in handed and limits.cores:
        with suppress(OSError):
            _write(folder / "cpuset.cpus", limits.listed)
            return "cpuset"
    if "cpu" in handed and limits.cpus:
        with suppress(OSError):
            _write(folder / "cpu.max", f"{limits.cpus * _PERIOD_US} {_PERIOD_US}")
            return "quota"
    return ""


def _hand_on(parent: Path, controller: str) -> None:
    """Let groups below a group have a controller.

    Raises:
        OSError: this user may not, the group has not got it, or has processes of its own.
    """
    handed = controller in " ".join(lines(parent / "cgroup.subtree_control")).split()
    if not handed and controller not in " ".join(lines(parent / "cgroup.controllers")).split():
        raise FileNotFoundError(2, f"it has no {controller} controller")
    if not os.access(parent, os.W_OK) or not os.access(parent / "cgroup.procs", os.W_OK):
        raise PermissionError(13, "this user may not make groups there")
    if handed:
        return
    _write(parent / "cgroup.subtree_control", f"+{controller}")


def _version_1(name: str, limits: Limits, memory: Hierarchy, root: Path) -> Group:
    most = str(limits.memory_bytes or -1)
    files = {"memory.limit_in_bytes": most}
    made = [_made(memory.folders[0] / name, files, {"memory.memsw.limit_in_bytes": most})]
    cpus: Literal["cpuset", "quota", ""] = ""
    with suppress(OSError, StopIteration):
        parent = _mounted("cpuset", root)
        nodes = "".join(lines(parent / "cpuset.mems"))
        if limits.cores:
            made.append(
                _made(parent / name, {"cpuset.cpus": limits.listed, "cpuset.mems": nodes}, {})
            )
            cpus = "cpuset"
    if limits.cpus and not cpus:
        quota = {
            "cpu.cfs_period_us": str(_PERIOD_US),
            "cpu.cfs_quota_us": str(limits.cpus * _PERIOD_US),
        }
        with suppress(OSError, StopIteration):
            made.append(_made(_mounted("cpu", root) / name, quota, {}))
            cpus = "quota"
    return Group(name=name, version=1, folders=tuple(made), cpus=cpus)


def _mounted(controller: str, root: Path) -> Path:
    """This process's group in the hierarchy of a controller of version 1."""
    return next(each for each in hierarchies(root) if controller in each.controllers).folders[0]


def _made(folder: Path, files: Mapping[str, str], wished: Mapping[str, str]) -> Path:
    """A group with its limits, those that the kernel may not know among them; else none."""
    folder.mkdir(exist_ok=True)  # a worker that was killed made it for this very lease
    try:
        for name, value in files.items():
            _write(folder / name, value)
        for name, value in wished.items():
            with suppress(OSError):  # a kernel without an account of swap
                _write(folder / name, value)
    except OSError:
        folder.rmdir()
        raise
    return folder


def _write(path: Path, value: str) -> None:
    """Write a file of the kernel's; a refusal comes with the write, which names no file."""
    try:
        path.write_text(value, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _kills(folder: Path) -> int:
    said = [*lines(folder / "memory.events"), *lines(folder / "memory.oom_control")]
    counts = (line.split() for line in said)
    return max((int(each[1]) for each in counts if each[0] == "oom_kill"), default=0)


def _held(folders: Sequence[Path]) -> Literal["cpuset", "quota", ""]:
    """How groups that were found hold cores."""
    if any("".join(lines(folder / "cpuset.cpus")).strip() for folder in folders):
        return "cpuset"
    quotas = (folder / name for folder in folders for name in ("cpu.max", "cpu.cfs_quota_us"))
    said = [" ".join(lines(quota)) for quota in quotas]
    return "quota" if any(each and not each.startswith(("max", "-1")) for each in said) else ""


def _gone(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # something is in it
        return False
    return True


def _named(prefix: str, mount: Path) -> Iterator[Path]:
    for folder, below, _ in os.walk(mount):
        yield from (Path(folder, each) for each in below if each.startswith(prefix))

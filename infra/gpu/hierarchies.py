"""Where the control groups of this process lie: mounts of version 1 and 2, as the kernel says."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
_MOUNT_FIELDS = 5
"""Of a line of mountinfo: the fourth is what of a file system is mounted, the fifth where."""


class Hierarchy(NamedTuple):
    """One mount: its controllers, none named in version 2, and this process's folders in it.

    `folders` begins with the process's own group and ends with the mount itself.
    """

    version: int
    controllers: frozenset[str]
    folders: tuple[Path, ...]

    @property
    def mount(self) -> Path:
        """Where it is mounted."""
        return self.folders[-1]


def hierarchies(root: Path = ROOT) -> Iterator[Hierarchy]:
    """Every mount of control groups that this process is in.

    Args:
        root: where ``/proc`` and the control groups are looked for.
    """
    own = lines(root / "proc/self/cgroup")
    groups = {line.split(":")[1]: line.split(":", 2)[-1] for line in own if ":" in line}
    for line in lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        where, how = place.split(), kind.split()
        if len(where) < _MOUNT_FIELDS or not how or how[0] not in {"cgroup", "cgroup2"}:
            continue
        controllers = "" if how[0] == "cgroup2" else _controllers(groups, how[-1])
        if controllers in groups:
            yield Hierarchy(
                version=2 if how[0] == "cgroup2" else 1,
                controllers=frozenset(filter(None, controllers.split(","))),
                folders=tuple(_upwards(root, groups[controllers], top=where[3], mounted=where[4])),
            )


def lines(path: Path) -> list[str]:
    """A file of the kernel's by lines; none where it is not there."""
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []


def _controllers(groups: dict[str, str], options: str) -> str:
    """The line of ``/proc/self/cgroup`` that a mount of version 1 belongs to."""
    mounted = set(options.split(","))
    return next((each for each in groups if each and set(each.split(",")) <= mounted), "none")


def _upwards(root: Path, group: str, *, top: str, mounted: str) -> Iterator[Path]:
    """A group's folder and those above it, as far as they can be seen below a mount."""
    mount = root / mounted.lstrip("/")
    inside = group.removeprefix(top) if group.startswith(top) else ""
    parts = [part for part in inside.split("/") if part not in {"", ".."}]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])

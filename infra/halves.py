"""Files that are there whole or not at all: the name of a half says who writes it."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.starts import start_of

HALF: Final = ".half-"
"""How the name of a file begins while it is written: a kill may leave it, and nobody reads it."""

_NAME: Final = re.compile(rf"{re.escape(HALF)}(\d+)-([\w.-]+)-\w+")
_STRANGE_S: Final = 24 * 3600
"""Age from which a half is left even if its writer cannot be asked for; a write takes seconds."""


def put_whole(target: Path, data: bytes) -> None:
    """A file that appears complete; on a full disk its half does not stay to keep it full.

    Raises:
        OSError: it cannot be written.
    """
    mine = f"{HALF}{os.getpid()}-{_in_name(os.getpid())}-"
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=mine, delete=False) as half:
        try:
            half.write(data)
            half.flush()
            os.fsync(half.fileno())
            Path(half.name).replace(target)
        except OSError:
            Path(half.name).unlink(missing_ok=True)
            raise


def sweep_halves(*folders: Path) -> int:
    """How many halves were removed under some folders: those that nobody goes on with.

    One whose writer runs is left alone. So is a young one of another machine, or of this one
    before it was started anew: a store may be shared, and who writes there cannot be seen here.
    """
    left = [path for folder in folders for path in _halves(folder) if _is_left(path)]
    for path in left:
        path.unlink(missing_ok=True)  # another `up` may sweep too
    return len(left)


def _halves(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.startswith(HALF))


def _is_left(path: Path) -> bool:
    found = _NAME.fullmatch(path.name)
    if found and _in_name(int(found[1])) == found[2]:
        return False
    if found and _boot(found[2]) == _boot(_in_name(os.getpid())):
        return True
    try:
        return time.time() - path.stat().st_mtime > _STRANGE_S
    except FileNotFoundError:
        return False


def _in_name(pid: int) -> str:
    """A process's start as part of a name; empty where no such process runs."""
    return (start_of(pid) or "").replace(":", ".")


def _boot(started: str) -> str:
    return started.rpartition(".")[0]

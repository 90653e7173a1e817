"""Working folders under the home, each named for the process that uses it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.private import clear_errors
from infra.processes import ProcessIdentity
from infra.settings import settings
from infra.starts import start_of

_NAME = re.compile(r"[a-z]+-(\d+)-([\w.-]+)-\w+")


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A folder that is there for the block; what a kill leaves of it is removed by `sweep`.

    Args:
        purpose: a word for who looks into the home.

    Raises:
        ConfigError: the home cannot be written.
        ResourceError: the disk is full.
    """
    mine = ProcessIdentity.of(os.getpid())
    with clear_errors():
        _place().mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(
            prefix=f"{purpose}-{mine.pid}-{_in_name(mine.started)}-", dir=_place()
        )
    with folder as name:
        yield Path(name)


def sweep() -> int:
    """How many folders were removed: those whose process is gone."""
    left = [folder for folder in _place().glob("*") if _is_left(folder.name)]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)  # another `up` may sweep too
    return len(left)


def _place() -> Path:
    return settings().home / "tmp"


def _is_left(name: str) -> bool:
    found = _NAME.fullmatch(name)
    if found is None:
        return False
    started = start_of(int(found[1]))
    return started is None or _in_name(started) != found[2]


def _in_name(started: str) -> str:
    """A process's start as part of a path: a colon would make a URI of it for some libraries."""
    return started.replace(":", ".")

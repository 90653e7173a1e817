"""Folders and files for one user alone, and what the system says when it refuses them."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import ConfigError, ResourceError
from infra.settings import settings

_UNFIT = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
"""What the system says of a place in which nothing can be made, whoever tries again."""


def make_private(folder: Path, uid: int | None = None) -> Path:
    """The folder, made if absent, of mode 0700 and owned by `uid` (by default this user)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    if uid is not None and folder.stat().st_uid != uid:
        os.chown(folder, uid, -1)
    return folder


def is_private(folder: Path, uid: int) -> bool:
    """Whether a folder is there, no link, owned by the user and closed to everybody else."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    closed = stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004 - the mode as `ls` shows it
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and closed


def read_private(path: Path) -> str | None:
    """What a file of ours holds, None where there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"{path} cannot be read: {why}.",
            hint="Make it readable for this user, or move it away.",
        ) from error


def write_private(path: Path, text: str) -> None:
    """Put a file of mode 0600 in place, whole or not at all."""
    with clear_errors():
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)


@contextmanager
def clear_errors() -> Iterator[None]:
    """What the system refuses while it is in force becomes an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise explained(error) from error


def require_room(least: int) -> None:
    """Nothing, where the disk of the home has so many bytes left.

    Servers that meet a full disk say so in their logs at best, and each in words of its own.

    Raises:
        ResourceError: it has fewer.
    """
    home = settings().home
    with clear_errors():
        free = shutil.disk_usage(home).free
    if free < least:
        raise ResourceError(
            f"The disk that holds {home} is full: {free / 2**20:.0f} MiB are left, "
            f"{least / 2**20:.0f} MiB are needed.",
            hint=_larger_disk(),
        )


def _larger_disk() -> str:
    return f"Free space, or set PERENNIAL_HOME (now {settings().home}) to a larger disk."


def explained(error: OSError) -> ConfigError | ResourceError:
    """The error of ours that says what an error of the operating system means for a person."""
    where = error.filename or settings().home
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ResourceError(f"The disk that holds {where} is full.", hint=_larger_disk())
    if error.errno in _UNFIT:
        return ConfigError(
            f"{where} cannot be written: {error.strerror}.",
            hint=f"Set PERENNIAL_HOME (now {settings().home}) to a folder that you own.",
        )
    return ResourceError(
        f"{where}: {error.strerror or error}.", hint="`perennial doctor` looks at the machine."
    )

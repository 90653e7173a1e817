"""Databases that nobody's home refers to any more: found and measured, never deleted."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from infra import postgres
from infra.claims import Claim, claim_of, outlying
from infra.places import Places


class Forgotten(NamedTuple):
    """A folder with a database, its size, and why it seems to be nobody's."""

    folder: Path
    size_bytes: int
    why: str


def forgotten() -> list[Forgotten]:
    """The databases outside homes that no home refers to and no server works in."""
    found = []
    for folder in outlying():
        why = _why(folder)
        if why and not postgres.server_processes(folder / "data"):
            found.append(Forgotten(folder, _size(folder), why))
    return found


def _why(folder: Path) -> str:
    """Why a database seems to be nobody's; nothing where it is somebody's."""
    known = claim_of(folder)
    if known is None:
        return "nothing says whose it is; the next `perennial up` of its home would"
    if not known.home.exists():
        return f"its home {known.home} is gone, unless its disk is only not mounted"
    return "" if _refers(known, folder) else f"its home {known.home} was made anew since"


def _refers(known: Claim, folder: Path) -> bool:
    """Whether the home still means this database; where it cannot be told, it does."""
    try:
        text = (known.home / "stack" / "places.json").read_text(encoding="utf-8")
        places = Places.model_validate_json(text)
    except FileNotFoundError:
        return (known.home / "addresses.json").exists()  # `up` finds it again
    except (OSError, ValueError):
        return True
    return places.embedded is None or places.embedded.database.is_relative_to(folder)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # a file that goes while one looks has no size
                total += os.lstat(Path(parent) / name).st_size
    return total

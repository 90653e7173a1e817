"""The end of a home: its stack stopped, its folders outside it deleted."""

import shutil
import sys
from pathlib import Path

from infra.claims import claim_of, outlying
from infra.errors import ConfigError, PerennialError
from infra.places import Places, places_file, read_places
from infra.settings import settings
from infra.stack.lifecycle import down


def erase() -> tuple[str, ...]:
    """Stop the stack and delete its folders outside the home; the home is left to the caller.

    Returns:
        What is left because nothing tells for certain where it is, a sentence for each.

    Raises:
        ResourceError: a process outlives every signal, so that nothing was deleted.
    """
    if not places_file().exists():
        return ()
    try:
        down()
        places = read_places()
    except ConfigError as error:
        return (str(error.args[0]), *_outlying())
    home = settings().home
    left = [_left(folder) for folder in _outside(places) if not folder.is_relative_to(home)]
    places_file().unlink(missing_ok=True)
    return tuple(sentence for sentence in left if sentence)


def _outside(places: Places) -> set[Path]:
    folders = {places.sockets}
    if places.embedded:
        folders |= {places.embedded.sockets, places.embedded.database.parent}
    return folders


def _left(folder: Path) -> str:
    """Delete a folder, and say so where it could not be."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{error.filename or folder} could not be deleted: {error.strerror}."
    return ""


def _outlying() -> list[str]:
    """The databases outside the home that say they are its own: named, for a person to delete."""
    return [
        f"The database in {folder} is of this home; `rm -r {folder}` deletes it."
        for folder in outlying()
        if (found := claim_of(folder)) and found.home == settings().home
    ]


def main() -> int:
    """What `make clean` runs before it deletes the home: 1 where something of it still runs."""
    try:
        for sentence in erase():
            print(sentence)  # noqa: T201 - what `make clean` shows
    except PerennialError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0

"""The bytes of what was delivered, from a disk or a bucket: a file, whole, and not too large."""

from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from infra.errors import DataError
from infra.files import MOST_BYTES, read_file, too_large
from infra.store import filesystem_of
from tasks.data.batch import plain

_NOTHING: Final = "Nothing was ingested."
_WHOLE: Final = "Name one file."


def fetch(table: str, location: str) -> bytes:
    """The bytes of a delivered file.

    Raises:
        ConfigError: nothing here can reach such a location.
        DataError: it is not there, is no file, is too large, or changes while it is read.
    """
    filesystem, path = filesystem_of(location)
    local = isinstance(filesystem, LocalFileSystem)
    try:
        return read_file(path) if local else _remote(filesystem, path, location)
    except DataError as error:
        raise DataError(f"{table}: {error.args[0]}", hint=f"{_NOTHING} {error.advice}") from error


def _remote(filesystem: Any, path: str, location: str) -> bytes:  # noqa: ANN401 - fsspec is untyped
    """An object of a bucket, or whatever else a location of its kind may be.

    Each protocol raises errors of its own library, so all of them are taken for what they mean
    here: that the bytes were not to be had.
    """
    try:
        told = filesystem.info(path)
        data = b""
        if told.get("type") != "directory":
            with filesystem.open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise DataError(
            f"There is no file at {plain(location, 200)}.",
            hint="Correct the location, or wait for the delivery.",
        ) from error
    except Exception as error:
        raise DataError(
            f"{plain(location, 200)} cannot be read: {type(error).__name__}: {plain(error, 200)}.",
            hint="Check the address, and that this machine and its credentials may read it.",
        ) from error
    if told.get("type") == "directory":
        raise DataError(f"{plain(location, 200)} is a folder, and no file.", hint=_WHOLE)
    if len(data) > MOST_BYTES:
        raise too_large(location, f"{told.get('size') or f'more than {MOST_BYTES}'}", MOST_BYTES)
    return data

"""Files that somebody else wrote: told apart before they are opened, read whole and bounded."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from infra.errors import DataError

MOST_BYTES: Final = 1 << 30
"""Most bytes of a file that are read: what was handed over is held in memory while it is judged."""

_BLOCK: Final = 1 << 20
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_NO_FILE: Final = "Name a regular file: nothing else has an end, or gives the same bytes twice."
_BUSY: Final = (
    "Wait until it is complete and run again. Written under another name and renamed at the end, "
    "a file is never seen in part."
)


def read_file(path: Path | str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file that did not change meanwhile.

    Args:
        path: where it is.
        most: bytes from which it is refused.

    Raises:
        DataError: it is not there, is no regular file, may not be read, is too large, or was
            written to while it was read. A pipe, a socket or a device is not even opened.
    """
    place = Path(path)
    try:
        _refuse_unless_regular(place, place.stat().st_mode)
        # Without waiting: between the look and the opening it may have become a pipe.
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(place, handle, most)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _refused(place, error) from error


def shown(text: object) -> str:
    r"""A text in which everything can be seen: what cannot is escaped.

    >>> shown("a\u202eb")
    'a\\u202eb'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def too_large(place: Path | str, size: str, most: int) -> DataError:
    """The error of a file that has more bytes than are read."""
    return DataError(
        f"{shown(place)} holds {size} bytes; at most {most >> 20} MiB are read.",
        hint="Deliver it in parts, such as shorter windows.",
    )


def _content(place: Path, handle: int, most: int) -> bytes:
    before = os.fstat(handle)
    _refuse_unless_regular(place, before.st_mode)
    if before.st_size > most:
        raise too_large(place, f"{before.st_size:,}", most)
    blocks, size = [], 0
    while block := os.read(handle, _BLOCK):
        size += len(block)
        if size > most:  # it grows, or says nothing of its size, as files of the kernel do
            raise too_large(place, f"more than {most:,}", most)
        blocks.append(block)
    after = os.fstat(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(
            f"{shown(place)} was written to while it was read: {before.st_size:,} bytes at first, "
            f"{after.st_size:,} at the end.",
            hint=_BUSY,
        )
    return b"".join(blocks)


def _refuse_unless_regular(place: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((name for test, name in _KINDS if test(mode)), "no regular file")
    raise DataError(f"{shown(place)} is {kind}, and no file.", hint=_NO_FILE)


def _refused(place: Path, error: Exception) -> DataError:
    number = getattr(error, "errno", None)
    name = shown(place)
    if number == errno.ENOENT and place.is_symlink():
        return DataError(
            f"{name} is a link to {shown(place.readlink())}, which is not there.",
            hint="Mend the link, or name the file itself.",
        )
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return DataError(
            f"There is no file at {name}.", hint="Correct the path, or wait for the file."
        )
    if number in {errno.EACCES, errno.EPERM}:
        return DataError(
            f"{name} may not be read by this user: permission denied.",
            hint="Let the user that runs Perennial read the file and enter its folders.",
        )
    if number == errno.ELOOP:
        return DataError(f"{name} is a link that leads back to itself.", hint="Mend the link.")
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"{name} cannot be read: {reason}.", hint="Correct the path, or the disk.")

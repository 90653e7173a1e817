"""Certificates that are read once for each process, and before a fork for all of its children.

Prefect makes a client for each part of a run's start, five of them in its process alone, and reads
the machine's certificates for each: 16 ms every time, and also for servers without any. The process
that runs are forked from loads this file by its place: it imports nothing of ours by name.
"""

import functools
import importlib
import ssl
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from prefect.client import orchestration

_ASKING: Final = (
    "prefect.client.orchestration",
    "prefect._internal.version_checking",
    "prefect._internal.websockets",
)
"""Modules of Prefect that make contexts; a release that lacks the latter two makes fewer."""


def read_once() -> None:
    """From now on Prefect's clients share what was read, until the file is another."""
    own = SimpleNamespace(**{**vars(ssl), "create_default_context": _context})
    for name in _ASKING:
        with suppress(ModuleNotFoundError):
            setattr(importlib.import_module(name), "ssl", own)  # noqa: B010 - asked by these, and by nobody else
    with suppress(OSError):  # whoever needs certificates that are not there says so
        orchestration.SyncPrefectClient("http://127.0.0.1")  # it asks nobody yet


def _context(**given: Any) -> ssl.SSLContext:  # noqa: ANN401 - as the standard library's
    """One that is shared; a new one where more is asked, or where its maker makes it lenient."""
    place = given.get("cafile")
    if place is None or len(given) > 1:
        return ssl.create_default_context(**given)
    found = Path(place).stat()
    return _read(place, found.st_mtime_ns, found.st_ino)


@functools.lru_cache(maxsize=2)
def _read(place: str, _changed_ns: int, _inode: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=place)

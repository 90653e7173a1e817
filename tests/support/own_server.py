"""A PostgreSQL server such as a user brings: on a TCP port, with a password."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from infra.postgres_places import installed_binaries

_AS_ROOT = os.geteuid() == 0


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of a PostgreSQL on a TCP port of the loopback, with scram and a password."""
    folder = Path(tempfile.mkdtemp(prefix="own-server-"))
    user = pwd.getpwnam("nobody") if _AS_ROOT else pwd.getpwuid(os.geteuid())
    os.chown(folder, user.pw_uid, user.pw_gid)
    password = folder / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    as_user: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid} if _AS_ROOT else {}
    binaries = installed_binaries()
    subprocess.run(
        [
            *(binaries / "initdb", "-D", folder / "data", "-U", "owner", "--no-sync"),
            *(f"--pwfile={password}", "--auth=scram-sha-256"),
        ],
        check=True,
        capture_output=True,
        cwd="/",
        **as_user,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(binaries / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
        ],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **as_user,
    )
    try:
        _wait_for_port(port)
        yield f"postgresql://owner:secret@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.send_signal(3)  # an immediate shutdown: clients of a failed test do not hold it up
        server.wait(20)
        shutil.rmtree(folder)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            psycopg2.connect(
                f"postgresql://owner:secret@127.0.0.1:{port}/postgres", connect_timeout=2
            ).close()
        except psycopg2.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server of the test did not start")

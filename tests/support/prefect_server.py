"""A Prefect server of a test's own: ``prefect server start`` on PostgreSQL, as `up` runs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg2
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.support.homes import environment

PATIENCE_S = 90


@contextmanager
def prefect_server(database: str, folder: Path) -> Iterator[str]:
    """The API's URL of a server on an empty database, which this process uses meanwhile.

    Args:
        database: URL of a PostgreSQL server without a database's name.
        folder: where its log and its home lie.
    """
    with serving(database, folder) as api, talking_to(api):
        yield api


@contextmanager
def talking_to(api: str) -> Iterator[None]:
    """This process uses a server meanwhile."""
    addresses = {
        "PREFECT_API_URL": api,
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
        "PERENNIAL_PAGES_URL": "http://127.0.0.1:1",
    }
    with environment(addresses), temporary_settings({PREFECT_API_URL: api}):
        yield


@contextmanager
def serving(database: str, folder: Path) -> Iterator[str]:
    """The API's URL of a server on an empty database.

    Args:
        database: URL of a PostgreSQL server without a database's name.
        folder: where its log and its home lie.
    """
    with closing(psycopg2.connect(database.replace("@/", "@/postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("create database prefect template template0")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    variables = {
        **os.environ,
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace(
            "postgresql://postgres@/", "postgresql+asyncpg://postgres@/prefect"
        ),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--no-ui"], env=variables, stdout=log, stderr=log)
    try:
        _wait(f"{api}/health", process, folder / "log")
        yield api
    finally:
        process.terminate()
        process.wait(30)


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"Prefect's server did not start:\n{log.read_text()[-2000:]}")

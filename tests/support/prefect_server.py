"""A Prefect server of a test's own on PostgreSQL, served as `up` does."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg2
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra.stack.servers import uvicorn_command
from tests.support.homes import environment

PATIENCE_S = 90
_DRAINED_S = 10


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
        for waiting in (EventsWorker, APILogWorker):  # while there is somebody to send it to
            waiting.drain_all(timeout=_DRAINED_S)


class PrefectServer:
    """A server on a database and a port that stay the same, however often it is started."""

    def __init__(self, database: str, folder: Path) -> None:
        """Make an empty database, and choose a port.

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
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._url = database.replace(
            "postgresql://postgres@/", "postgresql+asyncpg://postgres@/prefect"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = uvicorn_command("infra.stack.applications:prefect_server", self.port)
        variables = {
            **os.environ,
            "PREFECT_HOME": str(self._folder),
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": self._url,
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # a second, for nobody's use here
        }
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        _wait(f"{self.api}/health", process, self._folder / "log")

    def kill(self) -> None:
        """Kill it with all that it has started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)


@contextmanager
def serving(database: str, folder: Path) -> Iterator[str]:
    """The API's URL of a server on an empty database.

    Args:
        database: URL of a PostgreSQL server without a database's name.
        folder: where its log and its home lie.
    """
    server = PrefectServer(database, folder)
    try:
        server.start()
        yield server.api
    finally:
        server.stop()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"Prefect's server did not start:\n{log.read_text()[-2000:]}")

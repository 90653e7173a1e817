"""The servers of a stack: how each is started, and when it is ready."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from infra import postgres
from infra.addresses import HOST, addresses_of, read_ports
from infra.databases import database_urls
from infra.environment import is_replaced
from infra.places import Embedded, Places
from infra.pools import KIND, NOT_AGAIN, POOL
from infra.settings import PROJECT, settings


class Server(BaseModel):
    """One program of the supervisor."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    command: list[str]
    environment: dict[str, str] = Field(default_factory=dict)
    user: str | None = None
    directory: Path = PROJECT
    stop_signal: str = "TERM"
    stop_within_s: int = 15
    whole_group: bool = True
    not_again: int | None = None
    """The exit code by which it says that a new start would fail as well."""
    port: int | None = None
    health: str | None = None


def servers(places: Places) -> list[Server]:
    """The servers that this home's stack runs: those that nobody put one of their own for."""
    embedded = places.embedded if settings().database_url is None else None
    return [
        *([_postgres(embedded)] if embedded else []),
        *([] if is_replaced("prefect") else [_prefect()]),
        *([] if is_replaced("mlflow") else [_mlflow()]),
        *([] if is_replaced("pages") else [_pages()]),
        _worker(),
    ]


def uvicorn_command(factory: str, port: int) -> list[str]:
    """What serves an application on a port of the loopback, in one process.

    Args:
        factory: ``module:function`` that makes the application.
        port: where it answers.
    """
    where = ("--host", HOST, "--port", str(port))
    return [*_python("uvicorn"), factory, "--factory", *where, "--log-level", "warning"]


def is_healthy(server: Server) -> bool:
    """Whether a server's health address answers with success."""
    if server.health is None:
        return True
    try:
        with urllib.request.urlopen(server.health, timeout=2) as answer:  # noqa: S310 - our own http
            return bool(answer.status == 200)  # noqa: PLR2004 - the one code that means yes
    except (urllib.error.URLError, OSError):
        return False


def _postgres(embedded: Embedded) -> Server:
    return Server(
        name="postgres",
        title="PostgreSQL",
        command=postgres.server_command(embedded),
        user=postgres.owner_name(embedded),
        directory=embedded.database,
        stop_signal="INT",  # PostgreSQL's fast shutdown
        stop_within_s=60,
        whole_group=False,
    )


def _prefect() -> Server:
    port = read_ports().prefect
    return Server(
        name="prefect",
        title="Prefect server",
        command=uvicorn_command("infra.stack.applications:prefect_server", port),
        environment={
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_urls().prefect,
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        },
        port=port,
        health=f"{addresses_of(read_ports()).prefect_api}/health",
    )


def _mlflow() -> Server:
    port = read_ports().mlflow
    address = addresses_of(read_ports()).mlflow
    # Clients write artifacts to the store themselves: the address in a record is the file's own.
    return Server(
        name="mlflow",
        title="MLflow server",
        command=uvicorn_command("infra.stack.applications:mlflow_server", port),
        environment={
            # A command line is for every user to read, an environment is not.
            "MLFLOW_BACKEND_STORE_URI": database_urls().mlflow,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": _as_uri(f"{settings().store_uri}/artifacts"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        port=port,
        health=f"{address}/health",
    )


def _pages() -> Server:
    port = read_ports().pages
    return Server(
        name="pages",
        title="Report pages",
        # By name: its layer lies above this one, as that of the upkeep does.
        command=uvicorn_command("deployments.pages.application:create", port),
        port=port,
        health=f"{addresses_of(read_ports()).pages}/healthz",
    )


def _worker() -> Server:
    return Server(
        name="worker",
        title="Worker",
        command=[
            *_python("prefect"),
            *("worker", "start", "--type", KIND, "--pool", POOL, "--name", POOL),
            *("--install-policy", "never"),
        ],
        environment={
            "PREFECT_WORKER_QUERY_SECONDS": str(settings().worker_poll_s),
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        },
        not_again=NOT_AGAIN,
        whole_group=False,  # the worker ends its runs itself and says so to the server
    )


def _python(module: str) -> list[str]:
    # By module, not by script: a script's first line breaks where the environment lies deep.
    return [sys.executable, "-m", module]


def _as_uri(location: str) -> str:
    return location if "://" in location else Path(location).as_uri()

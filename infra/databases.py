"""The three databases on one PostgreSQL: their addresses, and making those that are absent."""

import re
from contextlib import closing
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from infra.errors import BackendError, ConfigError
from infra.places import Embedded, Places, read_places
from infra.postgres import ROLE
from infra.settings import settings

Name = Literal["perennial", "prefect", "mlflow"]
NAMES: Final[tuple[Name, ...]] = ("perennial", "prefect", "mlflow")
_DRIVERS: Final[dict[Name, str]] = {
    "perennial": "psycopg2",
    "prefect": "asyncpg",
    "mlflow": "psycopg2",
}


class DatabaseUrls(BaseModel):
    """SQLAlchemy URLs with their drivers; they may hold a password and are not for display."""

    model_config = ConfigDict(frozen=True)

    perennial: str
    prefect: str
    mlflow: str


def database_urls() -> DatabaseUrls:
    """The URLs of the three databases, on the embedded server or on one's own.

    Raises:
        ConfigError: the stack was never started, or ``PERENNIAL_DATABASE_URL`` is no URL.
    """
    return DatabaseUrls(
        perennial=database_url("perennial"),
        prefect=database_url("prefect"),
        mlflow=database_url("mlflow"),
    )


def database_url(name: Name) -> str:
    """The SQLAlchemy URL of one database, for the driver that its user speaks.

    Raises:
        ConfigError: the stack was never started, or ``PERENNIAL_DATABASE_URL`` is no URL.
    """
    own = settings().database_url
    if own is not None:
        return _on_own_server(own.get_secret_value(), name)
    return embedded_url(read_places(), name)


def embedded_url(places: Places, name: Name) -> str:
    """The URL of a database on the embedded server: its host is the folder of its socket."""
    if places.embedded is None:
        raise ConfigError(
            "This home has no embedded database: it was started with one's own.",
            hint="Set PERENNIAL_DATABASE_URL again, or run `perennial up` without it.",
        )
    return f"postgresql+{_DRIVERS[name]}://{ROLE}@/{name}?host={_host(places.embedded)}"


def create_databases(places: Places) -> None:
    """Make those of the three databases that the server does not have.

    Raises:
        BackendError: the server does not answer, or its user may not make databases.
    """
    import psycopg2
    from psycopg2 import sql

    make = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        with closing(_connect(places)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            there = {row[0] for row in cursor.fetchall()}
            for name in NAMES:
                if name not in there:
                    cursor.execute(make.format(sql.Identifier(name)))
    except psycopg2.Error as error:
        raise BackendError(
            f"The databases {', '.join(NAMES)} cannot be made: {str(error).strip()}.",
            hint="Make them yourself, or give the user of PERENNIAL_DATABASE_URL CREATEDB.",
        ) from error


def reach() -> str:
    """The version of the server, which answers.

    Raises:
        ConfigError: the stack was never started.
        BackendError: the server does not answer.
    """
    with closing(_connect(read_places())) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _connect(places: Places) -> Any:  # noqa: ANN401 - psycopg2 has no types
    import psycopg2

    try:
        connection = psycopg2.connect(_maintenance(places), connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise unreachable(error) from error
    connection.autocommit = True  # CREATE DATABASE stands outside a transaction
    return connection


def unreachable(error: Exception) -> BackendError:
    """The error that says that no PostgreSQL answers; it names the reason and no password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else "no reason given"
    own = settings().database_url is not None
    return BackendError(
        f"PostgreSQL does not answer: {reason}.",
        hint="Check PERENNIAL_DATABASE_URL and that its server runs."
        if own
        else "Run `perennial up`; `perennial logs postgres` shows what it last said.",
    )


def _maintenance(places: Places) -> str:
    """A URL for libpq with a database that is there: the one that the user names, or postgres."""
    own = settings().database_url
    if own is None:
        if places.embedded is None:
            raise ConfigError("This home has no embedded database.", hint="Run `perennial up`.")
        return f"postgresql://{ROLE}@/postgres?host={_host(places.embedded)}"
    parts = _split(own.get_secret_value())
    path = parts.path.rstrip("/") or "/postgres"
    return urlunsplit(parts._replace(scheme="postgresql", path=path))


def _host(embedded: Embedded) -> str:
    return quote(str(embedded.sockets), safe="/")


def _on_own_server(url: str, name: Name) -> str:
    parts = _split(url)
    query = parse_qsl(parts.query)
    if _DRIVERS[name] == "asyncpg":  # libpq's sslmode is called ssl there
        query = [("ssl" if key == "sslmode" else key, value) for key, value in query]
    return urlunsplit(
        (f"postgresql+{_DRIVERS[name]}", parts.netloc, f"/{name}", urlencode(query, safe="/"), "")
    )


def _split(url: str) -> SplitResult:
    """The parts of a URL that libpq reads as we do; what it holds is never shown.

    Raises:
        ConfigError: it is no PostgreSQL URL, or its password is not percent-encoded.
    """
    try:
        parts = urlsplit(url)
        readable = parts.port is None or parts.port > 0
    except ValueError:  # its message would quote the password
        readable = False
    if not readable or not _reads_alike(parts):
        raise ConfigError(
            "PERENNIAL_DATABASE_URL is no PostgreSQL URL.",
            hint="Write it as postgresql://user:password@host:5432, with the password "
            "percent-encoded where it holds any of % / ? # [ ] @ or :.",
        )
    return parts


def _reads_alike(parts: SplitResult) -> bool:
    return (
        parts.scheme.split("+")[0] in {"postgresql", "postgres"}
        and not parts.fragment
        and parts.netloc.count("@") <= 1
        and not re.search(r"%(?![0-9A-Fa-f]{2})", parts.netloc)
    )

"""The database of our own records: one small pool for a process, and errors that say what to do."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from infra.databases import database_url, unreachable
from infra.errors import BackendError, ResourceError

SCHEMA = MetaData()
"""The tables of ours; a module that needs one declares it here, with what guards it."""

_SCHEMA_LOCK = 0x50_45_52_45_4E_00
"""Number of the advisory lock under which tables are made."""

_CONNECT_TIMEOUT_S = 10
_DISK_FULL = "53100"
"""PostgreSQL's code for it."""


@contextmanager
def connection() -> Iterator[Connection]:
    """A connection inside a transaction that is committed at the end, or rolled back.

    Raises:
        BackendError: the database cannot be reached, or it refused what was asked.
        ResourceError: the database's disk is full.
        ConfigError: the stack was never started, or the server's URL is wrong.
    """
    try:
        with _engine(database_url("perennial")).begin() as open_connection:
            yield open_connection
    except DBAPIError as error:
        raise _failure(error) from error
    except SQLAlchemyError as error:
        raise BackendError(f"The database failed: {error}.") from error


def _failure(error: DBAPIError) -> BackendError | ResourceError:
    cause = error.orig if isinstance(error.orig, Exception) else error
    code = getattr(cause, "pgcode", None)
    if code is None or error.connection_invalidated:
        return unreachable(cause)
    said = " ".join(str(cause).split())
    if code == _DISK_FULL:
        return ResourceError(f"The database's disk is full: {said}.", hint="Free space on it.")
    return BackendError(f"The database refused: {said}.")


def disconnect() -> None:
    """Close the connections of this process; the next use opens new ones."""
    while _ENGINES:
        _ENGINES.popitem()[1].dispose()


_ENGINES: dict[str, Engine] = {}


def _engine(address: str) -> Engine:
    if address not in _ENGINES:
        engine = create_engine(
            address,
            isolation_level="READ COMMITTED",  # a query after a lock must see what others committed
            pool_size=2,
            max_overflow=4,
            pool_pre_ping=True,
            pool_recycle=600,
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "application_name": "perennial",
            },
        )
        _make_tables(engine)
        _ENGINES[address] = engine
    return _ENGINES[address]


def _abandon() -> None:
    """In a forked child: neither speak on the parent's connections nor close them."""
    for engine in _ENGINES.values():
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_abandon)


def _make_tables(engine: Engine) -> None:
    """Make what is missing: all of it or nothing, by one process at a time."""
    importlib.import_module("infra.records")  # it declares its table, whoever connects first
    with engine.begin() as open_connection:
        open_connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
        SCHEMA.create_all(open_connection, checkfirst=True)

"""The database of our own records: one small pool for a process, and errors that say what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from infra.databases import database_url, unreachable
from infra.errors import BackendError

SCHEMA = MetaData()
"""The tables of ours; a module that needs one declares it here, with what guards it."""

_SCHEMA_LOCK = 0x50_45_52_45_4E_00
"""Number of the advisory lock under which tables are made."""

_CONNECT_TIMEOUT_S = 10


@contextmanager
def connection() -> Iterator[Connection]:
    """A connection inside a transaction that is committed at the end, or rolled back.

    Raises:
        BackendError: the database cannot be reached, or it refused what was asked.
        ConfigError: the stack was never started, or the server's URL is wrong.
    """
    try:
        with _engine(database_url("perennial")).begin() as open_connection:
            yield open_connection
    except OperationalError as error:
        raise unreachable(error) from error
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        raise BackendError(f"The database refused: {said}.") from error
    except SQLAlchemyError as error:
        raise BackendError(f"The database failed: {error}.") from error


@lru_cache(maxsize=4)
def _engine(address: str) -> Engine:
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
            "options": "-c timezone=UTC",
        },
    )
    _make_tables(engine)
    # A forked child must not speak on its parent's sockets, nor close them.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def _make_tables(engine: Engine) -> None:
    """Make what is missing: all of it or nothing, by one process at a time."""
    with engine.begin() as open_connection:
        open_connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
        SCHEMA.create_all(open_connection, checkfirst=True)

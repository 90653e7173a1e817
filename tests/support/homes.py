"""A home of a test's own: settings, database and store in temporary places."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from infra import database
from infra.settings import settings


@contextmanager
def home_on(server: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a home with an empty database, which this process adopts meanwhile.

    Args:
        server: URL of a PostgreSQL server without a database's name.
        folder: where the home lies.
    """
    with closing(psycopg2.connect(server.replace("@/", "@/postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop database if exists perennial with (force)")
            cursor.execute("create database perennial template template0")
    home = {"PERENNIAL_HOME": str(folder), "PERENNIAL_DATABASE_URL": server}
    with environment(home):
        yield home


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables for a while; what was read from the environment before is read anew."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    _forget()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        _forget()


def _forget() -> None:
    settings.cache_clear()
    database.disconnect()

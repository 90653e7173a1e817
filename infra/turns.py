"""One at a time, on whatever machine: a turn is held in the database and ends with its process."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def turn(*names: str) -> Iterator[None]:
    """Wait until nobody else holds the turn of that name, and hold it inside the block.

    The lock belongs to a connection: PostgreSQL frees it when the process that holds it is killed.

    Raises:
        BackendError: the database cannot be reached.
    """
    from sqlalchemy import func, select

    from infra.database import connection

    digest = hashlib.sha256("\0".join(names).encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    with connection() as database:
        database.execute(select(func.pg_advisory_xact_lock(number)))
        yield

"""The ledger's table: its records as rows, and the seal that each bears checked as it is read."""

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import (
    CHAR,
    DDL,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    RowMapping,
    Select,
    Table,
    Text,
    event,
    func,
    insert,
    select,
)

from infra.database import SCHEMA
from infra.entries import GENESIS, Entry, Kind, Recorded
from infra.errors import IntegrityError

_APPEND_LOCK = 0x50_45_52_45_4E_01
"""Number of the advisory lock that makes appends wait for each other."""

_TABLE = Table(
    "ledger",
    SCHEMA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False, comment="Canonical JSON: its text is what is sealed."),
    Column("key", Text, nullable=False, unique=True),
    Column("prev", CHAR(64), nullable=False, unique=True, comment="Unique: a chain has no forks."),
    Column("digest", CHAR(64), nullable=False, unique=True),
    Index("ledger_by_model", "model", "as_of", "id"),
    Index("ledger_by_model_and_kind", "model", "kind", "as_of", "id"),
    Index("ledger_by_kind", "kind", "as_of", "id"),
)

_GUARD = """
create function ledger_refuses() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only: %% is refused', tg_op
        using errcode = 'restrict_violation';
end $$;
create trigger ledger_is_append_only before update or delete or truncate on ledger
    for each statement execute function ledger_refuses();
"""
event.listen(_TABLE, "after_create", DDL(_GUARD))  # type: ignore[no-untyped-call]


def wait_for_turn(database: Connection) -> datetime:
    """The database's time once nobody else appends; the turn lasts as long as the transaction."""
    database.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
    return time_of(database)


def time_of(database: Connection) -> datetime:
    """The database's time."""
    now: datetime = database.execute(select(func.clock_timestamp())).scalar_one()
    return now


def put(database: Connection, record: Recorded) -> None:
    """Append a record."""
    database.execute(insert(_TABLE).values(**record.columns()))


def newest(database: Connection) -> Recorded | None:
    """The record that was written last."""
    return _one(database, select(_TABLE).order_by(_TABLE.c.id.desc()).limit(1))


def with_key(database: Connection, key: str) -> Recorded | None:
    """The record under an idempotency key."""
    return _one(database, select(_TABLE).where(_TABLE.c.key == key))


def matching(
    database: Connection,
    model: str | None,
    kinds: Collection[Kind] | None,
    as_of: datetime | None,
    limit: int | None,
) -> tuple[Recorded, ...]:
    """The last records of a model, of some kinds (of all if None), known as of a time."""
    query = select(_TABLE).order_by(_TABLE.c.as_of.desc(), _TABLE.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(_TABLE.c.model == model)
    if kinds is not None:
        query = query.where(_TABLE.c.kind.in_(sorted(kinds)))
    if as_of is not None:
        query = query.where(_TABLE.c.as_of <= as_of)
    return tuple(reversed([_record(row) for row in database.execute(query).mappings()]))


def after(database: Connection, place: int, most: int) -> tuple[Recorded, ...]:
    """The records behind a place in the chain, in the order of writing, at most so many."""
    query = select(_TABLE).where(_TABLE.c.id > place).order_by(_TABLE.c.id).limit(most)
    return tuple(_record(row) for row in database.execute(query).mappings())


def chain(database: Connection) -> Iterator[Recorded]:
    """Every record in the order of writing, each checked against the one before it.

    Raises:
        IntegrityError: names the first record that does not match.
    """
    rows = database.execution_options(yield_per=500).execute(select(_TABLE).order_by(_TABLE.c.id))
    before: Recorded | None = None
    for row in rows.mappings():
        record = _record(row)
        _follows(record, before)
        yield record
        before = record


def same(earlier: Recorded, entry: Entry) -> Recorded:
    """The earlier record, which must say what the entry says.

    Raises:
        IntegrityError: it says something else.
    """
    if earlier.entry().content() == entry.content():
        return earlier
    raise IntegrityError(
        f"The ledger has record {earlier.id} under the key {entry.key!r}, and it says otherwise.",
        hint="A step recorded one thing twice with different content: compare the two.",
        record=earlier.id,
    )


def _follows(record: Recorded, before: Recorded | None) -> None:
    expected, seal = (before.id + 1, before.digest) if before else (1, GENESIS)
    if record.id != expected:
        raise _broken(f"record {expected} is missing; {record.id} is in its place", expected)
    if record.prev != seal:
        raise _broken(f"record {record.id} does not follow the one before it", record.id)
    if record.recomputed() != record.digest:
        raise _broken(f"the content of record {record.id} does not match its digest", record.id)


def _broken(what: str, record: int) -> IntegrityError:
    return IntegrityError(
        f"The ledger was tampered with: {what}.",
        hint="Stop promoting. Restore the database from a backup and compare from that record on.",
        record=record,
    )


def _one(database: Connection, query: Select[tuple[object, ...]]) -> Recorded | None:
    row = database.execute(query).mappings().first()
    return None if row is None else _record(row)


def _record(row: RowMapping) -> Recorded:
    try:
        return Recorded.read(dict(row))
    except ValueError as error:
        raise _broken(f"record {row['id']} cannot be read", row["id"]) from error

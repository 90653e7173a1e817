"""The ledger: every decision, in the order in which it was made, each sealed by the one before.

A record bears the digest of its own content and of the record before it, so a change to any of
them breaks the chain from there on. The database refuses every change but an append; whoever
switches that off is found by `Ledger.verify`. Only the loss of the newest records leaves a chain
that is whole: hand `verify` a digest that was noted elsewhere (a champion's, a decision's).
"""

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

from infra.database import SCHEMA, connection
from infra.entries import GENESIS, Entry, Kind, Recorded
from infra.errors import IntegrityError

__all__ = ["Entry", "Kind", "Ledger", "Recorded"]

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


class Ledger:
    """The records of this installation."""

    def append(self, entry: Entry) -> Recorded:
        """The record of an entry: a new one, or the one that its key already has.

        Raises:
            IntegrityError: the key is taken by a record that says something else.
            BackendError: the database is gone; nothing was written.
        """
        with connection() as database:
            database.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
            earlier = _one(database, select(_TABLE).where(_TABLE.c.key == entry.key))
            if earlier is not None:
                return _same(earlier, entry)
            newest = _one(database, select(_TABLE).order_by(_TABLE.c.id.desc()).limit(1))
            now: datetime = database.execute(select(func.clock_timestamp())).scalar_one()
            record = Recorded.sealed(entry, newest, now)
            database.execute(insert(_TABLE).values(**record.columns()))
        return record

    def find(self, key: str) -> Recorded | None:
        """The record under an idempotency key."""
        with connection() as database:
            return _one(database, select(_TABLE).where(_TABLE.c.key == key))

    def entries(
        self,
        model: str | None = None,
        kind: Kind | Collection[Kind] | None = None,
        as_of: datetime | None = None,
        limit: int | None = None,
    ) -> tuple[Recorded, ...]:
        """Records in order of logical time, then of writing.

        Args:
            model: only of this model.
            kind: only of this kind, or of these.
            as_of: only those whose own `as_of` is not later.
            limit: only the last so many of them.
        """
        query = select(_TABLE).order_by(_TABLE.c.as_of.desc(), _TABLE.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(_TABLE.c.model == model)
        if kind is not None:
            kinds = [kind] if isinstance(kind, Kind) else sorted(kind)
            query = query.where(_TABLE.c.kind.in_(kinds))
        if as_of is not None:
            query = query.where(_TABLE.c.as_of <= as_of)
        with connection() as database:
            return tuple(reversed([_record(row) for row in database.execute(query).mappings()]))

    def last(
        self,
        model: str | None = None,
        kind: Kind | Collection[Kind] | None = None,
        as_of: datetime | None = None,
    ) -> Recorded | None:
        """The last record in order of logical time, then of writing."""
        found = self.entries(model, kind, as_of, limit=1)
        return found[0] if found else None

    def verify(self, holds: Collection[str] = ()) -> int:
        """How many records the chain has, every one of them recomputed.

        Args:
            holds: digests noted elsewhere, which the chain must hold.

        Raises:
            IntegrityError: names the first record that does not match, or the digests missing.
        """
        missing = set(holds)
        newest: Recorded | None = None
        with connection() as database:
            for record in _chain(database):
                _follows(record, newest)
                missing.discard(record.digest)
                newest = record
        if missing:
            raise IntegrityError(
                f"The ledger lacks {len(missing)} records that others refer to, "
                f"{min(missing)[:12]} among them.",
                missing=sorted(missing),
            )
        return newest.id if newest else 0


def _chain(database: Connection) -> Iterator[Recorded]:
    rows = database.execution_options(yield_per=500).execute(select(_TABLE).order_by(_TABLE.c.id))
    for row in rows.mappings():
        yield _record(row)


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


def _same(earlier: Recorded, entry: Entry) -> Recorded:
    if earlier.entry().content() == entry.content():
        return earlier
    raise IntegrityError(
        f"The ledger has record {earlier.id} under the key {entry.key!r}, and it says otherwise.",
        hint="A step recorded one thing twice with different content: compare the two.",
        record=earlier.id,
    )


def _one(database: Connection, query: Select[tuple[object, ...]]) -> Recorded | None:
    row = database.execute(query).mappings().first()
    return None if row is None else _record(row)


def _record(row: RowMapping) -> Recorded:
    try:
        return Recorded.read(dict(row))
    except ValueError as error:
        raise _broken(f"record {row['id']} cannot be read", row["id"]) from error

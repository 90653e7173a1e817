"""The ledger: every decision, in the order in which it was made, each sealed by the one before.

A record bears the digest of its own content and of the record before it, so a change to any of
them breaks the chain from there on. The database refuses every change but an append; whoever
switches that off is found by `Ledger.verify`. Only the loss of the newest records leaves a chain
that is whole: hand `verify` a digest that was noted elsewhere (a champion's, a decision's).
"""

from collections.abc import Collection
from datetime import datetime

from infra.entries import Entry, Kind, Recorded
from infra.errors import IntegrityError

__all__ = ["Entry", "Kind", "Ledger", "Recorded"]


class Ledger:
    """The records of this installation.

    Every flow imports this class, so the database's library is imported when it is first asked.
    """

    def append(self, entry: Entry) -> Recorded:
        """The record of an entry: a new one, or the one that its key already has.

        Raises:
            IntegrityError: the key is taken by a record that says something else.
            BackendError: the database is gone; nothing was written.
        """
        from infra import records
        from infra.database import connection

        with connection() as database:
            now = records.wait_for_turn(database)
            earlier = records.with_key(database, entry.key)
            if earlier is not None:
                return records.same(earlier, entry)
            record = Recorded.sealed(entry, records.newest(database), now)
            records.put(database, record)
        return record

    def now(self) -> datetime:
        """The database's time: one clock for all machines, whatever theirs say."""
        from infra import records
        from infra.database import connection

        with connection() as database:
            return records.time_of(database)

    def find(self, key: str) -> Recorded | None:
        """The record under an idempotency key."""
        from infra import records
        from infra.database import connection

        with connection() as database:
            return records.with_key(database, key)

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
        from infra import records
        from infra.database import connection

        kinds = [kind] if isinstance(kind, Kind) else kind
        with connection() as database:
            return records.matching(database, model, kinds, as_of, limit)

    def last(
        self,
        model: str | None = None,
        kind: Kind | Collection[Kind] | None = None,
        as_of: datetime | None = None,
    ) -> Recorded | None:
        """The last record in order of logical time, then of writing."""
        found = self.entries(model, kind, as_of, limit=1)
        return found[0] if found else None

    def after(self, place: int, most: int = 1000) -> tuple[Recorded, ...]:
        """The records behind a place in the chain, in the order of writing.

        Whoever follows the ledger reads each record once: nothing is inserted before another.

        Args:
            place: of the last record that is known; 0 before the first.
            most: so many of them at most.
        """
        from infra import records
        from infra.database import connection

        with connection() as database:
            return records.after(database, place, most)

    def verify(self, holds: Collection[str] = ()) -> int:
        """How many records the chain has, every one of them recomputed.

        Args:
            holds: digests noted elsewhere, which the chain must hold.

        Raises:
            IntegrityError: names the first record that does not match, or the digests missing.
        """
        from infra import records
        from infra.database import connection

        missing, length = set(holds), 0
        with connection() as database:
            for record in records.chain(database):
                missing.discard(record.digest)
                length = record.id
        if missing:
            raise IntegrityError(
                f"The ledger lacks {len(missing)} records that others refer to, "
                f"{min(missing)[:12]} among them.",
                missing=sorted(missing),
            )
        return length

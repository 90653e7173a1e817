"""Who holds which device: a journal that outlives every worker of the machine.

The journal is one SQLite file. SQLite gives what a journal needs and is hard to write: a decision
is in it whole or not at all, whoever is killed at whatever point, and two workers never decide at
the same time. Every change is made under the epoch of a worker; a worker whose epoch is not the
newest of its name has been replaced, and may change nothing any more.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from infra.errors import BackendError, ConfigError, IntegrityError, PerennialError, ResourceError
from infra.gpu.devices import Inventory
from infra.gpu.placement import Grant, Impossible, Wait, place
from infra.gpu.tables import TABLES, Row, Value
from infra.processes import ProcessIdentity
from infra.resources import RunRequest

_BUSY_S = 30.0
_NOT_OURS = "Name another file by PERENNIAL_LEASES; this one was left as it is."
_OURS = 0x504C5331
"""What SQLite writes into the file's header for us: PLS1."""


class Worker(BaseModel):
    """A worker's stay: its name, its epoch, and the process that it is."""

    model_config = ConfigDict(frozen=True)

    name: str
    epoch: int
    process: ProcessIdentity


class Lease(BaseModel):
    """What a run holds, since when, and by which process once there is one.

    `id` counts up and is never used again: a child that carries it belongs to this lease alone.
    """

    model_config = ConfigDict(frozen=True)

    id: int
    run: UUID
    worker: str
    request: RunRequest
    grant: Grant
    since: datetime
    process: ProcessIdentity | None = None


class Decision:
    """The journal while one worker decides: what is held cannot change under its eyes."""

    def __init__(self, journal: sqlite3.Connection, worker: Worker) -> None:
        self._journal = journal
        self._worker = worker

    @property
    def leases(self) -> list[Lease]:
        """Every lease of the machine, oldest first."""
        return _leases(self._journal)

    def rows(self, query: str, *values: Value) -> list[Row]:
        """What a query finds, of the tables that other modules keep beside the leases."""
        return self._journal.execute(query, values).fetchall()

    def change(self, statement: str, *values: Value) -> None:
        """Change such a table; it counts with the rest of the decision, or not at all."""
        self._journal.execute(statement, values)

    def lease(
        self, run: UUID, request: RunRequest, inventory: Inventory
    ) -> Lease | Wait | Impossible:
        """A lease of what the run asks, beside everything that is held on this machine.

        A run that holds a lease keeps it, whatever it asks now.
        """
        held = self.leases
        if (mine := next((lease for lease in held if lease.run == run), None)) is not None:
            return mine
        found = place(request, inventory, [lease.grant for lease in held])
        return self.grant(run, request, found) if isinstance(found, Grant) else found

    def grant(self, run: UUID, request: RunRequest, grant: Grant) -> Lease:
        """A lease of what was placed beside `leases`, in this very decision."""
        since = datetime.now(UTC)  # for people: a clock that jumps decides nothing
        added = self._journal.execute(
            "INSERT INTO leases (run, worker, request_json, grant_json, since) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                *(str(run), self._worker.name, request.model_dump_json()),
                *(grant.model_dump_json(), since.isoformat()),
            ),
        )
        return Lease(
            id=int(added.lastrowid or 0),
            run=run,
            worker=self._worker.name,
            request=request,
            grant=grant,
            since=since,
        )

    def adopt(self, lease: Lease) -> None:
        """Make another worker's lease one's own: it was replaced, or it is gone."""
        self._journal.execute(
            "UPDATE leases SET worker = ? WHERE id = ?", (self._worker.name, lease.id)
        )

    def attach(self, lease: Lease, process: ProcessIdentity) -> None:
        """Note the process that holds a lease from now on."""
        self._journal.execute(
            "UPDATE leases SET process = ? WHERE id = ?", (process.model_dump_json(), lease.id)
        )

    def release(self, lease: Lease) -> None:
        """End a lease. Ended before, nothing happens: its number is never given again."""
        self._journal.execute("DELETE FROM leases WHERE id = ?", (lease.id,))


class Journal:
    """The leases of this machine, shared by all of its workers."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, and make it if there is none.

        Raises:
            ConfigError: the file cannot be read or written.
            IntegrityError: the file is no journal, or is damaged.
        """
        self.path = path = path.resolve()  # processes are marked with it
        with _clear(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as journal:
            damage = journal.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise _damaged(path, damage)
            if journal.execute("PRAGMA application_id").fetchone()[0] != _OURS:
                _begin(path, journal)
            for table in TABLES:  # a journal that an older version began lacks some
                journal.execute(table)
            journal.execute(f"PRAGMA application_id = {_OURS}")  # read-only: told now, not later

    @classmethod
    def existing(cls, path: Path) -> "Journal | NoJournal":
        """The journal at `path` to be read, or where there is none, what reads as an empty one.

        Raises:
            IntegrityError: the file is no journal, or is damaged.
        """
        if not path.exists():
            return NoJournal(path)
        journal = cls.__new__(cls)
        journal.path = path.resolve()
        if journal.rows("PRAGMA application_id")[0][0] != _OURS:
            raise IntegrityError(f"{path} is no journal of leases.", hint=_NOT_OURS)
        return journal

    def enlist(self, name: str, process: ProcessIdentity) -> Worker:
        """A new epoch for a worker; whoever had the name before is fenced from now on.

        Raises:
            ConfigError: another process that is alive has the name.
        """
        with self._open() as journal:
            journal.execute("BEGIN IMMEDIATE")
            _refuse_a_second(journal, name, process)
            journal.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (uuid4().hex[:12],))
            journal.execute("DELETE FROM workers WHERE name = ?", (name,))
            added = journal.execute(
                "INSERT INTO workers (name, process) VALUES (?, ?)",
                (name, process.model_dump_json()),
            )
            journal.execute("COMMIT")
            return Worker(name=name, epoch=int(added.lastrowid or 0), process=process)

    @contextmanager
    def deciding(self, worker: Worker) -> Iterator[Decision]:
        """The journal to one worker alone; written when the block ends well, else not at all.

        Raises:
            IntegrityError: another process has taken the worker's name: this one is fenced.
            ResourceError: another worker did not let go of the journal for half a minute.
        """
        with self._open() as journal:
            journal.execute("BEGIN IMMEDIATE")
            newest = journal.execute(
                "SELECT epoch FROM workers WHERE name = ?", (worker.name,)
            ).fetchone()
            if newest is None or newest[0] != worker.epoch:
                raise IntegrityError(
                    f"Worker {worker.name} of epoch {worker.epoch} was replaced by epoch "
                    f"{newest[0] if newest else 'none'}; it may grant and release nothing.",
                    hint="Stop this worker; the one that took its name goes on with its runs.",
                )
            yield Decision(journal, worker)
            journal.execute("COMMIT")

    @property
    def blank(self) -> bool:
        """Whether no lease was ever given by it: their numbers are not used again."""
        return not self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'leases'")

    @property
    def identity(self) -> str:
        """What tells this journal from those of other machines, once a worker has enlisted."""
        return str(self.rows("SELECT id FROM identity")[0][0])

    def leases(self) -> list[Lease]:
        """Every lease of the machine, oldest first."""
        with self._open() as journal:
            return _leases(journal)

    def rows(self, query: str, *values: Value) -> list[Row]:
        """What a query finds, of the tables that other modules keep beside the leases."""
        with self._open() as journal:
            return journal.execute(query, values).fetchall()

    def workers(self) -> list[Worker]:
        """Every worker that has enlisted under a name, the newest of each."""
        with self._open() as journal:
            rows = journal.execute("SELECT name, epoch, process FROM workers ORDER BY epoch")
            return [
                Worker(name=name, epoch=epoch, process=ProcessIdentity.model_validate_json(process))
                for name, epoch, process in rows
            ]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _clear(self.path):
            connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            with closing(connection) as journal:  # what was begun and not committed is undone
                journal.execute("PRAGMA synchronous = FULL")
                yield journal


class NoJournal(NamedTuple):
    """The journal of a machine on which no worker ever ran: nothing is held, nothing known."""

    path: Path

    def leases(self) -> list[Lease]:
        """None."""
        return []

    def workers(self) -> list[Worker]:
        """None."""
        return []

    def rows(self, query: str, *values: Value) -> list[Row]:  # noqa: ARG002 - as a journal's
        """None."""
        return []


def _begin(path: Path, journal: sqlite3.Connection) -> None:
    """Make an empty file a journal; one that holds something else is not ours."""
    journal.execute("BEGIN IMMEDIATE")  # of two workers that start at once, one makes it
    there = {name for (name,) in journal.execute("SELECT name FROM sqlite_master")}
    if there and journal.execute("PRAGMA application_id").fetchone()[0] != _OURS:
        raise IntegrityError(
            f"{path} is a database, but no journal of leases.",
            hint=_NOT_OURS,
        )
    journal.execute(f"PRAGMA application_id = {_OURS}")
    journal.execute("COMMIT")


def _refuse_a_second(journal: sqlite3.Connection, name: str, process: ProcessIdentity) -> None:
    """Two live workers of one name would fence each other for ever."""
    for (there,) in journal.execute("SELECT process FROM workers WHERE name = ?", (name,)):
        holder = ProcessIdentity.model_validate_json(there)
        if holder != process and holder.alive:
            raise ConfigError(
                f"Worker {name} runs on this machine already, as process {holder.pid}.",
                hint="Stop that one first, or give this one a name of its own by --name.",
            )


def _leases(journal: sqlite3.Connection) -> list[Lease]:
    rows = journal.execute(
        "SELECT id, run, worker, request_json, grant_json, since, process FROM leases ORDER BY id"
    )
    return [
        Lease(
            id=number,
            run=UUID(run),
            worker=worker,
            request=RunRequest.model_validate_json(request),
            grant=Grant.model_validate_json(grant),
            since=datetime.fromisoformat(since),
            process=ProcessIdentity.model_validate_json(process) if process else None,
        )
        for number, run, worker, request, grant, since, process in rows
    ]


@contextmanager
def _clear(path: Path) -> Iterator[None]:
    """What SQLite and the file system say, as errors of ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _as_ours(path, error) from error
    except (OSError, ValueError) as error:
        if isinstance(error, PerennialError):
            raise
        raise ConfigError(
            f"The journal of leases {path} cannot be used: {error}.",
            hint="Give this user a folder that it may write, by PERENNIAL_LEASES.",
        ) from error


def _as_ours(path: Path, error: sqlite3.DatabaseError) -> PerennialError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ResourceError(
            f"Another worker has held the journal of leases {path} for {_BUSY_S:.0f} s.",
            hint="See which process it is (`fuser` names it), and end it if it hangs.",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return ConfigError(
            f"The journal of leases {path} cannot be written: {error}.",
            hint="Give this user a folder that it may write, by PERENNIAL_LEASES.",
        )
    if name.startswith("SQLITE_FULL"):
        return ResourceError(f"There is no room for the journal of leases {path}.")
    if name.startswith("SQLITE_IOERR"):
        return BackendError(f"The disk under the journal of leases {path} failed: {error}.")
    return _damaged(path, str(error))


def _damaged(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        f"The journal of leases {path} is damaged: {' '.join(what.split())}.",
        hint="Stop every worker of this machine and let its runs end; then move the file away "
        "and start the workers again: they begin a new one.",
    )

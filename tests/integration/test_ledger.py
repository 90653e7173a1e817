"""The ledger on a real PostgreSQL: one chain, whatever writes, kills or tampers."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from infra.database import connection
from infra.entries import Entry, Kind
from infra.errors import BackendError, IntegrityError
from infra.ledger import Ledger
from tasks.governance import record_approved
from tasks.references import Decision, Ending, Manifest
from tests.support.homes import environment, home_on

_MAY = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture
def ledger(postgres: str, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with home_on(postgres, tmp_path):
        yield Ledger()


def drift(number: int, model: str = "flights", kind: Kind = Kind.DRIFT) -> Entry:
    """An entry that is told from others by its number, a day of logical time for each."""
    as_of = _MAY + timedelta(days=number)
    return Entry(kind=kind, model=model, as_of=as_of, subject=f"{number}", payload={"n": number})


def test_records_follow_each_other(ledger: Ledger) -> None:
    """Each record names the digest of the one before it, and the whole is verified."""
    first, second = ledger.append(drift(1)), ledger.append(drift(2))

    assert (first.id, second.id) == (1, 2)
    assert second.prev == first.digest
    assert ledger.verify() == 2
    assert ledger.entries() == (first, second)


def test_whoever_connects_first_makes_the_ledger(ledger: Ledger) -> None:
    """A process may hold a turn in a new database before it has anything to record."""
    first = "from infra.turns import turn\nwith turn('first'): pass\n"
    then = "from infra.ledger import Ledger\nassert Ledger().last() is None"

    done = subprocess.run(
        [sys.executable, "-c", first + then], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_an_empty_ledger_is_whole(ledger: Ledger) -> None:
    """Nothing recorded is no fault."""
    assert ledger.verify() == 0
    assert ledger.last() is None


def test_the_same_entry_again_is_the_same_record(ledger: Ledger) -> None:
    """A step that was killed after its append may run again."""
    first = ledger.append(drift(1))

    again = ledger.append(drift(1))

    assert again == first
    assert ledger.find(first.key) == first
    assert ledger.verify() == 1


def test_a_key_is_not_given_to_another_content(ledger: Ledger) -> None:
    """Two different things under one key are a fault of ours that must not be hidden."""
    first = ledger.append(drift(1))

    with pytest.raises(IntegrityError, match="record 1"):
        ledger.append(drift(2).model_copy(update={"key": first.key}))

    assert ledger.verify() == 1


def test_a_held_batch_that_was_let_in_is_recorded_with_who_let_it_in(ledger: Ledger) -> None:
    """An auditor reads it forwards and backwards: rows, decision, evidence."""
    manifest = Manifest(
        model="flights",
        window="2013-07",
        as_of=_MAY,
        ending=Ending.HOLD,
        tables=(),
        approval="e" * 64,
        digest="d" * 64,
    )
    decision = Decision(
        approved=True,
        reason="The owner confirms it.",
        actor="ada",
        evidence="f" * 64,
        entry="e" * 64,
    )

    first, again = (record_approved.fn(manifest, decision) for _ in range(2))

    assert first == again == ledger.last("flights", Kind.INGEST)
    assert (first.actor, first.evidence, first.subject) == ("ada", "f" * 64, manifest.digest)
    assert first.payload["approval"] == manifest.approval == decision.entry


def test_entries_are_found_by_model_kind_and_time(ledger: Ledger) -> None:
    """As of a time, only what counted then is seen; order is that of logical time."""
    late = ledger.append(drift(9))
    early = ledger.append(drift(1))
    gate = ledger.append(drift(2, kind=Kind.GATE))
    other = ledger.append(drift(3, model="employment"))

    assert ledger.entries("flights") == (early, gate, late)
    assert ledger.entries("flights", Kind.DRIFT) == (early, late)
    assert ledger.entries("flights", (Kind.GATE, Kind.DRIFT), limit=2) == (gate, late)
    assert ledger.entries(kind=Kind.DRIFT, as_of=_MAY + timedelta(days=3)) == (early, other)
    assert ledger.last("flights", as_of=_MAY + timedelta(days=5)) == gate
    assert ledger.last("flights", as_of=_MAY) is None


@pytest.mark.parametrize(
    "change", ["update ledger set actor = 'eve'", "delete from ledger", "truncate ledger"]
)
def test_the_database_refuses_every_change_but_an_append(ledger: Ledger, change: str) -> None:
    """A record cannot be changed by a mistake or by SQL of ours."""
    ledger.append(drift(1))

    with pytest.raises(BackendError, match="append-only"), connection() as database:
        database.execute(text(change))

    assert ledger.verify() == 1


@pytest.mark.parametrize(
    ("tampering", "named"),
    [
        ("update ledger set reason = 'fine' where id = 2", "content of record 2"),
        ("update ledger set at = at + interval '1 second' where id = 3", "content of record 3"),
        ("update ledger set payload = '{}' where id = 1", "content of record 1"),
        ("update ledger set payload = 'gone' where id = 1", "record 1 cannot be read"),
        ("update ledger set kind = 'song' where id = 3", "record 3 cannot be read"),
        ("delete from ledger where id = 2", "record 2 is missing"),
        ("delete from ledger where id = 1", "record 1 is missing"),
        ("update ledger set prev = 'f' where id = 2", "record 2 does not follow"),
    ],
)
def test_tampering_is_found_and_named(ledger: Ledger, tampering: str, named: str) -> None:
    """A superuser can switch the guard off, but not mend the chain."""
    for number in (1, 2, 3):
        ledger.append(drift(number))
    with connection() as database:
        database.execute(text("alter table ledger disable trigger all"))
        database.execute(text(tampering))
        database.execute(text("alter table ledger enable trigger all"))

    with pytest.raises(IntegrityError, match=named):
        ledger.verify()


def test_the_loss_of_the_newest_record_is_found_by_a_digest_noted_elsewhere(
    ledger: Ledger,
) -> None:
    """A chain that was cut at its end is whole; whoever noted a digest sees the cut."""
    ledger.append(drift(1))
    noted = ledger.append(drift(2)).digest
    assert ledger.verify(holds=[noted]) == 2
    with connection() as database:
        database.execute(text("alter table ledger disable trigger all"))
        database.execute(text("delete from ledger where id = 2"))

    with pytest.raises(IntegrityError, match=noted[:12]):
        ledger.verify(holds=[noted])


_APPEND = """
import sys
from datetime import UTC, datetime
from infra.entries import Entry, Kind
from infra.ledger import Ledger
who, count = sys.argv[1], int(sys.argv[2])
Ledger().last()  # what is imported and connected when it is first asked
print("ready", flush=True)
for number in range(count):
    subject = f"{who}-{number}"
    Ledger().append(Entry(kind=Kind.DRIFT, model=who, as_of=datetime.now(UTC), subject=subject))
    print(subject, flush=True)
"""


def appender(who: str, count: int) -> subprocess.Popen[str]:
    """A process of its own that appends."""
    return subprocess.Popen(
        [sys.executable, "-c", _APPEND, who, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_several_processes_write_one_chain(ledger: Ledger) -> None:
    """Appends wait for each other: no two records follow the same one, and none is lost."""
    processes = [appender(f"p{number}", 40) for number in range(4)]

    codes = [process.communicate(timeout=60) and process.returncode for process in processes]

    assert codes == [0, 0, 0, 0]
    assert ledger.verify() == 160
    assert [len(ledger.entries(f"p{number}")) for number in range(4)] == [40] * 4


def test_a_writer_killed_at_any_moment_leaves_nothing_half(ledger: Ledger) -> None:
    """Every record that was answered is there, the chain is whole, and the next one can write."""
    answered: list[str] = []
    for number in range(5):
        process = appender(f"k{number}", 1_000_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 * number)
        process.send_signal(signal.SIGKILL)
        answered += re.findall(r"k\d-\d+(?=\n)", process.communicate(timeout=10)[0])

    whole = ledger.verify()
    record = ledger.append(drift(1))

    assert answered
    assert set(answered) <= {each.subject for each in ledger.entries()}
    assert record.id == whole + 1


def test_a_forked_child_opens_connections_of_its_own(ledger: Ledger) -> None:
    """Parent and child would otherwise read each other's answers."""
    ledger.append(drift(1))
    child = os.fork()
    if child == 0:
        os._exit(0 if Ledger().append(drift(2)).id == 2 else 1)

    _, status = os.waitpid(child, 0)

    assert status == 0
    assert ledger.append(drift(3)).id == 3


def test_a_connection_that_was_cut_is_replaced(ledger: Ledger) -> None:
    """A restart of the server between two appends is not noticed."""
    ledger.append(drift(1))
    with connection() as database:
        others = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> "
        database.execute(text(f"{others} pg_backend_pid() and datname = 'perennial'"))

    assert ledger.append(drift(2)).id == 2


def test_a_database_that_is_gone_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """A user reads what to do, not a traceback."""
    gone = {"PERENNIAL_DATABASE_URL": f"postgresql://postgres@/?host={tmp_path}"}

    with environment(gone), pytest.raises(BackendError, match="does not answer") as caught:
        Ledger().verify()

    assert "PERENNIAL_DATABASE_URL" in caught.value.advice


def test_reading_uses_an_index(ledger: Ledger) -> None:
    """What one model decided is found without reading what others did."""
    for number in range(3):
        ledger.append(drift(number))
    query = (
        "explain select * from ledger where model = 'flights' and kind in ('promotion', 'rollback')"
        " and as_of <= now() order by as_of desc, id desc limit 1"
    )
    with connection() as database:
        database.execute(text("set local enable_seqscan = off"))
        plan = "\n".join(database.execute(text(query)).scalars())

    assert "ledger_by_model" in plan

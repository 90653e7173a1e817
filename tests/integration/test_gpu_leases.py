"""The journal of leases: whole or not at all, whoever is killed, however many decide at once."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from math import fsum
from pathlib import Path
from uuid import UUID

import pytest

from infra.errors import ConfigError, IntegrityError
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.machine import Machine
from infra.gpu.placement import Impossible, Wait
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from infra.settings import PROJECT
from tests.support.leasing import EIGHT
from tests.support.machines import gpu, machine

ONE = machine(gpu(0))
WHOLE = RunRequest(gpus=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "leases.db")


@pytest.fixture
def worker(journal: Journal) -> Worker:
    """A worker that is this process."""
    return journal.enlist("here", me())


def me() -> ProcessIdentity:
    """This process."""
    return ProcessIdentity.of(os.getpid())


def run(number: int) -> UUID:
    """The id of a run."""
    return UUID(int=number)


def leased(journal: Journal, worker: Worker, number: int, request: RunRequest = WHOLE) -> Lease:
    """A lease on the machine of one device."""
    with journal.deciding(worker) as decision:
        found = decision.lease(run(number), request, ONE)
    assert isinstance(found, Lease), found.why
    return found


def taking(
    journal: Journal, name: str, turns: int, killed_after: object
) -> "subprocess.Popen[bytes]":
    """A process that leases and releases on eight devices."""
    arguments = (str(journal.path), name, str(turns), str(killed_after))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.leasing", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )


def assert_nothing_is_held_twice(leases: list[Lease]) -> None:
    """Counted by hand: what is held of each device, and of the machine."""
    for device in EIGHT.devices:
        on_it = [
            holding
            for lease in leases
            for holding in lease.grant.holdings
            if holding.uuid == device.uuid
        ]
        assert len(on_it) <= 1 or not any(each.alone for each in on_it)
        assert fsum(each.share for each in on_it) <= 1 + 1e-9
    assert sum(lease.grant.cpus for lease in leases) <= EIGHT.cpus


def test_a_lease_is_there_for_whoever_opens_the_journal(journal: Journal, worker: Worker) -> None:
    """Run, devices, worker, and the process once it is known."""
    lease = leased(journal, worker, 1)
    with journal.deciding(worker) as decision:
        decision.attach(lease, me())

    (found,) = Journal(journal.path).leases()

    assert (found.id, found.run, found.worker) == (lease.id, run(1), "here")
    assert [each.uuid for each in found.grant.holdings] == ["GPU-00"]
    assert found.process == me()


def test_what_is_held_is_not_granted_again(journal: Journal, worker: Worker) -> None:
    """A wait names the device; after the release the next run gets it."""
    first = leased(journal, worker, 1)

    with journal.deciding(worker) as decision:
        waits = decision.lease(run(2), WHOLE, ONE)
        never = decision.lease(run(3), RunRequest(gpus=2), ONE)
        decision.release(first)
    second = leased(journal, worker, 2)

    assert isinstance(waits, Wait)
    assert isinstance(never, Impossible)
    assert second.id > first.id


def test_a_run_that_asks_again_keeps_its_lease(journal: Journal, worker: Worker) -> None:
    """A worker that was killed between lease and start finds what it had decided."""
    first = leased(journal, worker, 1)

    again = leased(journal, worker, 1)

    assert again == first
    assert journal.leases() == [first]


def test_a_decision_that_fails_leaves_nothing(journal: Journal, worker: Worker) -> None:
    """What was leased in a block that did not end well was never leased."""
    with pytest.raises(RuntimeError), journal.deciding(worker) as decision:  # noqa: PT012 - both lines are the block
        decision.lease(run(1), WHOLE, ONE)
        raise RuntimeError

    assert journal.leases() == []


def test_a_worker_that_was_replaced_is_fenced(journal: Journal, worker: Worker) -> None:
    """It may neither grant nor release; who has its name now may do both, and adopt."""
    lease = leased(journal, worker, 1)
    newer = journal.enlist("here", me())

    with pytest.raises(IntegrityError, match="was replaced by epoch 2"):
        leased(journal, worker, 2)
    with journal.deciding(newer) as decision:
        decision.adopt(lease)
        decision.release(lease)

    assert newer.epoch > worker.epoch
    assert journal.leases() == []


def test_a_journal_by_another_path_is_the_same_journal(journal: Journal, tmp_path: Path) -> None:
    """Processes are marked with its path: through a link they would be nobody's."""
    (link := tmp_path / "link").symlink_to(journal.path.parent)

    opened, read = Journal(link / journal.path.name), Journal.existing(link / journal.path.name)

    assert opened.path == read.path == journal.path


def test_workers_of_other_names_share_the_devices(journal: Journal, worker: Worker) -> None:
    """Two workers on one machine see each other's leases, and neither is fenced."""
    other = journal.enlist("beside", me())
    leased(journal, worker, 1)

    with journal.deciding(other) as decision:
        found = decision.lease(run(2), WHOLE, ONE)

    assert isinstance(found, Wait)
    assert [each.name for each in journal.workers()] == ["here", "beside"]


def test_killed_after_any_statement_the_journal_is_whole(journal: Journal) -> None:
    """SIGKILL at each step of opening, enlisting, leasing, attaching and releasing."""
    journal.path.unlink()

    told = taking(journal, "killed", 4, "each").communicate(timeout=120)[0].splitlines()

    for line in told:
        assert_nothing_is_held_twice([Lease.model_validate(each) for each in json.loads(line)])
    assert len(told) > 20
    assert json.loads(told[0]) == []
    assert len(json.loads(told[-1])) > 1
    assert Journal(journal.path).leases() == []


def test_many_workers_decide_at_once_and_nothing_is_held_twice(journal: Journal) -> None:
    """Four processes on eight devices, two of them killed in the middle."""
    takers = [taking(journal, f"w{each}", 60, 150 * (each % 2)) for each in range(4)]

    for taker in takers:
        taker.communicate(timeout=120)
    ends = [taker.returncode for taker in takers]

    assert ends == [0, -signal.SIGKILL, 0, -signal.SIGKILL]
    assert_nothing_is_held_twice(journal.leases())


@pytest.mark.parametrize("kept", [0, 16, 40, 1500, 6000])
def test_a_damaged_journal_is_told(journal: Journal, worker: Worker, kept: int) -> None:
    """What is left of it is not guessed at; an empty file is an empty journal."""
    leased(journal, worker, 1)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:kept] + b"\xff" * (len(whole) - kept) if kept else b"")

    if kept:
        with pytest.raises(IntegrityError, match=r"is damaged: .+ Stop every worker"):
            Journal(journal.path).leases()
    else:
        assert Journal(journal.path).leases() == []


def test_a_journal_that_was_taken_away_under_a_run_is_told_until_the_run_has_ended(
    tmp_path: Path,
) -> None:
    """A new one would give its device and its number once more, and end it with their next run."""
    place = tmp_path / "leases.db"
    of_it = {"PERENNIAL_LEASES": str(place), "PERENNIAL_LEASE": "1"}
    run = subprocess.Popen(["/bin/sleep", "60"], env={**os.environ, **of_it})

    with pytest.raises(IntegrityError, match=rf"an earlier one .+ \(processes {run.pid}\)"):
        Machine(place, "http://nowhere/pool/test")
    run.kill()
    run.wait()

    Machine(place, "http://nowhere/pool/test").close()


def test_a_journal_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """A folder in its place; the hint says which variable to set."""
    (tmp_path / "leases.db").mkdir()

    with pytest.raises(ConfigError, match="PERENNIAL_LEASES"):
        Journal(tmp_path / "leases.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write a read-only file")
def test_a_read_only_journal_is_told_at_the_start(journal: Journal) -> None:
    """Not in the middle of a grant."""
    journal.path.chmod(stat.S_IRUSR)

    with pytest.raises(ConfigError, match="cannot be written"):
        Journal(journal.path)


def test_a_foreign_database_is_not_taken_over(tmp_path: Path) -> None:
    """A file of somebody else's is left as it is."""
    path = tmp_path / "leases.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE leases (what TEXT)")
    other.close()

    with pytest.raises(IntegrityError, match="no journal of leases"):
        Journal(path)

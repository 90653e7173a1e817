"""The worker's round: foreign processes told once, faults kept, runs sent elsewhere."""

import os
from pathlib import Path

import pytest

from infra.gpu.leases import Journal, Worker
from infra.gpu.notices import FAULT, FOREIGN, FOREIGN_GONE
from infra.gpu.quarantine import entries
from infra.gpu.quarantine import told as told_of
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from tests.support.leased import given, pid_in, running, started
from tests.support.nvml.gpus import GIB, SimulatedGpus
from tests.support.nvml.observer import Observer
from tests.support.stack import eventually

WHOLE = RunRequest(gpus=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "leases.db")


@pytest.fixture
def worker(journal: Journal) -> Worker:
    """A worker that is this process."""
    return journal.enlist("here", ProcessIdentity.of(os.getpid()))


def test_a_foreign_process_is_told_once_when_it_comes_and_once_when_it_goes(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """With user and command, in the log of the run beside it, and by one worker of the two."""
    gpu = gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    other = journal.enlist("other", worker.process)

    with started("exec sleep 302") as colleague:
        eventually(lambda: colleague.name() == "sleep", within_s=20)
        gpu.run(colleague.pid, 3 * GIB)
        first = observer.round(journal.path, worker)
        second = observer.round(journal.path, worker)
        elsewhere = observer.round(journal.path, other)
        user = colleague.username()
    last = observer.round(journal.path, worker)

    ((event, device, said),) = first.events
    assert (event, device, said["command"]) == (FOREIGN, gpu.uuid, "sleep 302")
    assert (said["user"], said["runs"]) == (user, [lease.run])
    assert [run for run, _ in first.lines] == [lease.run]
    assert "sleep 302" in first.lines[0][1]
    assert first.states == ["occupied"]
    assert (second.events, elsewhere.events) == ([], [])
    assert [(event, said["command"]) for event, _, said in last.events] == [
        (FOREIGN_GONE, "sleep 302")
    ]
    assert last.states == ["ok"]


def test_no_process_of_a_lease_is_foreign_whoever_gave_it(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer, tmp_path: Path
) -> None:
    """Its leader, a child that left group and parents, and the run of another worker."""
    mine, theirs = gpus.add(), gpus.add()
    other = journal.enlist("other", worker.process)
    one = given(journal, worker, observer.read(), 1, WHOLE)
    two = given(journal, other, observer.read(), 2, WHOLE)
    stray = tmp_path / "stray"
    script = f"(setsid sh -c 'echo $$ > {stray}; exec sleep 300' &); exec sleep 300"

    with (
        running(journal, worker, one, script) as leader,
        running(journal, other, two, "exec sleep 300") as neighbour,
    ):
        eventually(lambda: pid_in(stray), within_s=20)
        mine.run(leader.pid, GIB)
        mine.run(pid_in(stray), GIB)
        theirs.run(neighbour.pid, GIB)
        told = observer.round(journal.path, worker)
        os.kill(pid_in(stray), 9)

    assert told.events == []


def test_mps_is_not_foreign(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer, tmp_path: Path
) -> None:
    """Its server holds a device for the runs that it serves."""
    gpu = gpus.add()
    server = tmp_path / "nvidia-cuda-mps-server"
    server.symlink_to("/bin/sleep")

    with started(f"exec {server} 300") as process:
        eventually(lambda: process.name().startswith("nvidia-cuda-mps"), within_s=20)
        gpu.run(process.pid, GIB)
        told = observer.round(journal.path, worker)

    assert told.events == []
    assert told.states == ["ok"]


def test_a_fault_keeps_a_gpu_out_and_sends_its_runs_elsewhere(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """An XID is reported once; the journal remembers it, for the next worker too."""
    gpu, well = gpus.add(), gpus.add()
    observer.round(journal.path, worker)
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.raise_xid(48)

    told = observer.round(journal.path, worker)
    again = observer.round(journal.path, worker)
    heir = journal.enlist("heir", worker.process)
    observer.begin()
    later = observer.round(journal.path, heir)

    (move,) = told.moves
    assert (move.lease, [each[0] for each in told.events]) == (lease, [FAULT])
    assert move.why == f"GPU {gpu.uuid}: XID 48: an ECC error that could not be corrected"
    assert (again.moves, again.events) == ([move], [])
    assert later.states == ["quarantined", "ok"]
    assert told_of(entries(journal)[gpu.uuid]).endswith("until a person has reset it")
    assert later.moves == []  # the lease is another worker's
    assert well.uuid not in entries(journal)


def test_an_error_of_a_run_s_own_moves_nobody(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """XID 13 is a bug in a kernel: elsewhere it would fail again."""
    gpu = gpus.add()
    observer.round(journal.path, worker)
    given(journal, worker, observer.read(), 1, WHOLE)
    gpu.raise_xid(13)

    told = observer.round(journal.path, worker)

    assert (told.moves, told.events) == ([], [])


def test_what_passes_by_itself_takes_no_new_run_and_ends_none(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """A GPU that is slowed down by heat is drained until it has cooled."""
    gpu = gpus.add()
    given(journal, worker, observer.read(), 1, WHOLE)
    gpu.state.reasons = 0x40

    hot = [observer.round(journal.path, worker) for _ in range(3)][-1]
    gpu.state.reasons = 0
    cool = observer.round(journal.path, worker)

    assert (hot.states, hot.moves) == (["unhealthy"], [])
    assert cool.states == ["ok"]


def test_a_fault_of_a_gpu_moves_the_runs_on_its_slices(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """Slices share what breaks."""
    gpu = gpus.add()
    gpu.slice("1g.10gb")
    lease = given(journal, worker, observer.read(), 1, RunRequest(gpus="mig:1g.10gb"))
    gpu.state.rows[:] = [0, 1, 1, 0]

    told = observer.round(journal.path, worker)

    assert [each.lease for each in told.moves] == [lease]


def test_a_driver_that_fails_is_told_once_and_ends_nothing(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """The next round that reaches it goes on as if nothing had been."""
    gpu = gpus.add()
    with started("exec sleep 303") as colleague:
        gpu.run(colleague.pid, GIB)
        observer.round(journal.path, worker)
        gpus.fail("nvmlDeviceGetCount_v2", 999)
        failed = observer.round(journal.path, worker)
        gpus.mend()
        after = observer.round(journal.path, worker)

    assert (failed.moves, failed.events) == ([], [])
    assert after.events == []


def test_a_run_that_takes_more_than_its_part_is_told_once(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """Where nothing but a promise holds it, others on the device are what it harms."""
    gpu = gpus.add()
    half = RunRequest(gpus=0.5, accept_advisory=True)
    lease = given(journal, worker, observer.read(), 1, half)

    with running(journal, worker, lease, "exec sleep 300") as process:
        gpu.run(process.pid, 60 * GIB)
        told = observer.round(journal.path, worker)
        again = observer.round(journal.path, worker)

    ((run, line),) = told.lines
    assert (run, line.startswith(f"This run takes 60 GiB of GPU {gpu.uuid}")) == (lease.run, True)
    assert again.lines == []


def test_a_reset_is_told_of_a_gpu_that_no_longer_said_what_it_had_used(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """Its counter is remembered from when it was well: after the reset it begins below that."""
    gpu = gpus.add()
    gpu.state.energy = 9_000_000
    observer.round(journal.path, worker)

    gpu.raise_xid(119)
    gpu.fall_off()
    observer.round(journal.path, worker)

    ended = entries(journal)[gpu.uuid].ended
    assert ended is not None
    assert ended.energy_j == 9_000

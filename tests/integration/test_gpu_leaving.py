"""The end of a lease: nobody of it is left, its memory is back, or its devices are kept out."""

import os
import threading
import time
from pathlib import Path

import pytest

from infra.errors import IntegrityError
from infra.gpu.baselines import note_baselines
from infra.gpu.belonging import marks
from infra.gpu.leases import Journal, Worker
from infra.gpu.leaving import Patience, leave
from infra.gpu.quarantine import entries, overlaid
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from infra.starts import start_of
from tests.support.leased import given, pid_in, running, started
from tests.support.nvml.gpus import GIB, MIB, SimulatedGpus
from tests.support.nvml.observer import Observer
from tests.support.stack import eventually

WHOLE = RunRequest(gpus=1)
HALF = RunRequest(gpus=0.5, accept_advisory=True)
SOON = Patience(asked_s=1, memory_s=0.5)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "leases.db")


@pytest.fixture
def worker(journal: Journal) -> Worker:
    """A worker that is this process."""
    return journal.enlist("here", ProcessIdentity.of(os.getpid()))


def test_whoever_of_a_run_outlives_it_is_ended(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer, tmp_path: Path
) -> None:
    """Its group, one that ignores being asked, and one that left group and session."""
    gpu = gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    far, deaf = tmp_path / "far", tmp_path / "deaf"
    script = (
        f"setsid sh -c 'echo $$ > {far}; exec sleep 300' & "
        f"sh -c 'trap \"\" TERM; echo $$ > {deaf}; while :; do sleep 1; done' & wait"
    )
    with running(journal, worker, lease, script) as leader:
        eventually(lambda: pid_in(far) and pid_in(deaf), within_s=20)
        gpu.run(pid_in(far), 10 * GIB)
        leader.kill()
        leader.wait()

        out = leave(journal, worker, lease, observer.read, SOON)

    assert out == ()
    assert start_of(pid_in(far)) is None
    assert start_of(pid_in(deaf)) is None
    assert journal.leases() == []
    assert journal.rows("SELECT * FROM baselines") == []


def test_processes_of_another_journal_s_lease_are_left_alone(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer, tmp_path: Path
) -> None:
    """Every journal counts from 1: a number alone is nobody's."""
    gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)

    with started("exec sleep 300", os.environ | marks(tmp_path / "other.db", lease)) as stranger:
        eventually(lambda: stranger.name() == "sleep", within_s=20)
        leave(journal, worker, lease, observer.read, SOON)

        assert stranger.is_running()


def test_memory_that_returns_late_is_waited_for(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """A driver that clears what a dead process held is given its time."""
    gpu = gpus.add()
    gpu.state.base = 300 * MIB
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.state.base = 40 * GIB

    def clear() -> None:
        time.sleep(0.5)
        gpu.state.base = 310 * MIB

    late = threading.Thread(target=clear)
    late.start()
    out = leave(journal, worker, lease, observer.read, Patience(memory_s=20))
    late.join()

    assert out == ()


def test_a_device_whose_memory_does_not_return_is_kept_out_for_every_worker(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """In the decision that releases the lease, with the reason, for whoever opens the journal."""
    gpu, other = gpus.add(), gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.state.base = 20 * GIB

    (entry,) = leave(journal, worker, lease, observer.read, SOON)
    kept = entries(Journal(journal.path))
    shown = overlaid(observer.read().inventory, kept)

    assert journal.leases() == []
    assert kept == {gpu.uuid: entry}
    assert entry.why == f"after run {lease.run}: 20 GiB are held by no process"
    assert [each.state for each in shown.devices] == ["quarantined", "ok"]
    assert other.uuid not in kept


def test_a_device_that_fell_off_during_a_lease_is_kept_out(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """When it is back after a restart it is probed before anyone gets it."""
    gpu = gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.fall_off()

    (entry,) = leave(journal, worker, lease, observer.read, SOON)

    assert entry.why.endswith("the driver no longer answers for it")


def test_a_colleague_who_came_during_a_lease_is_no_leak_of_it(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """What somebody else holds is not what the run has left."""
    gpu = gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.run(2**22 + 1, 30 * GIB, elsewhere=True)
    gpu.run(2**22 + 2, GIB, "graphics", elsewhere=True)

    assert leave(journal, worker, lease, observer.read, SOON) == ()


def test_what_the_first_of_two_has_left_is_seen_when_the_last_leaves(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """The second's baseline is the first's: a leak before it came is not taken for the device's."""
    gpu = gpus.add()
    one = given(journal, worker, observer.read(), 1, HALF)
    gpu.state.base = 5 * GIB
    two = given(journal, worker, observer.read(), 2, HALF)

    first = leave(journal, worker, one, observer.read, SOON)
    (last,) = leave(journal, worker, two, observer.read, SOON)

    assert first == ()
    assert (last.device, last.baseline_bytes) == (gpu.uuid, 0)


def test_a_lease_without_gpus_ends_without_a_driver(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """An ordinary run on an ordinary machine waits for no memory."""
    lease = given(journal, worker, observer.read(), 1, RunRequest())

    with running(journal, worker, lease, "exec sleep 300") as process:
        leave(journal, worker, lease, observer.read, SOON)

        assert process.wait(10) != 0
    assert journal.leases() == []


def test_a_worker_that_was_replaced_releases_nothing(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """The one that took its name ends the lease."""
    gpus.add()
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    journal.enlist("here", ProcessIdentity.of(os.getpid()))

    with pytest.raises(IntegrityError):
        leave(journal, worker, lease, observer.read, SOON)

    assert journal.leases() == [lease]


def test_a_lease_that_ends_unsaid_has_no_baseline(
    journal: Journal, worker: Worker, gpus: SimulatedGpus, observer: Observer
) -> None:
    """Where the driver does not say whose the memory is, it is judged by its processes alone."""
    gpu = gpus.add()
    gpus.fail("nvmlDeviceGetComputeRunningProcesses_v3", 3)
    gpus.fail("nvmlDeviceGetComputeRunningProcesses_v2", 3)
    lease = given(journal, worker, observer.read(), 1, WHOLE)
    gpu.state.base = 5 * GIB

    with journal.deciding(worker) as decision:
        note_baselines(decision, lease, observer.read())

    assert leave(journal, worker, lease, observer.read, SOON) == ()

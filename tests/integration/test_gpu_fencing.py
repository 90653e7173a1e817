"""A worker that lives and whose name another has: nothing that it does late counts."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from infra.errors import IntegrityError
from infra.gpu.claiming import WaitingRun
from infra.gpu.leases import Journal, Lease
from infra.gpu.machine import Machine
from infra.gpu.quarantine import keep_out
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from tests.support.nvml.gpus import SimulatedGpus
from tests.support.pools import Pool, waited

NAME = "api/pool/left"
WAITS = WaitingRun(run=UUID(int=2), request=RunRequest(), since=datetime.now(UTC))


def _keep_out(machine: Machine, _: Lease) -> None:
    with machine.journal.deciding(machine.worker) as decision:
        keep_out(decision, "GPU-00", "it failed", datetime.now(UTC))


LATE: dict[str, Callable[[Machine, Lease], object]] = {
    "grant": lambda machine, _: machine.claim([WAITS], None),
    "attach": lambda machine, lease: machine.attach(lease, ProcessIdentity.of(os.getpid())),
    "adopt": lambda machine, _: machine.take_over(()),
    "release": lambda machine, lease: machine.leave(lease),
    "quarantine": _keep_out,
    "speak for": lambda machine, _: machine.check(),
}


def contents(journal: Journal) -> list[str]:
    """Every row of every table."""
    with closing(sqlite3.connect(journal.path)) as connection:
        return [*connection.iterdump()]


@pytest.mark.parametrize("late", LATE)
def test_what_a_replaced_worker_writes_late_is_refused_and_changes_nothing(
    tmp_path: Path, late: str
) -> None:
    """Whatever it would write, it is told who has its name; the newer one does the same freely."""
    stale = Machine(tmp_path / "leases.db", NAME)
    (lease,) = stale.claim([WAITS.model_copy(update={"run": UUID(int=1)})], None).taken
    newer = Machine(tmp_path / "leases.db", NAME)
    before = contents(newer.journal)

    with pytest.raises(IntegrityError, match="was replaced by epoch 2; it may grant and release"):
        LATE[late](stale, lease)

    assert contents(newer.journal) == before
    LATE[late](newer, lease)
    stale.close()
    newer.close()


def replaced(pool: Pool) -> None:
    """Let another have the name of a live worker, as one in another container could take it.

    It does not see the worker's process and takes it for dead; it is gone itself by now.
    """
    ended = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    process = ProcessIdentity.of(ended.pid)
    ended.communicate()
    journal = Journal(pool.folder / "leases.db")
    (worker,) = journal.workers()
    unseen = worker.model_copy(update={"process": process})
    with journal.deciding(worker) as decision:
        decision.change(
            "UPDATE workers SET process = ? WHERE epoch = ?",
            unseen.process.model_dump_json(),
            worker.epoch,
        )
    journal.enlist(worker.name, process)


def test_a_worker_that_comes_back_and_was_replaced_ends_no_run(
    pool: Pool, gpus: SimulatedGpus
) -> None:
    """Stopped for a while, replaced and asked to end: it leaves, and its run is another's."""
    gpus.add()
    stale = pool.start()
    run = pool.run(gpus=1, stream_output=False)
    pid = run.seen()["pid"]
    stale.send_signal(signal.SIGSTOP)
    held = pool.leases
    replaced(pool)

    stale.terminate()
    stale.send_signal(signal.SIGCONT)

    assert stale.wait(30) == 78
    assert "was replaced by epoch 2" in pool.log()
    assert pool.leases == held
    pool.start()
    waited(lambda: "Took over run" in pool.log())
    assert run.now.state_name == "Running"
    assert run.seen()["pid"] == pid
    run.let_go()
    assert run.over().state_name == "Completed"
    waited(lambda: not pool.leases)

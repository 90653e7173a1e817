"""A process that leases and releases until it is killed: ``python -m tests.support.leasing``.

Arguments: the journal, the worker's name, how many leases to take, and after how many statements
to the journal it kills itself by SIGKILL; 0 for never. With ``each`` for the last, a process is
killed after one statement, another after two and so on until one lives to its end, and what each
had leased is printed, a line for each as JSON.
"""

import json
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path
from uuid import UUID

from infra.gpu.leases import Journal, Lease
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from tests.support.machines import gpu, machine

EIGHT = machine(*(gpu(place) for place in range(8)))


def take(path: Path, name: str, turns: int) -> None:
    """Take leases of every kind, attach and release them, one decision after the other."""
    journal, chance = Journal(path), random.Random(name)  # noqa: S311 - nothing secret
    me = journal.enlist(name, ProcessIdentity.of(os.getpid()))
    mine: list[Lease] = []
    for turn in range(turns):
        gpus = chance.choice((0, 1, 2, 0.25, 0.5))
        run = UUID(int=chance.getrandbits(128))
        with journal.deciding(me) as decision:
            found = decision.lease(run, RunRequest(gpus=gpus), EIGHT)
            if isinstance(found, Lease):
                decision.attach(found, me.process)
                mine.append(found)
        while mine and (turn % 3 == 0 or not isinstance(found, Lease)):
            with journal.deciding(me) as decision:
                decision.release(mine.pop(0))
            break


def _killed_after(statements: int) -> None:
    seen = 0
    open_journal = sqlite3.connect

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*args: object, **kwargs: object) -> sqlite3.Connection:
        journal: sqlite3.Connection = open_journal(*args, **kwargs)  # type: ignore[call-overload]
        journal.set_trace_callback(count)
        return journal

    sqlite3.connect = connect  # type: ignore[assignment]


def killed_after_each(path: Path, name: str, turns: int) -> None:
    """Print what a process had leased that was killed after one statement, two, three, ..."""
    statements, end = 0, -1
    while end != 0:
        statements += 1
        child = os.fork()
        if child == 0:
            _killed_after(statements)
            take(path, name, turns)
            os._exit(0)
        end = os.waitpid(child, 0)[1]
        journal = Journal(path)
        leases = journal.leases()
        print(json.dumps([lease.model_dump(mode="json") for lease in leases]))  # noqa: T201 - the answer
        with journal.deciding(journal.enlist("heir", ProcessIdentity.of(os.getpid()))) as decision:
            for lease in leases:
                decision.adopt(lease)
                decision.release(lease)


if __name__ == "__main__":
    _path, _name, _turns, _statements = sys.argv[1:]
    if _statements == "each":
        killed_after_each(Path(_path), _name, int(_turns))
    else:
        _killed_after(int(_statements))
        take(Path(_path), _name, int(_turns))

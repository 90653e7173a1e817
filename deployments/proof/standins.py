"""What stands in for the two servers that a proof must not reach: the ledger's, and Prefect's.

Everything before them is the flows' own code. A ledger of this process keeps what is recorded, and
a run that is asked for is noted and does not start.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

import infra.runs
from infra.entries import Entry, Kind, Recorded
from tasks.governance import alerting, following, recording, spending, trainings


@dataclass(frozen=True)
class Asked:
    """A run that was asked for.

    Attributes:
        deployment: ``flow/model``.
        parameters: that it would have.
        key: under which Prefect makes one run at most.
    """

    deployment: str
    parameters: dict[str, Any]
    key: str


@dataclass
class Notebook:
    """A ledger that is a list, and the runs that were asked for.

    Attributes:
        records: oldest first.
        asked: runs, the first one first.
    """

    records: list[Recorded] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def append(self, entry: Entry) -> Recorded:
        """The record of an entry: a new one, or the one that its key already has."""
        known = self.find(entry.key)
        if known is not None:
            return known
        newest = self.records[-1] if self.records else None
        self.records.append(Recorded.sealed(entry, newest, datetime.now(UTC)))
        return self.records[-1]

    def find(self, key: str) -> Recorded | None:
        """The record under an idempotency key."""
        return next((each for each in self.records if each.key == key), None)

    def entries(self, model: str, kinds: Collection[Kind]) -> tuple[Recorded, ...]:
        """Records of a model and of some kinds, by their own times."""
        found = (each for each in self.records if each.model == model and each.kind in kinds)
        return tuple(sorted(found, key=_by_time))

    def now(self) -> datetime:
        """The time, as the database would tell it."""
        return datetime.now(UTC)

    def start(
        self, name: str, *, parameters: dict[str, Any], idempotency_key: str, **_: object
    ) -> FlowRun:
        """The run of a deployment, which is noted and does not start."""
        self.asked.append(Asked(name, parameters, idempotency_key))
        return FlowRun(id=uuid4(), flow_id=uuid4(), idempotency_key=idempotency_key)


@contextmanager
def without_servers() -> Iterator[Notebook]:
    """What is recorded and asked for in the block, with no server in reach."""
    book = Notebook()
    instead: tuple[tuple[ModuleType, str, object], ...] = (
        (infra.runs, "run_deployment", book.start),
        (alerting, "tell", alerting.tell.fn),  # a task needs Prefect's server, its body does not
        *((each, "Ledger", lambda: book) for each in (alerting, following, recording, spending)),
        (spending, "begun_since", _none),
        (following, "going_on", _none),
        (following, "pending_reviews", _none),
        (trainings, "find", lambda *_: None),
        (trainings, "reachable_prefect", nullcontext),
    )
    with ExitStack() as stack:
        for module, name, value in instead:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield book


def _none(*_: object) -> tuple[()]:
    return ()


def _by_time(record: Recorded) -> tuple[datetime, int]:
    return record.as_of, record.id

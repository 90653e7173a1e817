"""What the runs wait for that this machine left: noted at each decision, for whoever asks why."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from infra.gpu.baselines import Tables
from infra.gpu.claiming import Left, WaitingRun
from infra.gpu.leases import Decision
from infra.gpu.placement import Impossible
from infra.resources import RunRequest

_SAME = timedelta(seconds=30)
"""An expected time that moves by less is the same: it is counted anew at every decision."""


class WaitingNote(BaseModel):
    """A run that a worker left: its place in the queue of this machine, and why.

    Attributes:
        run: its id.
        request: what it asks.
        since: when it was due.
        place: 1 for the first that waits.
        why: a sentence.
        never: whether this machine could not do it even if it were empty.
        blocking: what would help if it became free: devices, cores, memory.
        expected: when it starts at the latest, if those that said when they end keep their word.
        worker: the worker that left it.
    """

    model_config = ConfigDict(frozen=True)

    run: UUID
    request: RunRequest
    since: datetime
    place: int
    why: str
    never: bool = False
    blocking: tuple[str, ...] = ()
    expected: datetime | None = None
    worker: str = ""

    @classmethod
    def of(cls, left: Left, waiter: WaitingRun) -> "WaitingNote":
        """The note of a decision on a run."""
        never = isinstance(left.answer, Impossible)
        return cls(
            run=left.run,
            request=waiter.request,
            since=waiter.since,
            place=left.place,
            why=left.answer.why,
            never=never,
            blocking=() if isinstance(left.answer, Impossible) else left.answer.blocking,
            expected=left.expected,
        )

    def says(self, other: "WaitingNote") -> bool:
        """Whether two notes tell a person the same."""
        ends = (self.expected, other.expected)
        near = ends[0] == ends[1] or (ends[0] and ends[1] and abs(ends[0] - ends[1]) < _SAME)
        return bool(near) and self.model_copy(update={"expected": other.expected}) == other


def waits(tables: Tables) -> tuple[WaitingNote, ...]:
    """The runs that wait for this machine, by their place in the queue of each worker."""
    rows = tables.rows("SELECT note FROM waiting")
    notes = [WaitingNote.model_validate_json(note) for (note,) in rows]
    return tuple(sorted(notes, key=lambda each: (each.place, each.since, str(each.run))))


def keep_waits(decision: Decision, worker: str, notes: Iterable[WaitingNote]) -> None:
    """Keep what a worker has left in this decision, in the place of what it had left before."""
    now = {each.run: each.model_copy(update={"worker": worker}) for each in notes}
    known = {each.run: each for each in waits(decision) if each.worker == worker}
    for run in known.keys() - now.keys():
        decision.change("DELETE FROM waiting WHERE run = ? AND worker = ?", str(run), worker)
    for run, note in now.items():
        if run in known and known[run].says(note):
            continue
        values = (str(run), worker, note.model_dump_json())
        decision.change("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)", *values)

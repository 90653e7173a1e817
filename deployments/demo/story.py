"""What happens in the demo, month by month."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from prefect.client.schemas.objects import FlowRun

from deployments.demo.conductor import Conductor
from infra.settings import settings
from infra.store import file_digest
from tasks.references import Candidate, Cause, Comparison, Evidence, Inspection, Subject
from tasks.spec import load_spec
from tasks.windows import end_day

MODEL = "flights"
CAST = (MODEL, "employment")
"""The models that the demo deploys; those of others in the folder are left as they are."""

YEAR = 2013
FIRST = tuple(f"{YEAR}-{month:02d}" for month in range(1, 5))
"""The months that version 1 is trained on, and April, on which it is judged."""

LATER = tuple(f"{YEAR}-{month:02d}" for month in range(5, 13))
BROKEN = f"{YEAR}-07"
"""The month that arrives in kilometres first."""

_KM_PER_MILE = 1.609344
_FEED_CLOSES_UTC = 10


class Stage(Protocol):
    """Where the story is told: it is handed each beat before it happens."""

    def beat(self, text: str) -> None:
        """Say what happens next."""


def beats() -> int:
    """How many beats the story has."""
    return len(FIRST) + 1 + 3 * len(LATER) + 2


def close_of(window: str) -> datetime:
    """When a window's feed is closed and its labels are known.

    The feed closes the next day at 06:00 UTC; the declared label delay is over at 10:00.
    """
    day = end_day(window)
    return datetime(day.year, day.month, day.day, _FEED_CLOSES_UTC, tzinfo=UTC)


def play(conductor: Conductor, stage: Stage) -> Iterator[FlowRun]:
    """Tell the year: every run that ended is handed on as it ends."""
    for window in FIRST:
        stage.beat(f"{window}: five tables arrive and are held to their contract")
        yield conductor.run("ingest", window=window, as_of=close_of(window))
    stage.beat(f"{close_of(FIRST[-1]):%-d %B}: the first training, judged on {FIRST[-1]}")
    yield conductor.run("train", as_of=close_of(FIRST[-1]), cause=Cause.PERSON)
    yield from conductor.settle(review)
    for window in LATER:
        yield from _month(conductor, stage, window)
    stage.beat("December: a challenger that saw three months only is proposed")
    yield conductor.run("train", as_of=close_of(LATER[-1]), cause=Cause.PERSON, window="3")
    yield from conductor.settle(review)


def _month(conductor: Conductor, stage: Stage, window: str) -> Iterator[FlowRun]:
    as_of = close_of(window)
    if window == BROKEN:
        stage.beat(f"{window}: a delivery arrives with its distances in kilometres")
        yield conductor.run(
            "ingest", window=window, as_of=as_of, files={"flights": str(broken_delivery())}
        )
        yield from conductor.settle(review)
    stage.beat(f"{window}: the month arrives")
    yield conductor.run("ingest", window=window, as_of=as_of)
    stage.beat(f"{window}: scored with the champion of the time")
    yield conductor.run("score", window=window, as_of=as_of)
    stage.beat(f"{window}: the labels are in, what was predicted is compared with what came")
    yield conductor.run("monitor", window=window, as_of=as_of)
    yield from conductor.settle(review)


def review(evidence: Evidence) -> tuple[bool, str] | None:
    """What the demo's reviewer answers to what the story brings; nothing to any other evidence."""
    if _is_broken_delivery(evidence):
        return False, f"Distances are in kilometres: {_KM_PER_MILE:.3f} times those in miles."
    if not _is_candidate(evidence):
        return None
    comparison = Comparison.model_validate(evidence.payload["comparison"])
    least = load_spec(MODEL).gates.min_gain
    interval = f"{comparison.gain:+.3f} [{comparison.lower:+.3f}, {comparison.upper:+.3f}]"
    if comparison.lower > least and not _is_known(evidence):
        return False, f"It gains {interval}, but git cannot tell who wrote what is new in it."
    if comparison.lower > least:
        return True, f"It gains {interval} on the newest month, more than {least:.3f} for certain."
    return False, f"{interval} may be noise: the champion stays."


def _is_known(evidence: Evidence) -> bool:
    """Whether git could tell who wrote what is new; else the approval of nobody counts."""
    authors, changed = (evidence.payload.get(each) for each in ("authors", "uncommitted"))
    return isinstance(authors, list) and not changed


def _is_broken_delivery(evidence: Evidence) -> bool:
    """Whether a batch is the very file that the story delivers in kilometres, at its time."""
    if (evidence.model, evidence.subject) != (MODEL, Subject.BATCH):
        return False
    delivery = Inspection.model_validate(evidence.payload["inspection"]).delivery
    path = _broken_file()
    return (
        (delivery.window, delivery.as_of) == (BROKEN, close_of(BROKEN))
        and path.is_file()
        and delivery.digests.get("flights") == file_digest(path)
    )


def _is_candidate(evidence: Evidence) -> bool:
    """Whether a candidate comes of a training that the story starts, or that its drift starts."""
    if (evidence.model, evidence.subject) != (MODEL, Subject.CANDIDATE):
        return False
    candidate = Candidate.model_validate(evidence.payload["candidate"])
    asked = {(Cause.PERSON, close_of(window)) for window in (FIRST[-1], LATER[-1])}
    moved = {(Cause.DRIFT, close_of(window)) for window in LATER}
    return (candidate.cause, candidate.as_of) in asked | moved


def _broken_file() -> Path:
    return settings().home / "demo" / f"flights-{BROKEN}-km.parquet"


def broken_delivery() -> Path:
    """The flights of the broken month as a file whose distances are in kilometres."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    source = settings().models / MODEL / "data" / "flights.parquet"
    month = date.fromisoformat(f"{BROKEN}-01").month
    rows = pq.read_table(source, filters=[("month", "=", month)])
    column = rows.schema.get_field_index("distance")
    field = rows.schema.field(column)
    kilometres = pc.round(pc.multiply(rows["distance"].cast("double"), _KM_PER_MILE))
    target = _broken_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows.set_column(column, field, kilometres.cast(field.type)), target)
    return target

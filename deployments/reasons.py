"""Why a run does not run yet, or where it does: what ``perennial why RUN`` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.occupancy import alive
from deployments.run_names import RunName, find_run, named
from deployments.takers import takers
from infra.addresses import addresses
from infra.gpu.company import sightings
from infra.gpu.leases import Journal, Lease, NoJournal
from infra.gpu.placement import CORES, MEMORY, Grant
from infra.gpu.quarantine import entries, told
from infra.gpu.waiting import WaitingNote, waits
from infra.settings import settings

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun

Standing = Literal["waits", "runs", "is over", "is not due"]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Blocker(_Fact):
    """A device that would have to become free, or what is counted of the machine."""

    device: str = Field(description="Its UUID; or `cores`, `memory`.")
    why: str = Field(description="Why it is not free; empty where a run holds it.")
    run: RunName | None = Field(description="The run that holds it, null where none does.")
    since: datetime | None
    until: datetime | None = Field(None, description="When it is free at the latest, where known.")


class Why(_Fact):
    """What a run waits for, where it runs, or how it ended."""

    run: RunName
    state: str = Field(description="Name of its state: Scheduled, Late, Running, Refused ...")
    standing: Standing
    since: datetime = Field(description="When it was due, or entered its state.")
    why: str = Field(description="A sentence or two.")
    place: int | None = Field(description="In the queue of this machine; 1 comes first.")
    ahead: tuple[RunName, ...] = Field(
        description="Those before it in the queue, first ones first."
    )
    blocking: tuple[Blocker, ...] = Field(description="What would free it.")
    expected: datetime | None = Field(description="When it starts at the latest, where known.")


def why(text: str) -> Why:
    """Why a run does not run, or what became of it.

    Args:
        text: its name, its id, or the beginning of either.

    Raises:
        ConfigError: no such run, several, or no server was ever started here.
        BackendError: Prefect's server does not answer.
        IntegrityError: the journal is damaged.
    """
    run = find_run(text)
    journal = Journal.existing(settings().journal)
    waiting = alive(journal)
    note = next((each for each in waiting if each.run == run.id), None)
    lease = next((each for each in journal.leases() if each.run == run.id), None)
    standing, sentence = _told(run, note, lease, _left_behind(journal, run))
    waits = note if standing == "waits" else None
    ahead = [each.run for each in waiting if waits and each.place < waits.place]
    names, _ = named([*ahead, *(each.run for each in journal.leases())])
    return Why(
        run=RunName(id=str(run.id), name=run.name, url=addresses().run(run.id)),
        state=_state(run),
        standing=standing,
        since=_since(run, standing),
        why=sentence,
        place=waits and waits.place,
        ahead=tuple(names[each] for each in ahead),
        blocking=_blockers(journal, waits, names) if waits else (),
        expected=waits and waits.expected,
    )


def _told(
    run: FlowRun, note: WaitingNote | None, lease: Lease | None, before: str
) -> tuple[Standing, str]:
    state = run.state
    said = (state.message or "") if state else ""
    if state is None or state.is_scheduled():
        return _waits(run, note, said, before)
    if state.is_final() or state.is_cancelling():
        return "is over", said or f"It is {state.name}."
    if state.is_paused():
        return (
            "waits",
            said or f"It is {state.name}: `perennial review` lists what waits for a person.",
        )
    if lease is None:
        return "runs", "It runs, or is about to; no lease of this machine is its: ask another one."
    return "runs", _where(lease)


def _waits(run: FlowRun, note: WaitingNote | None, said: str, before: str) -> tuple[Standing, str]:
    due = run.next_scheduled_start_time or run.expected_start_time
    if due is not None and due > datetime.now(UTC):
        return "is not due", f"It is due at {due:%Y-%m-%d %H:%M:%S} UTC. {said}".rstrip()
    if note is None:
        last = before or _elsewhere(run)
        return "waits", " ".join(filter(None, (_nobody(run, heard=bool(last)), last, said)))
    never = " This machine could never do it: another one of its pool must." if note.never else ""
    moved = f" {said}" if said and run.state_name not in {"Scheduled", "Late"} else ""
    return "waits", f"{note.why}{never}{moved}"


def _left_behind(journal: Journal | NoJournal, run: FlowRun) -> str:
    """What a worker of this machine that has ended had left the run with; empty without one."""
    note = next((each for each in waits(journal) if each.run == run.id), None)
    if note is None:
        return ""
    return f"Worker {note.worker.rpartition('/')[2]} of this machine left it, and ended. {note.why}"


def _elsewhere(run: FlowRun) -> str:
    """What a worker of another machine has written on the run's page; empty where none has."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    from infra.gpu.telling import WAITS
    from tasks.governance.reviews import reachable_prefect

    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    with reachable_prefect() as client:
        found = client.read_artifacts(artifact_filter=wanted)
    pages = [str(each.data) for each in found if each.description == WAITS]
    lines = [line.strip("*- ") for line in pages[0].splitlines()] if pages else []
    return " ".join(lines[:1] + [f"({line})" for line in lines[2:3]])


def _nobody(run: FlowRun, *, heard: bool) -> str:
    """Why no worker of this machine looks at a run that is due; nothing where one has been heard.

    Args:
        run: it waits.
        heard: whether somebody has said what it waits for, wherever he is.
    """
    from tasks.governance.reviews import reachable_prefect

    if run.work_pool_name is None:
        return "It belongs to no work pool, so no worker takes it; whoever serves it must."
    with reachable_prefect() as client:
        online, nobody = takers(client, run.work_pool_name)
    if nobody:
        return nobody
    return (
        ""
        if heard
        else (
            f"No worker of this machine has left it; {len(online)} of pool {run.work_pool_name} "
            f"are online ({', '.join(online[:5])}). Its page says what they said, if they did."
        )
    )


def _where(lease: Lease) -> str:
    devices = [
        each.uuid if each.alone else f"{each.share:.0%} of {each.uuid} ({each.enforcement})"
        for each in lease.grant.holdings
    ]
    process = "not started yet" if lease.process is None else f"process {lease.process.pid}"
    return f"It runs on this machine, {process}, on {', '.join(devices) or 'no GPU'}."


def _since(run: FlowRun, standing: Standing) -> datetime:
    due = run.next_scheduled_start_time or run.expected_start_time
    entered = run.state.timestamp if run.state else None
    moment = (due or entered) if standing in {"waits", "is not due"} else entered
    return datetime.fromtimestamp(moment.timestamp(), UTC) if moment else datetime.now(UTC)


def _state(run: FlowRun) -> str:
    return run.state_name or (run.state.type.value.title() if run.state else "Unknown")


def _blockers(
    journal: Journal | NoJournal, note: WaitingNote, names: dict[UUID, RunName]
) -> tuple[Blocker, ...]:
    leases = journal.leases()
    found = []
    for device in note.blocking:
        held = [_held(device, each, names) for each in leases if _holds(each.grant, device)]
        kept = _kept_out(journal, device)
        found += [*held, *([kept] if kept else [])] or [_unwell(device)]
    return tuple(found)


def _holds(grant: Grant, what: str) -> bool:
    """Whether a grant has some of what somebody waits for."""
    counted = {CORES: grant.cpus, MEMORY: grant.memory_bytes}
    return what in grant.uuids or counted.get(what, 0) > 0


def _kept_out(journal: Journal | NoJournal, device: str) -> Blocker | None:
    """What keeps a device whether a run holds it or not: it is kept out, or a stranger is on it."""
    entry = entries(journal).get(device)
    if entry is not None and entry.out:
        until = None if entry.ended else entry.until
        return Blocker(device=device, why=told(entry), run=None, since=entry.since, until=until)
    for stranger in sightings(journal):
        if stranger.device == device:
            said = f"not ours: {stranger.process}"
            return Blocker(device=device, why=said, run=None, since=stranger.since)
    return None


def _unwell(device: str) -> Blocker:
    return Blocker(device=device, why="unhealthy: see `perennial gpus`", run=None, since=None)


def _held(device: str, lease: Lease, names: dict[UUID, RunName]) -> Blocker:
    longest = lease.request.max_runtime
    return Blocker(
        device=device,
        why="",
        run=names[lease.run],
        since=lease.since,
        until=lease.since + longest if longest else None,
    )

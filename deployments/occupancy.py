"""Who holds what of this machine: what ``perennial gpus`` prints, from its driver and journal."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from deployments.run_names import RunName, named
from infra.errors import BackendError, ConfigError
from infra.gpu.bounds import DeviceBound
from infra.gpu.company import sightings
from infra.gpu.leases import Journal, NoJournal
from infra.gpu.quarantine import entries
from infra.gpu.waiting import WaitingNote, waits
from infra.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from infra.gpu.devices import Device, ForeignProcess
    from infra.gpu.leases import Lease
    from infra.gpu.lookout import Sight
    from infra.gpu.offers import Told
    from infra.gpu.placement import Holding
    from infra.gpu.quarantine import Entry


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Fact):
    """What a lease holds of a device."""

    device: str
    share: float = Field(description="Above 0; 1 is all of it.")
    memory_bytes: int
    alone: bool = Field(description="Whether nobody else may be on it.")
    enforcement: str = Field(description="alone, mig, mps, torch or advisory.")


class Held(_Fact):
    """A lease: what a run holds, and since when."""

    lease: int
    run: RunName
    since: datetime
    worker: str
    pid: int | None = Field(description="Null before its process was started.")
    parts: tuple[Part, ...] = Field(description="Empty for a run without GPUs.")
    cpus: int
    memory_bytes: int


class Stranger(_Fact):
    """A process that no lease explains."""

    pid: int
    user: str = Field(description="Empty where it cannot be seen from here.")
    command: str = Field(description="Empty where it cannot be seen from here.")
    memory_bytes: int | None
    since: datetime | None = Field(description="When a worker first saw it; null if none did.")


class Rest(_Fact):
    """Why a device is kept out, and what becomes of it."""

    why: str
    since: datetime
    probed_at: datetime = Field(description="When it is probed at the earliest.")
    needs_reset: bool = Field(description="Whether a person must reset it first.")
    strikes: int
    said: str = Field(description="What the last probe said, or why there was none.")


class Gpu(_Fact):
    """A device that can be leased: a whole GPU, or a MIG slice of one."""

    uuid: str
    name: str
    profile: str | None = Field(description="MIG profile; null for a whole GPU.")
    parent: str | None = Field(description="The GPU that it is a slice of.")
    memory_bytes: int
    state: str = Field(description="ok, occupied, unhealthy or quarantined.")
    why: str = Field(description="What keeps it from being leased; empty when nothing does.")
    used_bytes: int | None
    busy_percent: int | None
    temperature_c: int | None
    power_w: float | None
    leases: tuple[int, ...] = Field(description="Those that hold a part of it.")
    foreign: tuple[Stranger, ...]
    quarantine: Rest | None


class Waiter(_Fact):
    """A run that waits for this machine."""

    run: RunName
    place: int
    since: datetime
    why: str
    blocking: tuple[str, ...] = Field(
        description="What would help if it became free: devices, `cores`, `memory`."
    )
    expected: datetime | None = Field(description="The latest start, where that is known.")


class Neighbour(_Fact):
    """Another machine with a worker, as that worker told it last."""

    machine: str
    pool: str
    worker: str
    seen: datetime
    cpus: int
    memory_bytes: int
    devices: tuple[str, ...] = Field(description="Kinds and their numbers, as 8 x NVIDIA H100.")


class Occupancy(_Fact):
    """Who holds what of this machine."""

    machine: str
    driver: str
    cuda: str
    absent: str = Field(description="Why there are no devices; empty where there are.")
    troubles: tuple[str, ...] = Field(description="What could not be found out.")
    cpus: int = Field(description="Cores that runs may use.")
    memory_bytes: int
    devices: tuple[Gpu, ...]
    leases: tuple[Held, ...]
    queue: tuple[Waiter, ...] = Field(description="By place.")
    neighbours: tuple[Neighbour, ...] = Field(
        description="Other machines that were heard of within the hour."
    )


def occupancy() -> Occupancy:
    """Who holds what of this machine now; on one without GPUs or without a worker too.

    Raises:
        ConfigError: the journal cannot be read.
        IntegrityError: the journal is damaged.
    """
    journal = Journal.existing(settings().journal)
    leases, waiting = journal.leases(), alive(journal)
    names, silent = named([*(each.run for each in leases), *(each.run for each in waiting)])
    sight, failed = _looked(journal)
    known = {(each.device, each.process.pid): each.since for each in sightings(journal)}
    kept = entries(journal)
    inventory = sight.inventory
    others, unheard = _neighbours()
    return Occupancy(
        machine=socket.gethostname(),
        driver=inventory.driver,
        cuda=inventory.cuda,
        absent=sight.seen.absent,
        troubles=(*failed, *sight.seen.troubles, *silent, *unheard),
        cpus=inventory.cpus,
        memory_bytes=inventory.memory_bytes,
        devices=tuple(_gpu(each, sight, leases, kept, known) for each in inventory.devices),
        leases=tuple(_held(each, names) for each in leases),
        queue=tuple(_waiter(each, names) for each in waiting),
        neighbours=others,
    )


def alive(journal: Journal | NoJournal) -> list[WaitingNote]:
    """The runs that wait, as workers that still run have left them."""
    there = {each.name for each in journal.workers() if each.process.alive}
    return [each for each in waits(journal) if each.worker in there]


def _neighbours() -> tuple[tuple[Neighbour, ...], tuple[str, ...]]:
    """The other machines, and why they are not known; without a server there are none."""
    from infra.addresses import addresses

    try:
        addresses()
    except ConfigError:
        return (), ()
    from infra.gpu.offers import machines
    from tasks.governance.reviews import reachable_prefect

    try:
        with reachable_prefect() as client:
            told = machines(client.read_variables())
    except BackendError as error:
        return (), (f"The other machines are not known: {error.args[0]}",)
    here = socket.gethostname()
    return tuple(_neighbour(each) for each in told if each.host != here), ()


def _neighbour(told: Told) -> Neighbour:
    return Neighbour(
        machine=told.host,
        pool=told.pool,
        worker=told.worker,
        seen=told.seen,
        cpus=told.offer.cpus,
        memory_bytes=told.offer.memory_bytes,
        devices=tuple(f"{each.count} x {each.name}" for each in told.offer.kinds),
    )


def _looked(journal: Journal | NoJournal) -> tuple[Sight, tuple[str, ...]]:
    """What the driver says; where it fails, a machine without devices and the failure in words."""
    from infra.gpu.lookout import Lookout, blind

    lookout = Lookout(journal)
    try:
        return lookout.look(), ()
    except BackendError as error:
        return blind(str(error.args[0])), (str(error),)
    finally:
        lookout.close()


def _gpu(
    device: Device,
    sight: Sight,
    leases: Iterable[Lease],
    kept: dict[str, Entry],
    known: dict[tuple[str, int], datetime],
) -> Gpu:
    usage = sight.seen.usage.get(device.uuid)
    entry = kept.get(device.uuid) or kept.get(device.parent or "")
    return Gpu(
        **device.model_dump(include={"uuid", "name", "profile", "parent", "memory_bytes", "state"}),
        why=device.why,
        used_bytes=usage and usage.used_bytes,
        busy_percent=usage and usage.busy_percent,
        temperature_c=usage and usage.temperature_c,
        power_w=usage and usage.power_w,
        leases=tuple(each.id for each in leases if device.uuid in each.grant.uuids),
        foreign=tuple(
            _stranger(each, known.get((device.uuid, each.pid)))
            for each in sight.foreign.get(device.uuid, ())
        ),
        quarantine=_rest(entry) if entry is not None and entry.out else None,
    )


def _stranger(process: ForeignProcess, since: datetime | None) -> Stranger:
    return Stranger(**process.model_dump(), since=since)


def _rest(entry: Entry) -> Rest:
    return Rest(
        why=entry.why,
        since=entry.since,
        probed_at=entry.until,
        needs_reset=entry.ended is not None,
        strikes=entry.strikes,
        said=entry.said,
    )


def _held(lease: Lease, names: dict[UUID, RunName]) -> Held:
    return Held(
        lease=lease.id,
        run=names[lease.run],
        since=lease.since,
        worker=lease.worker,
        pid=lease.process and lease.process.pid,
        parts=tuple(map(_part, lease.grant.holdings)),
        cpus=lease.grant.cpus,
        memory_bytes=lease.grant.memory_bytes,
    )


def _part(holding: Holding) -> Part:
    told = holding.model_dump(include={"share", "memory_bytes", "alone"})
    return Part(device=holding.uuid, enforcement=DeviceBound.of(holding).by, **told)


def _waiter(note: WaitingNote, names: dict[UUID, RunName]) -> Waiter:
    shown = note.model_dump(include={"place", "since", "why", "blocking", "expected"})
    return Waiter(run=names[note.run], **shown)

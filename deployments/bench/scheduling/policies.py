"""Four ways to give devices to runs: fixed ones, by number, in order of arrival, and ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random

from deployments.bench.scheduling.trace import Job
from infra.gpu.claiming import Held, WaitingRun, claim
from infra.gpu.devices import Device, Inventory, Link
from infra.gpu.placement import Grant, Holding, place

PER_MACHINE = 8
_CPUS, _MEMORY = 512, 2**44
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SEEN_AT_ONCE = 200
"""Waiting runs that Prefect's server hands a worker in one look. Source: Prefect 3.8."""


@dataclass
class Machine:
    """Eight devices and what runs on them: each job with its grant and its end, if it has one."""

    inventory: Inventory
    running: dict[Job, Held] = field(default_factory=dict)

    @property
    def grants(self) -> list[Grant]:
        """What is held."""
        return [held.grant for held in self.running.values()]


Start = tuple[Job, Machine, Grant]
Policy = Callable[[Sequence[Job], list[Machine], float], list[Start]]
"""The jobs that start now, of those that wait in order of arrival."""


def machines(gpus: int) -> list[Machine]:
    """A cluster of so many devices, eight in each machine, linked in two islands of four."""
    return [_machine(each) for each in range(gpus // PER_MACHINE)]


def _machine(number: int) -> Machine:
    devices = tuple(
        Device(
            uuid=f"GPU-{number:03}-{each}",
            name="NVIDIA H100 80GB HBM3",
            memory_bytes=80 * 2**30,
            numa=each // 4,
            limits=("mps", "torch", "advisory"),
        )
        for each in range(PER_MACHINE)
    )
    links = {
        (one.uuid, other.uuid): int(Link.NVLINK)
        for one, other in combinations(devices, 2)
        if one.numa == other.numa
    }
    return Machine(Inventory(cpus=_CPUS, memory_bytes=_MEMORY, devices=devices, links=links))


def ours(waiting: Sequence[Job], cluster: list[Machine], now_s: float) -> list[Start]:
    """Each machine claims what it can place: best fit, a reservation, backfill, age."""
    now, left, starts = _clock(now_s), list(waiting), []
    for machine in cluster:
        jobs = {job.run: job for job in left[:_SEEN_AT_ONCE]}
        runs = [
            WaitingRun(run=j.run, request=j.request, since=_clock(j.arrives_s))
            for j in jobs.values()
        ]
        if not runs:
            break
        taken = claim(runs, machine.inventory, list(machine.running.values()), now).taken
        for each in taken:
            job = jobs[each.run]
            starts.append(_begin(job, machine, each.grant, now))
            left.remove(job)
    return starts


def first_come(waiting: Sequence[Job], cluster: list[Machine], now_s: float) -> list[Start]:
    """Devices are placed as ours are, and nobody passes anybody."""
    starts: list[Start] = []
    for job in waiting:
        found = next(((m, g) for m in cluster if (g := _placed(job, m)) is not None), None)
        if found is None:
            break
        starts.append(_begin(job, *found, _clock(now_s)))
    return starts


def counters(waiting: Sequence[Job], cluster: list[Machine], now_s: float) -> list[Start]:
    """A number of slots for each worker, and no notion of a device: the run takes the first ones.

    Prefect's way: a run takes as many slots of its worker's limit as it has GPUs, at least one,
    and whoever fits starts. Which devices are free nobody knows, so each flow takes those that it
    was written with.
    """
    starts = []
    for job in waiting[:_SEEN_AT_ONCE]:
        slots = max(1, int(job.gpus))
        machine = next((m for m in cluster if _slots(m) + slots <= PER_MACHINE), None)
        if machine is not None:
            written = Random(job.run.int)  # noqa: S311 - nothing secret
            chosen = written.sample(machine.inventory.devices, slots)
            starts.append(_begin(job, machine, _fixed(job, chosen), _clock(now_s)))
    return starts


def static(waiting: Sequence[Job], cluster: list[Machine], now_s: float) -> list[Start]:
    """Each flow has its devices written down, and waits for these."""
    starts = []
    for job in waiting:
        chance = Random(job.run.int % 997)  # noqa: S311 - so many flows, each at its place
        machine = chance.choice(cluster)
        wanted = max(1, int(job.gpus))
        begin = chance.randrange(PER_MACHINE // wanted) * wanted
        chosen = machine.inventory.devices[begin : begin + wanted]
        held = {uuid for grant in machine.grants for uuid in grant.uuids}
        if held.isdisjoint(device.uuid for device in chosen):
            starts.append(_begin(job, machine, _fixed(job, chosen), _clock(now_s)))
    return starts


POLICIES: dict[str, Policy] = {
    "static binding": static,
    "counters": counters,
    "first come": first_come,
    "Perennial": ours,
}


def _clock(seconds: float) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)


def _placed(job: Job, machine: Machine) -> Grant | None:
    found = place(job.request, machine.inventory, machine.grants)
    return found if isinstance(found, Grant) else None


def _slots(machine: Machine) -> int:
    return sum(max(1, int(job.gpus)) for job in machine.running)


def _fixed(job: Job, devices: Sequence[Device]) -> Grant:
    holdings = tuple(
        Holding(
            uuid=each.uuid,
            memory_bytes=each.memory_bytes,
            share=min(1.0, job.gpus),
            alone=True,
            enforcement="advisory",
        )
        for each in devices
    )
    return Grant(holdings=holdings, cpus=1, memory_bytes=1)


def _begin(job: Job, machine: Machine, grant: Grant, now: datetime) -> Start:
    limit = job.request.max_runtime
    machine.running[job] = Held(grant=grant, until=now + limit if limit else None)
    return job, machine, grant

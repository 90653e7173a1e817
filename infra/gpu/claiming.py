"""Which of the runs that wait a machine takes now: by priority and age, and past each other.

Runs are taken in the order of their work queues, and within one of their priority, which grows
while they wait. The first that does not fit gets a reservation: the earliest time at which it fits
if every run that has one keeps its `max_runtime`. A later run passes it only where the reservation
stands all the same. Where nobody knows when a run ends, there is no such time: then nothing passes
that takes devices, cores or memory that the first could use.

Source:
    Lifka, The ANL/IBM SP Scheduling System (1995): aggressive ("EASY") backfilling, one
    reservation. Age as priority keeps the one reservation enough: who waits longest comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from infra.gpu.devices import Inventory
from infra.gpu.placement import Grant, Impossible, Wait, lacks_host, place
from infra.gpu.suitability import mismatch
from infra.resources import RunRequest

AGE_STEP = timedelta(minutes=10)
"""Waiting so long weighs as much as one step of priority."""


class WaitingRun(BaseModel):
    """A run that is due and has no machine yet."""

    model_config = ConfigDict(frozen=True)

    run: UUID
    request: RunRequest
    since: datetime
    queue: int = 0
    """Rank of its work queue: the lower comes first, whatever its age, as with Prefect."""


class Held(BaseModel):
    """What a run holds now, and when it gives it back at the latest."""

    model_config = ConfigDict(frozen=True)

    grant: Grant
    until: datetime | None = None


class Claim(BaseModel):
    """A run that the machine takes now."""

    model_config = ConfigDict(frozen=True)

    run: UUID
    grant: Grant
    passed: tuple[UUID, ...] = ()


class Left(BaseModel):
    """A run that is left waiting: its place in the queue, why, and since when it may hope."""

    model_config = ConfigDict(frozen=True)

    run: UUID
    place: int
    answer: Wait | Impossible
    expected: datetime | None = None


class Delays(Wait):
    """It would fit now, and would keep the first run that waits from its reservation."""


@dataclass
class Claims:
    """What a machine does with the runs that wait."""

    taken: list[Claim] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def claim(
    waiting: Sequence[WaitingRun], inventory: Inventory, held: Sequence[Held], now: datetime
) -> Claims:
    """What a machine takes of the runs that wait, and why it leaves the others.

    Args:
        waiting: runs that are due, in any order.
        inventory: what the machine has.
        held: what runs hold of it, with the time by which each ends at the latest.
        now: the time by which age and ends are counted.

    Returns:
        The runs taken, in the order in which they were decided, and those left.
    """
    claims, busy = Claims(), list(held)
    first: _Reservation | None = None
    told: dict[object, Wait | Impossible] = {}  # what is held only grows: a no stays a no
    for waiter in sorted(waiting, key=lambda each: _turn(each, now)):
        request = waiter.request
        refused = told.get(request.needs) or told.get(request)
        found = refused or _answer(request, inventory, busy, first, now)
        if isinstance(found, Grant):
            busy.append(Held(grant=found, until=_end(request, now)))
            passed = (first.run,) if first else ()
            claims.taken.append(Claim(run=waiter.run, grant=found, passed=passed))
            continue
        expected = None
        if isinstance(found, Wait) and first is None:
            first = _reserve(waiter, inventory, busy, now)
            expected = first.at if first else None
        told[request if isinstance(found, Delays) else request.needs] = found
        place_ = len(claims.left) + 1
        claims.left.append(Left(run=waiter.run, place=place_, answer=found, expected=expected))
    return claims


def _answer(
    request: RunRequest,
    inventory: Inventory,
    busy: Sequence[Held],
    first: "_Reservation | None",
    now: datetime,
) -> Grant | Wait | Impossible:
    found = place(request, inventory, [each.grant for each in busy])
    if isinstance(found, Grant) and first is not None:
        return first.beside(found, request, inventory, busy, now)
    return found


def weight(waiter: WaitingRun, now: datetime) -> float:
    """Priority with age: it grows by one for each `AGE_STEP` of waiting."""
    return waiter.request.priority + max(now - waiter.since, timedelta(0)) / AGE_STEP


def _turn(waiter: WaitingRun, now: datetime) -> tuple[int, float, datetime, UUID]:
    return waiter.queue, -weight(waiter, now), waiter.since, waiter.run


def _end(request: RunRequest, now: datetime) -> datetime | None:
    return now + request.max_runtime if request.max_runtime else None


@dataclass(frozen=True)
class _Reservation:
    """The first run that waits, and when it fits; `at` is None where an end is not known."""

    run: UUID
    request: RunRequest
    at: datetime | None
    devices: frozenset[str]

    def beside(
        self,
        grant: Grant,
        request: RunRequest,
        inventory: Inventory,
        busy: Sequence[Held],
        now: datetime,
    ) -> Grant | Delays:
        """The grant if it leaves the reservation as it is, else one on other devices that does."""
        if self._stands(grant, request, inventory, busy, now):
            return grant
        elsewhere = [each for each in inventory.devices if each.uuid not in self.devices]
        without = inventory.model_copy(update={"devices": tuple(elsewhere)})
        other = place(request, without, [each.grant for each in busy])
        if isinstance(other, Grant) and self._stands(other, request, inventory, busy, now):
            return other
        until = f"before {self.at:%H:%M:%S} UTC" if self.at else "at a time that is not known"
        return Delays(
            why=f"It would fit now, and would delay run {self.run}, which comes first and is "
            f"expected to start {until}.",
            blocking=tuple(sorted(self.devices)),
        )

    def _stands(
        self,
        grant: Grant,
        request: RunRequest,
        inventory: Inventory,
        busy: Sequence[Held],
        now: datetime,
    ) -> bool:
        if self.at is None:
            return self._has_no_use_for(grant, inventory, busy)
        end = _end(request, now)
        if end is not None and end <= self.at:
            return True
        then = [each.grant for each in busy if _holds(each, self.at)]
        return isinstance(place(self.request, inventory, [*then, grant]), Grant)

    def _has_no_use_for(self, grant: Grant, inventory: Inventory, busy: Sequence[Held]) -> bool:
        """Whether the first run could do nothing with what is granted, whenever others end."""
        touched = [each for each in inventory.devices if each.uuid in grant.uuids]
        if self.devices and not all(mismatch(self.request, device) for device in touched):
            return False
        # What it shares with the grant of the machine itself must be there beside all others.
        shared = self.request.model_copy(
            update={
                "cpus": self.request.cpus if grant.cpus else 0,
                "memory": self.request.memory if grant.memory_bytes else None,
            }
        )
        after = [*(each.grant for each in busy), grant]
        return lacks_host(shared, inventory, after) is None


def _reserve(
    waiter: WaitingRun, inventory: Inventory, busy: Sequence[Held], now: datetime
) -> _Reservation | None:
    """When a run fits at the latest, if those that said when they end keep their word.

    None where no end of a run would help: its devices are unwell, and nobody waits for that.
    """
    ends = sorted({max(each.until, now) for each in busy if each.until})
    for at in [*ends, None]:
        then = [each.grant for each in busy if _holds(each, at)]
        found = place(waiter.request, inventory, then)
        if isinstance(found, Grant):
            return _Reservation(waiter.run, waiter.request, at, found.uuids)
    return None


def _holds(held: Held, at: datetime | None) -> bool:
    """Whether something is still held at a time; at a time nobody knows, everything has ended."""
    return at is not None and (held.until is None or held.until > at)

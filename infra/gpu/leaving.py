"""How a lease ends: nobody of it is left, and its devices are back where they were, or kept out."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from infra.errors import BackendError, few
from infra.gpu.baselines import baselines, forget_baselines, lingering, shared_now
from infra.gpu.belonging import of_lease
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.quarantine import Entry, keep_out
from infra.gpu.readings import Observation
from infra.gpu.record import forget_hardware
from infra.gpu.usage import forget_courses
from infra.processes import end

ASKED_S = 10.0
"""Whoever of a run outlives it is asked to end, and killed after so long."""

_LOOK_S = 0.2
_ROUNDS = 3
"""A process may fork while it is ended; whoever is there after so many rounds cannot be ended."""

Look = Callable[[], Observation]


class Patience(NamedTuple):
    """How long a lease's end may take: seconds for its memory, and before for its processes."""

    memory_s: float
    asked_s: float = ASKED_S


def leave(
    journal: Journal, worker: Worker, lease: Lease, look: Look, patience: Patience
) -> tuple[Entry, ...]:
    """End a lease: its processes first, then wait for its devices, then release it.

    The release and what is kept out are one decision: a worker that is killed before it leaves the
    lease as it is, and whoever adopts it ends it anew.

    Args:
        journal: of this machine.
        worker: whoever ends it.
        lease: what ends.
        look: reads the devices.
        patience: how long it may take.

    Returns:
        The devices that did not come back and are kept out; none where all is well.

    Raises:
        IntegrityError: this worker was replaced.
        ResourceError: the journal could not be had.
    """
    left = _ended(journal, lease, patience.asked_s)
    reasons = _waited(journal, lease, look, left, patience.memory_s)
    before = baselines(journal, lease)
    now = datetime.now(UTC)
    with journal.deciding(worker) as decision:
        decision.release(lease)
        forget_baselines(decision, lease)
        forget_courses(decision, lease)
        forget_hardware(decision, lease)
        return tuple(
            keep_out(
                decision,
                uuid,
                f"after run {lease.run}: {why}",
                now,
                baseline_bytes=before.get(uuid),
            )
            for uuid, why in reasons.items()
        )


def _ended(journal: Journal, lease: Lease, asked_s: float) -> list[int]:
    """End every process of a lease.

    Returns:
        Those that could not be ended: a kill does not reach one that waits for a dead device.
    """
    for _ in range(_ROUNDS):
        if not (there := of_lease(journal.path, lease)):
            return []
        end(there, asked_s)
    return [each.pid for each in of_lease(journal.path, lease)]


def _waited(
    journal: Journal, lease: Lease, look: Look, left: list[int], memory_s: float
) -> dict[str, str]:
    """By device why it is not back, after no more than the patience; empty as soon as all are."""
    if not lease.grant.uuids:
        return {}
    if left:
        stuck = f"process {few(left)} of it cannot be ended"
        return dict.fromkeys(sorted(lease.grant.uuids), stuck)
    before = baselines(journal, lease)
    deadline = time.monotonic() + memory_s
    while reasons := _reasons(journal, lease, look, before):
        if time.monotonic() >= deadline:
            return reasons
        time.sleep(_LOOK_S)
    return {}


def _reasons(journal: Journal, lease: Lease, look: Look, before: dict[str, int]) -> dict[str, str]:
    try:
        seen = look()
    except BackendError as error:
        return dict.fromkeys(sorted(lease.grant.uuids), str(error.args[0]))
    shared = shared_now(journal.leases(), lease)
    found = {
        uuid: lingering(seen.usage.get(uuid), before.get(uuid), others=shared[uuid])
        for uuid in sorted(lease.grant.uuids)
    }
    return {uuid: why for uuid, why in found.items() if why}

"""What a device held before a lease, and whether it is back there when the lease ends."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from infra.gpu.leases import Decision, Lease
from infra.gpu.readings import Observation, Usage
from infra.gpu.suitability import gib
from infra.gpu.tables import Row, Value

TOLERANCE_BYTES = 128 * 2**20
"""So much more than before a lease is no leak of its run.

Source:
    What stays of an A100 after its processes have ended is below 100 MB and differs each time
    (grgalex/nvshare, issue 23); the context of a process that was not cleared away is larger.
"""


class Tables(Protocol):
    """Whatever the journal's tables can be read through: the journal, or a decision."""

    def rows(self, query: str, *values: Value) -> list[Row]:
        """What a query finds."""


def unexplained(usage: Usage | None) -> int | None:
    """Bytes of a device that no process on it holds; None where the driver does not say.

    What colleagues and co-tenants hold is theirs, and comes and goes as they like.
    """
    if usage is None or usage.used_bytes is None or usage.processes is None:
        return None
    held = [each.memory_bytes for each in (*usage.processes, *usage.drawing)]
    known = [size for size in held if size is not None]
    return max(usage.used_bytes - sum(known), 0) if len(known) == len(held) else None


def note_baselines(decision: Decision, lease: Lease, seen: Observation) -> None:
    """Keep what the devices of a new lease hold now, in the transaction that gives the lease.

    A device that others hold a part of has the baseline that the first of them found: what they
    have taken since would be taken for the device's own.
    """
    before = _noted(decision)
    for uuid in sorted(lease.grant.uuids):
        others = _on(uuid, decision.leases, besides=lease)
        shared = [before[key] for each in others if (key := (each.id, uuid)) in before]
        found = min(shared) if shared else unexplained(seen.usage.get(uuid))
        if found is not None:
            decision.change(
                "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?)", lease.id, uuid, found
            )


def baselines(tables: Tables, lease: Lease) -> dict[str, int]:
    """What the devices of a lease held before it, where the driver said so then."""
    noted = _noted(tables)
    return {uuid: size for (number, uuid), size in noted.items() if number == lease.id}


def forget_baselines(decision: Decision, lease: Lease) -> None:
    """The lease has ended."""
    decision.change("DELETE FROM baselines WHERE lease = ?", lease.id)


def lingering(usage: Usage | None, baseline: int | None, *, others: bool) -> str:
    """Why a device is not back where it was before a lease; empty where it is.

    Args:
        usage: what the driver says of it; None where it no longer says anything.
        baseline: bytes that no process held before the lease; None where that was not known.
        others: whether other leases hold a part of the device. Then the memory is judged only
            where the driver tells whose it is; the last of them to leave is judged in any case.
    """
    if usage is None:
        return "the driver no longer answers for it"
    now = unexplained(usage)
    if baseline is None or now is None or (others and not usage.processes):
        return ""
    more = now - baseline
    return f"{gib(more)} are held by no process" if more > TOLERANCE_BYTES else ""


def shared_now(leases: Iterable[Lease], lease: Lease) -> Mapping[str, bool]:
    """Of each device of a lease, whether other leases hold a part of it."""
    known = list(leases)
    return {uuid: bool(_on(uuid, known, besides=lease)) for uuid in lease.grant.uuids}


def _on(uuid: str, leases: Iterable[Lease], *, besides: Lease) -> list[Lease]:
    return [each for each in leases if each.id != besides.id and uuid in each.grant.uuids]


def _noted(tables: Tables) -> dict[tuple[int, str], int]:
    rows = tables.rows("SELECT lease, device, bytes FROM baselines")
    return {(number, uuid): size for number, uuid, size in rows}

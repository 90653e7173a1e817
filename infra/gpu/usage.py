"""What a worker's leases use of their devices: sampled at every round, kept in the journal."""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Final, NamedTuple

from infra.gpu.baselines import Tables, baselines
from infra.gpu.belonging import groups
from infra.gpu.census import kin
from infra.gpu.courses import Course, Look
from infra.gpu.foreign import explained
from infra.gpu.leases import Decision, Journal, Lease, Worker
from infra.gpu.placement import Holding
from infra.gpu.readings import Observation, Usage

_KEPT_S: Final = 30.0
"""So often a course is written down: a killed worker loses no more of it."""


class Metered(NamedTuple):
    """A lease, what it used until now by device, and its last looks."""

    lease: Lease
    courses: Mapping[str, Course]
    looks: Mapping[str, Look]
    looked_s: float
    kept_s: float


class Meter:
    """The courses of one worker's leases; sampled by one thread, read by any."""

    def __init__(self, journal: Journal, worker: Worker) -> None:
        self._journal = journal
        self._worker = worker
        self.metered: dict[int, Metered] = {}

    def sample(self, seen: Observation, leases: Iterable[Lease]) -> None:
        """One more look at what this worker's leases use; those that ended are forgotten.

        Args:
            seen: the devices now.
            leases: all of the machine.
        """
        everyone = list(leases)
        mine = [each for each in everyone if each.worker == self._worker.name]
        held = [each for each in mine if each.grant.holdings]
        family = kin() if held else {}
        now = {}
        for lease in held:
            ours = explained(family, groups([lease]))
            now[lease.id] = self._looked(lease, seen, ours, everyone)
        self.metered = now  # at once: Prometheus may ask at any time

    def keep(self, lease: Lease) -> None:
        """Write down what a lease has used until now."""
        found = self.metered.get(lease.id)
        if found is not None:
            self._write(found)

    def _looked(
        self, lease: Lease, seen: Observation, ours: frozenset[int], everyone: list[Lease]
    ) -> Metered:
        moment = monotonic()
        before = self.metered.get(lease.id)
        if before is None:
            before = Metered(lease, courses(self._journal, lease), {}, moment, moment)
        floor = baselines(self._journal, lease)
        looks = {
            holding.uuid: Look(
                seconds=moment - before.looked_s,
                busy_percent=usage.busy_percent,
                memory_bytes=_memory(usage, holding, ours, floor.get(holding.uuid)),
                counter_j=usage.energy_j,
                share=holding.share,
                co_tenants=sum(holding.uuid in each.grant.uuids for each in everyone) - 1,
            )
            for holding in lease.grant.holdings
            if (usage := seen.usage.get(holding.uuid)) is not None
        }
        after = {
            uuid: before.courses.get(uuid, Course()).after(look) for uuid, look in looks.items()
        }
        found = Metered(lease, {**before.courses, **after}, looks, moment, before.kept_s)
        if moment - before.kept_s < _KEPT_S:
            return found
        self._write(found)
        return found._replace(kept_s=moment)

    def _write(self, found: Metered) -> None:
        with self._journal.deciding(self._worker) as decision:
            for uuid, course in found.courses.items():
                values = (found.lease.id, uuid, course.model_dump_json())
                decision.change("INSERT OR REPLACE INTO courses VALUES (?, ?, ?)", *values)


def courses(tables: Tables, lease: Lease) -> dict[str, Course]:
    """What a lease has used of each of its devices, as it was written down last."""
    rows = tables.rows("SELECT device, course FROM courses WHERE lease = ?", lease.id)
    return {device: Course.model_validate_json(course) for device, course in rows}


def forget_courses(decision: Decision, lease: Lease) -> None:
    """The lease has ended, and what it used was told."""
    decision.change("DELETE FROM courses WHERE lease = ?", lease.id)


def _memory(
    usage: Usage, holding: Holding, ours: frozenset[int], baseline: int | None
) -> int | None:
    """What a run holds of a device: by its processes, as the driver tells them.

    Where they are hidden from here and the run is alone: what the device holds more than before.
    """
    own = [each.memory_bytes for each in usage.processes or () if each.pid in ours]
    known = [size for size in own if size is not None]
    if own and len(known) == len(own):
        return sum(known)
    if holding.alone and usage.used_bytes is not None and baseline is not None:
        return max(usage.used_bytes - baseline, 0)
    return None

"""The round that a worker makes every few seconds: faults, foreign processes, probes, gauges."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple

from infra.errors import PerennialError
from infra.gpu.company import News, changes, note
from infra.gpu.devices import Inventory
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.lookout import Lookout, Sight
from infra.gpu.notices import FAULT, Notices, PrefectNotices, tell_company, tell_quarantine
from infra.gpu.probing import Probing
from infra.gpu.quarantine import Entry, Life, boot, entries, keep_out, put, told
from infra.gpu.suitability import gib
from infra.gpu.usage import Meter
from infra.gpu.xids import meaning

_log = logging.getLogger("prefect.worker.gpu")


class Move(NamedTuple):
    """A run that must go elsewhere: its lease, and why in a sentence that names the device."""

    lease: Lease
    why: str


class Patrol:
    """One worker's rounds, one after the other whoever asks for them."""

    def __init__(
        self, journal: Journal, worker: Worker, lookout: Lookout, notices: Notices | None = None
    ) -> None:
        self.notices = notices or PrefectNotices()
        self._journal = journal
        self._worker = worker
        self.lookout = lookout
        self._probing = Probing(journal, worker)
        self.meter = Meter(journal, worker)
        self._going = Lock()
        self._told: set[tuple[int, str]] = set()
        self._energy_j: dict[str, float] = {}  # as last read: a GPU that fails may not tell it
        self._trouble = ""

    def close(self) -> None:
        """End what the rounds have begun."""
        self._probing.close()

    def once(self) -> list[Move]:
        """Go round once.

        A driver or a journal that fails is told once, and tried again at the next round.

        Returns:
            The runs of this worker that hold a faulty device.
        """
        try:
            with self._going:
                found = self._round(datetime.now(UTC))
        except PerennialError as error:
            if str(error) != self._trouble:
                _log.warning("The devices could not be looked after. %s", error)
            self._trouble = str(error)
            return []
        self._trouble = ""
        return found

    def _round(self, now: datetime) -> list[Move]:
        sight = self.lookout.look(regular=True)
        for uuid, usage in sight.seen.usage.items():
            if usage.energy_j is not None:
                self._energy_j[uuid] = usage.energy_j
        self._deal_with_faults(sight, now)
        self._tell_company(sight, now)
        for entry in self._probing.step(sight.seen, sight.faults, now):
            if entry.prober is None:
                tell_quarantine(self.notices, entry)
        leases = self._journal.leases()
        self.meter.sample(sight.seen, leases)
        self._tell_excess()
        mine = [each for each in leases if each.worker == self._worker.name]
        return moves(mine, sight.inventory, entries(self._journal).values())

    def _tell_excess(self) -> None:
        """Tell runs that take more of a shared device than their part, each once."""
        for number, each in self.meter.metered.items():
            for holding in each.lease.grant.holdings:
                look, known = each.looks.get(holding.uuid), (number, holding.uuid)
                taken = look.memory_bytes if look else None
                if holding.alone or known in self._told or (taken or 0) <= holding.memory_bytes:
                    continue
                self._told.add(known)
                self.notices.tell(
                    each.lease.run,
                    f"This run takes {gib(taken or 0)} of GPU {holding.uuid}; its part is "
                    f"{gib(holding.memory_bytes)}. Others on the device may run out of memory: "
                    "raise gpu_memory.",
                )
        self._told = {key for key in self._told if key[0] in self.meter.metered}

    def _tell_company(self, sight: Sight, now: datetime) -> None:
        if changes(self._journal, sight.seen, sight.foreign, now) == News():
            return
        with self._journal.deciding(self._worker) as decision:
            news = note(decision, sight.seen, sight.foreign, now)
            leases = decision.leases
        tell_company(self.notices, news, leases)

    def _deal_with_faults(self, sight: Sight, now: datetime) -> None:
        """Keep faulty GPUs out: the journal remembers what the driver reports only once."""
        known = entries(self._journal)
        for gpu, health in sight.faults.items():
            if health.action == "ok":
                continue
            xids = self.lookout.reported(gpu)
            entry = known.get(gpu)
            if entry is not None and entry.out and entry.moves and not xids:
                continue
            reset = any(meaning(code)[0] == "reset" for code in xids)
            with self._journal.deciding(self._worker) as decision:
                kept = keep_out(decision, gpu, health.why, now, moves=True)
                if reset and kept.ended is None:
                    ended = Life(boot=boot(), energy_j=self._energy_j.get(gpu))
                    kept = kept.model_copy(update={"ended": ended})
                    put(decision, kept)
                leases = decision.leases
            self.lookout.dealt_with(gpu, xids)
            runs = [each.run for each in _on(gpu, leases, sight.inventory)]
            self.notices.announce(FAULT, gpu, {"why": told(kept), "action": health.action}, runs)


def moves(leases: Iterable[Lease], inventory: Inventory, kept: Iterable[Entry]) -> list[Move]:
    """The leases that hold a device from which runs must go."""
    found: dict[int, Move] = {}
    held = list(leases)
    for entry in kept:
        if not (entry.out and entry.moves):
            continue
        for lease in _on(entry.device, held, inventory):
            found.setdefault(lease.id, Move(lease, f"GPU {entry.device}: {entry.why}"))
    return list(found.values())


def _on(gpu: str, leases: Iterable[Lease], inventory: Inventory) -> list[Lease]:
    """The leases of a GPU, or of a slice of it."""
    parts = {gpu} | {each.uuid for each in inventory.devices if each.parent == gpu}
    return [each for each in leases if parts & each.grant.uuids]

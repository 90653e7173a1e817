"""The round that a worker makes every few seconds: faults, foreign processes, probes, gauges."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from infra.errors import PerennialError
from infra.gpu.company import News, changes, note
from infra.gpu.devices import Inventory
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.lookout import Lookout, Sight
from infra.gpu.notices import FAULT, Notices, PrefectNotices, tell_company, tell_quarantine
from infra.gpu.probing import Probing, life
from infra.gpu.quarantine import Entry, entries, keep_out, put, told
from infra.gpu.usage import Meter
from infra.gpu.xids import meaning

_log = logging.getLogger("prefect.worker.gpu")


class Move(NamedTuple):
    """A run that must go elsewhere: its lease, and why in a sentence that names the device."""

    lease: Lease
    why: str


class Patrol:
    """One worker's rounds; for one thread at a time."""

    def __init__(
        self, journal: Journal, worker: Worker, lookout: Lookout, notices: Notices | None = None
    ) -> None:
        self.notices = notices or PrefectNotices()
        self._journal = journal
        self._worker = worker
        self.lookout = lookout
        self._probing = Probing(journal, worker)
        self.meter = Meter(journal, worker)
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
        self._deal_with_faults(sight, now)
        self._tell_company(sight, now)
        for entry in self._probing.step(sight.seen, sight.faults, now):
            if entry.prober is None:
                tell_quarantine(self.notices, entry)
        leases = self._journal.leases()
        self.meter.sample(sight.seen, leases)
        mine = [each for each in leases if each.worker == self._worker.name]
        return moves(mine, sight.inventory, entries(self._journal).values())

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
                    kept = kept.model_copy(update={"ended": life(gpu, sight.seen)})
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

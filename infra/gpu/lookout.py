"""All that one look at the machine tells: its devices, how they are, and who is on them."""

from collections import defaultdict, deque
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from infra.gpu.company import Foreign, look_around
from infra.gpu.devices import Inventory
from infra.gpu.health import LASTING, Health, judge
from infra.gpu.leases import Journal, NoJournal
from infra.gpu.quarantine import entries, overlaid
from infra.gpu.readings import Observation, Vitals
from infra.gpu.states import stated
from infra.gpu.watch import Watch, without_devices
from infra.gpu.xids import meaning


class Sight(NamedTuple):
    """One look.

    Attributes:
        seen: what the driver says.
        foreign: by device the processes that are not ours.
        faults: verdicts on whole GPUs by UUID, of what does not pass by itself.
        inventory: the devices, each with what keeps it from being leased.
    """

    seen: Observation
    foreign: Foreign
    faults: Mapping[str, Health]
    inventory: Inventory


class Lookout:
    """The eyes of a worker: one session with the driver, one look at a time."""

    def __init__(self, journal: Journal | NoJournal) -> None:
        self._journal = journal
        self._watch = Watch()
        self._looking = Lock()
        self._xids: dict[str, set[int]] = defaultdict(set)
        self._before: dict[str, deque[Vitals]] = defaultdict(lambda: deque(maxlen=LASTING))

    def close(self) -> None:
        """End the session with the driver."""
        with self._looking:
            self._watch.close()

    def read(self) -> Observation:
        """What the driver says now, and nothing else.

        Raises:
            BackendError: there is a driver, and it fails.
        """
        with self._looking:
            return self._watch.read()

    def look(self, *, regular: bool = False) -> Sight:
        """What the machine is now.

        Args:
            regular: whether it is one of the looks by which what lasts is told from what passes.

        Raises:
            BackendError: there is a driver, and it fails.
        """
        with self._looking:
            seen, foreign = look_around(self._watch, self._journal)
            for event in self._watch.xids():
                if meaning(event.code)[0] != "ok":
                    self._xids[event.uuid].add(event.code)
            faults, health = {}, {}
            for uuid, vitals in seen.vitals.items():
                faults[uuid] = judge(vitals, self._xids[uuid])
                health[uuid] = judge(vitals, self._xids[uuid], tuple(self._before[uuid]))
                if regular:
                    self._before[uuid].append(vitals)
        there = stated(seen.inventory, health, foreign)
        return Sight(seen, foreign, faults, overlaid(there, entries(self._journal)))

    def reported(self, gpu: str) -> frozenset[int]:
        """The XIDs of a GPU that nobody has dealt with."""
        return frozenset(self._xids[gpu])

    def dealt_with(self, gpu: str, xids: frozenset[int]) -> None:
        """XIDs stand in the journal from now on, and are not judged again."""
        with self._looking:
            self._xids[gpu] -= xids


def blind(why: str) -> Sight:
    """The sight of a machine whose driver fails: nothing is known of its devices."""
    seen = Observation(inventory=without_devices(), absent=why)
    return Sight(seen, {}, {}, seen.inventory)

"""Which of the devices that are free a run gets, when it needs several."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import comb

from infra.gpu.devices import Device, Inventory, Link

_MOST_SETS = 2_000
"""So many sets are compared one by one: all sets of 4 of 16 are 1,820."""


class DeviceSets:
    """The sets of a given size that can be made of free devices, by their worth."""

    def __init__(self, inventory: Inventory, free: Sequence[Device]) -> None:
        self._free = tuple(free)
        self._near = [[inventory.between(one, other) for other in free] for one in free]

    def best(self, size: int) -> tuple[Device, ...]:
        """The set with most NVLinks within it, then nearest by PCIe, then on one NUMA node.

        Among equals the one of least memory, then the one that cuts fewest ties to the devices
        that are left. Beyond `_MOST_SETS` sets it is grown from each device in turn, which finds
        a good one and not always the best.
        """
        if comb(len(self._free), size) <= _MOST_SETS:
            sets: Iterable[tuple[int, ...]] = combinations(range(len(self._free)), size)
        else:
            sets = {self._grown(seed, size) for seed in range(len(self._free))}
        nearness = {chosen: self._nearness(chosen) for chosen in sets}
        nearest = max(nearness.values())
        equals = sorted(chosen for chosen, near in nearness.items() if near == nearest)
        return tuple(self._free[place] for place in min(equals, key=self._cost))

    def _grown(self, seed: int, size: int) -> tuple[int, ...]:
        chosen: tuple[int, ...] = (seed,)
        while len(chosen) < size:
            rest = (place for place in range(len(self._free)) if place not in chosen)
            chosen = max(((*chosen, place) for place in rest), key=self._nearness)
        return tuple(sorted(chosen))

    def _nearness(self, chosen: Sequence[int]) -> tuple[int, int, int]:
        pairs = list(combinations(chosen, 2))
        near = [self._near[one][other] for one, other in pairs]
        return (
            sum(max(0, each - Link.BOARD) for each in near),
            sum(min(each, Link.BOARD) for each in near),
            sum(self._free[one].numa == self._free[other].numa for one, other in pairs),
        )

    def _cost(self, chosen: Sequence[int]) -> tuple[int, int]:
        rest = [place for place in range(len(self._free)) if place not in chosen]
        cut = sum(self._near[one][other] for one in chosen for other in rest)
        return sum(self._free[place].memory_bytes for place in chosen), cut

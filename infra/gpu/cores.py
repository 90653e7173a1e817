"""Which cores a run gets: a pure function of how many, what there is and what is held."""

from collections import Counter
from collections.abc import Collection, Sequence

from pydantic import BaseModel, ConfigDict


class Core(BaseModel):
    """One that the kernel schedules on; threads of one physical core share the number of it."""

    model_config = ConfigDict(frozen=True)

    number: int
    physical: int
    numa: int | None = None


def choose(
    count: int, cores: Sequence[Core], taken: Collection[int], near: Collection[int | None] = ()
) -> tuple[int, ...]:
    """Cores that nobody holds, by number, lowest first.

    They lie on the NUMA nodes that are named, evenly on each; where none is, on one node if they
    fit there, the one on which the least is left over. Threads of one physical core are taken
    together, and one that must be split is one that is split already.

    Args:
        count: how many.
        cores: what the machine has.
        taken: numbers of those that others hold.
        near: NUMA nodes of the run's devices.

    Returns:
        As many as were asked for, or all that are free where those are fewer.
    """
    free: dict[int, list[Core]] = {}
    for core in cores:
        if core.number not in taken:
            free.setdefault(core.physical, []).append(core)
    distance = _Distance([core for each in free.values() for core in each], count, near)
    chosen: list[int] = []
    while free and len(chosen) < count:
        wanted = count - len(chosen)
        physical = min(free, key=lambda each: _cost(each, free[each], wanted, distance))
        got = sorted(free.pop(physical), key=lambda core: core.number)[:wanted]
        distance.drawn[got[0].numa] += len(got)
        chosen.extend(core.number for core in got)
    return tuple(sorted(chosen))


def _cost(
    physical: int, threads: Sequence[Core], wanted: int, distance: "_Distance"
) -> tuple[object, ...]:
    """Least first: how far it is, whether it would be split, how much it gives."""
    split = len(threads) > wanted
    size = len(threads) if split else -len(threads)
    return (*distance.of(threads[0].numa), split, size, physical)


class _Distance:
    """How near the NUMA nodes are to a run."""

    def __init__(self, free: Sequence[Core], count: int, near: Collection[int | None]) -> None:
        self.drawn: Counter[int | None] = Counter()
        self._room = Counter(core.numa for core in free)
        self._near: set[int | None] = set(near) - {None}
        enough = {node: room for node, room in self._room.items() if room >= count}
        if enough and not self._near:
            self._near = {min(enough, key=lambda node: (enough[node], str(node)))}

    def of(self, node: int | None) -> tuple[int, int]:
        """Nodes that are named come first, in turns; then those with the most room."""
        return (0, self.drawn[node]) if node in self._near else (1, -self._room[node])

"""A process of its own that looks at simulated GPUs: the bindings load one library for life."""

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar
from uuid import UUID

import pytest

from infra.errors import BackendError
from infra.gpu.census import find_foreign
from infra.gpu.devices import ForeignProcess, Inventory
from infra.gpu.leases import Journal, Worker
from infra.gpu.lookout import Lookout
from infra.gpu.patrol import Move, Patrol
from infra.gpu.readings import Observation, XidEvent
from infra.gpu.watch import Watch

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

_WATCH: list[Watch] = []
"""The watch of the process that looks; empty everywhere else."""

_PATROLS: dict[str, Patrol] = {}
"""The patrols of the process that looks, by the names of their workers."""


class Told(NamedTuple):
    """What a round has said: events with their device, lines with their run."""

    moves: list[Move]
    events: list[tuple[str, str, dict[str, object]]]
    lines: list[tuple[UUID, str]]
    inventory: Inventory | None

    @property
    def states(self) -> list[str]:
        """How the devices are after it."""
        return [] if self.inventory is None else [each.state for each in self.inventory.devices]


class Heard:
    """Notices that are kept, for a test to read."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, object]]] = []
        self.lines: list[tuple[UUID, str]] = []

    def announce(
        self, event: str, device: str, said: dict[str, object], runs: Iterable[UUID] = ()
    ) -> None:
        """Keep an event."""
        self.events.append((event, device, said | {"runs": list(runs)}))

    def tell(self, run: UUID, message: str, level: int = 0) -> None:
        """Keep a line."""
        self.lines.append((run, message))


class Observer:
    """Looks through the real bindings, where the simulated library is the driver's."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def begin(self, fresh_s: float = 60.0) -> None:
        """Look with new eyes: another session, nothing remembered."""
        self._there(_begin, fresh_s)

    def read(self) -> Observation:
        """What `Watch.read` returns or raises."""
        return self._there(_read)

    def xids(self) -> tuple[XidEvent, ...]:
        """What `Watch.xids` returns."""
        return self._there(_xids)

    def find_foreign(self, groups: Collection[int]) -> dict[str, tuple[ForeignProcess, ...]]:
        """What `find_foreign` finds."""
        return self._there(_find_foreign, groups)

    def round(self, journal: Path, worker: Worker) -> Told:
        """What a round of a worker's patrol says; its patrol lives on to the next."""
        return self._there(_round, journal, worker)

    def _there(
        self, work: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
    ) -> Answer:
        return self._pool.submit(work, *given, **named).result(timeout=60)


@contextmanager
def observing(library: Path, state: Path) -> Iterator[Observer]:
    """An observer of the GPUs that a file describes.

    Args:
        library: the folder of the library that it loads.
        state: the file.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as patch:  # the loader reads it when a process starts
            patch.setenv("LD_LIBRARY_PATH", str(library))
            patch.setenv("SIMULATED_NVML", str(state))
            observer = Observer(pool)
            observer.begin()
        yield observer


def _begin(fresh_s: float) -> None:
    while _WATCH:
        _WATCH.pop().close()
    while _PATROLS:
        _, patrol = _PATROLS.popitem()
        patrol.close()
        patrol.lookout.close()
    _WATCH.append(Watch(fresh_s))


def _read() -> Observation:
    return _WATCH[0].read()


def _xids() -> tuple[XidEvent, ...]:
    return _WATCH[0].xids()


def _find_foreign(groups: Collection[int]) -> dict[str, tuple[ForeignProcess, ...]]:
    return find_foreign(_WATCH[0], groups)[1]


def _round(journal: Path, worker: Worker) -> Told:
    book, heard = Journal(journal), Heard()
    patrol = _PATROLS.get(worker.name)
    if patrol is None:
        patrol = _PATROLS[worker.name] = Patrol(book, worker, Lookout(book), heard)
    patrol.notices = heard
    moves = patrol.once()
    try:
        inventory = patrol.lookout.look().inventory
    except BackendError:
        inventory = None
    return Told(moves, heard.events, heard.lines, inventory)

"""A process of its own that looks at simulated GPUs: the bindings load one library for life."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from infra.gpu.census import find_foreign
from infra.gpu.devices import ForeignProcess
from infra.gpu.readings import Observation, XidEvent
from infra.gpu.watch import Watch

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

_WATCH: list[Watch] = []
"""The watch of the process that looks; empty everywhere else."""


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
    _WATCH.append(Watch(fresh_s))


def _read() -> Observation:
    return _WATCH[0].read()


def _xids() -> tuple[XidEvent, ...]:
    return _WATCH[0].xids()


def _find_foreign(groups: Collection[int]) -> dict[str, tuple[ForeignProcess, ...]]:
    return find_foreign(_WATCH[0], groups)[1]

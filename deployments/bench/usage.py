"""What processes use: CPU seconds of a tree, and its peak of memory."""

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import psutil

_SAMPLE_S = 0.2


def reaped_s(pid: int) -> float:
    """CPU seconds, user and system, of the children of a process that have ended, and of theirs."""
    times = psutil.Process(pid).cpu_times()
    return float(times.children_user + times.children_system)


def tree_s(pid: int) -> float:
    """CPU seconds of a process and everything below it, ended or not.

    What ends moves from a process of its own to the ended children of its parent, so that the sum
    never falls.
    """
    return sum(_whole_s(process) for process in _tree(pid))


def _whole_s(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and both of ended children
    except psutil.NoSuchProcess:
        return 0.0


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Peak:
    """The most memory that the trees below some processes held at one time.

    Proportional sets are added up: of a page that processes share, as those do that were forked
    from one, each counts its part.
    """

    def __init__(self, roots: Iterable[int], *, but: Iterable[int] = ()) -> None:
        self._roots, self._but = tuple(roots), frozenset(but)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            held = 0
            for process in (each for root in self._roots for each in _tree(root)):
                if process.pid not in self._but:
                    held += _held(process)
            self.most_bytes = max(self.most_bytes, held)


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has just ended
        return 0

"""Processes for runs that start at once: kept for the few surroundings that are asked for most."""

import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import psutil
from prefect.logging import get_logger

from infra.warm.children import WarmChild
from infra.warm.nurseries import Nursery
from infra.warm.surroundings import ColdError, Surroundings, module_of

_LEAST_FREE_BYTES: Final = 2**30
"""Of the machine's memory: with less, nothing is imported ahead. An import of all takes half."""

_NOWHERE: Final = "/proc"
"""A folder that is always there, in which there is nothing to import and no file of settings."""


class WarmPool:
    """Forks processes for runs; for each kind of surroundings one process imports, once."""

    def __init__(
        self, most: int, imports: Sequence[str], tasks: anyio.abc.TaskGroup, nowhere: str
    ) -> None:
        self._most, self._imports = most, imports
        self._tasks, self._nowhere = tasks, nowhere
        self._log = get_logger("worker.warm")
        self._nurseries: OrderedDict[Surroundings, Nursery] = OrderedDict()
        self._without: set[str] = set()
        self._failed: dict[Surroundings, str] = {}
        self._seen: set[Surroundings] = set()

    async def child(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path | str | None,
        streams: tuple[int, int],
    ) -> WarmChild:
        """A process that waits for a word to begin with a command.

        Args:
            command: what is to be run.
            environment: its variables.
            folder: where it works, None for where the worker does.
            streams: descriptors for its output and its errors.

        Raises:
            ColdError: it must be started by a new interpreter, and why.
        """
        module = module_of(command, environment)
        place, surroundings = Surroundings.of(environment, folder)
        nursery = self._ready(surroundings)
        work = {
            "module": module,
            "command": command,
            "environment": dict(environment),
            "folder": place,
        }
        return await nursery.fork(*streams, work)

    def end(self) -> None:
        """End every process that imports; runs that have begun live on."""
        for nursery in self._nurseries.values():
            nursery.end()

    def _ready(self, surroundings: Surroundings) -> Nursery:
        """The process that has imported for these surroundings, as they are now.

        Raises:
            ColdError: there is none, or none yet.
        """
        if surroundings in self._failed:
            raise ColdError(self._failed[surroundings])
        nursery = self._nurseries.get(surroundings)
        if nursery is None:
            self._open(surroundings)
            raise ColdError("nothing was imported yet for its environment and folder")
        self._nurseries.move_to_end(surroundings)
        if not nursery.ready:
            raise ColdError("what it needs is still being imported")
        if changed := nursery.changed():
            self._retire(surroundings)
            self._open(surroundings)
            raise ColdError(f"{changed} has changed since it was imported")
        return nursery

    def _open(self, surroundings: Surroundings) -> None:
        """Start to import; where others would have to go for it, only for what comes again."""
        again = surroundings in self._seen
        self._seen.add(surroundings)
        if len(self._nurseries) >= self._most and not again:
            return
        if psutil.virtual_memory().available < _LEAST_FREE_BYTES:
            raise ColdError("the machine has less than 1 GiB of memory left to import ahead")
        while len(self._nurseries) >= self._most:
            self._retire(next(iter(self._nurseries)))
        wanted = self._imports or surroundings.imports
        imports = [each for each in wanted if each not in self._without]
        nursery = Nursery(surroundings, imports, self._nowhere)
        self._nurseries[surroundings] = nursery
        self._tasks.start_soon(self._attend, surroundings, nursery)

    async def _attend(self, surroundings: Surroundings, nursery: Nursery) -> None:
        why = await nursery.listen()
        if self._nurseries.get(surroundings) is not nursery:
            return
        del self._nurseries[surroundings]
        module, _, reason = why.partition(": ")
        if module:
            self._log.warning("%s is not imported ahead of runs: %s.", module, reason)
            self._without.add(module)
            self._open(surroundings)
        elif reason:
            self._failed[surroundings] = f"its imports failed: {reason}"
            self._log.warning("Nothing is imported ahead of some runs: %s", reason)

    def _retire(self, surroundings: Surroundings) -> None:
        self._nurseries.pop(surroundings).retire()


@asynccontextmanager
async def warm_pool(most: int, imports: Sequence[str] = ()) -> AsyncIterator[WarmPool | None]:
    """A pool as long as the block lasts; None where none is wanted or this system has no means.

    Args:
        most: how many kinds of surroundings are kept.
        imports: modules that are imported; by default those that our own flows need.
    """
    if most == 0 or sys.platform != "linux":
        yield None
        return
    async with anyio.create_task_group() as tasks:
        pool = WarmPool(most, imports, tasks, _NOWHERE)
        try:
            yield pool
        finally:
            pool.end()
            tasks.cancel_scope.cancel()

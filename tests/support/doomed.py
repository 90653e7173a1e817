"""Workers that die by SIGKILL at a chosen step: ``python -m tests.support.doomed POOL``.

Each line of its input, ``MODULE:NAME before|after``, is a worker of the pool, of the name ``left``,
forked from this process, which has imported everything and started nothing. It is killed at the
first call of the name. What it ended by is printed.
"""

import asyncio
import functools
import importlib
import inspect
import os
import signal
import sys
from typing import Any

import infra.gpu.asking
import infra.gpu.keeping
import infra.gpu.machine
import infra.gpu.taking  # noqa: F401 - imported once, for all workers
from infra.gpu.worker import GpuProcessWorker


def _work(pool: str, at: str, when: str) -> None:
    module, _, path = at.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    setattr(owner, name, _deadly(getattr(owner, name), when))
    worker = GpuProcessWorker(work_pool_name=pool, name="left")
    asyncio.run(worker.start())


def _deadly(function: Any, when: str) -> Any:  # noqa: ANN401 - any callable
    """The function, but that the process dies before or after its call; coroutines as well."""

    @functools.wraps(function)
    def call(*given: object, **named: object) -> None:
        if when == "after":
            function(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    async def awaited(*given: object, **named: object) -> None:
        if when == "after":
            await function(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return awaited if inspect.iscoroutinefunction(function) else call


def main(pool: str) -> None:
    """Start one worker after another, as they are asked for."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _work(pool, *line.split())
            os._exit(0)
        print("ENDED", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])

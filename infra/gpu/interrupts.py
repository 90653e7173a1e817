"""A worker that can be stopped however it was started, and ends in order.

Prefect's worker answers SIGTERM and SIGINT by putting back what was there before and sending itself
SIGINT. Where a shell started it with ``&`` that was to ignore it: such a one goes on for ever.
Elsewhere it is a KeyboardInterrupt wherever the program happens to be, at which every task of the
event loop is cancelled at once, those that others wait for as well. Here only the worker's own task
is cancelled, and ends what it began from the inside out.
"""

import asyncio
import os
import signal
from functools import partial


def listen() -> None:
    """Let the first SIGINT cancel the task that this is called in, and the next one kill.

    Only where Prefect's own handler stands: a worker inside another program leaves that alone.
    """
    standing, task = signal.getsignal(signal.SIGINT), asyncio.current_task()
    if task is not None and getattr(standing, "__module__", "").startswith("prefect."):
        signal.signal(signal.SIGINT, partial(_interrupted, asyncio.get_running_loop(), task))


def _interrupted(
    loop: asyncio.AbstractEventLoop, task: "asyncio.Task[object]", *_signal: object
) -> None:
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    loop.call_soon_threadsafe(task.cancel)

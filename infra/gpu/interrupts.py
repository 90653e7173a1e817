"""A worker that can be stopped however it was started.

A shell that starts a program with ``&`` has it ignore Ctrl-C. Prefect's worker answers SIGTERM and
SIGINT by putting back what was there before and sending itself SIGINT: such a one goes on for ever.
"""

import os
import signal
from types import FrameType


def listen() -> None:
    """Let the first SIGINT end this process as Ctrl-C does, and the next one at once.

    Only where Prefect's own handler stands: a worker inside another program leaves that alone.
    """
    standing = signal.getsignal(signal.SIGINT)
    if getattr(standing, "__module__", "").startswith("prefect."):
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    signal.default_int_handler(number, frame)

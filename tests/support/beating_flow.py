"""A flow that tells what its process is given, and one that runs until it is ended."""

import json
import os
import signal
import time
from pathlib import Path

from prefect import flow


@flow(name="beating")
def beating(target: str, seconds: float = 0.0) -> None:
    """Write what this process knows of its stack, then stay for a while."""
    from infra.addresses import addresses

    facts = {
        "pid": os.getpid(),
        "marker": os.environ.get("PERENNIAL_STACK"),
        "addresses": addresses().model_dump(),
        "interruptible": signal.getsignal(signal.SIGINT) is not signal.SIG_IGN,
        "telemetry": os.environ.get("DO_NOT_TRACK"),
    }
    Path(target).write_text(json.dumps(facts))
    time.sleep(seconds)

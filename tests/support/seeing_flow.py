"""A flow that tells what its process is given, and stays until it is let go.

With ``LOCKS`` it locks each of its devices there meanwhile: whoever else has one fails.
"""

import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import IO

from prefect import flow

from infra.gpu.record import own_hardware


@flow(name="seeing")
def seeing(report: str, until: str = "") -> None:
    """Write what this process and a child of it see, then wait until a file is there."""
    locked = [_locked(uuid) for uuid in os.environ["CUDA_VISIBLE_DEVICES"].split(",")]
    facts = {"pid": os.getpid(), "group": os.getpgid(0), "environment": dict(os.environ)}
    hardware = own_hardware()
    facts["hardware"] = hardware and hardware.model_dump(mode="json")
    if saved := os.environ.get("SAVE_TO"):
        signal.signal(signal.SIGUSR1, lambda *_: Path(saved).touch())
    told = Path(f"{report}.part")
    told.write_text(json.dumps(facts))
    told.rename(report)
    while until and not Path(until).exists():
        time.sleep(0.05)
    for lock in filter(None, locked):
        lock.close()


def _locked(uuid: str) -> IO[bytes] | None:
    """A device that nobody else has locked; None where nobody locks any."""
    if not (folder := os.environ.get("LOCKS")):
        return None
    lock = (Path(folder) / uuid).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock

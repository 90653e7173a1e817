"""A flow that uses its devices as a CUDA process does, and checks that they are those it asked."""

import fcntl
import os
import time
from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.runtime import flow_run

from tests.support.nvml.gpus import SimulatedGpu, SimulatedGpus

_USED = 0.95
"""The rest is the framework's own; so two that book a device together exceed it for certain."""


@flow(name="storming")
def storming(
    asked: int, part: float, memory: int, profile: str, folder: str, hold_s: float
) -> None:
    """Be on the devices for a while.

    Args:
        asked: how many devices there must be.
        part: how much of each is used, where no bytes are said.
        memory: bytes of each that are used, 0 for a part.
        profile: what a slice must be called; empty for whole devices and parts of them.
        folder: where a run leaves a trace.
        hold_s: seconds on the devices.
    """
    run = UUID(str(flow_run.id))
    trace = (Path(folder) / f"{run}").open("a", encoding="utf-8")
    with trace:
        try:
            fcntl.flock(trace, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (Path(folder) / f"{run}.twice").touch()
            raise
        trace.write("began\n")
        trace.flush()
        gpus = _visible()
        assert len(gpus) == asked, (asked, os.environ["CUDA_VISIBLE_DEVICES"])
        assert all(profile in gpu.state.name.decode() for gpu in gpus)
        assert all(bool(gpu.state.parent) is bool(profile) for gpu in gpus)
        for gpu in gpus:
            gpu.run(os.getpid(), int((memory or gpu.state.total * part) * _USED))
        time.sleep(hold_s)
        for gpu in gpus:
            gpu.leave(os.getpid())
        trace.write("ended\n")


def _visible() -> list[SimulatedGpu]:
    """The devices that CUDA would show, in its order."""
    words = os.environ["CUDA_VISIBLE_DEVICES"]
    there = {gpu.uuid: gpu for gpu in SimulatedGpus(Path(os.environ["SIMULATED_NVML"])).gpus()}
    return [] if words == "-1" else [there[word] for word in words.split(",")]

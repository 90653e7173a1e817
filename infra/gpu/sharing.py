"""What this machine has to hold several runs to their parts of one device, strongest first."""

import os
import re
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic

import psutil
from pydantic import BaseModel, ConfigDict

from infra.errors import ConfigError
from infra.processes import ProcessIdentity, variable
from infra.resources import Enforcement

_CONTROL = "nvidia-cuda-mps-control"
_PIPES = "CUDA_MPS_PIPE_DIRECTORY"
_DEFAULT_PIPES = "/tmp/nvidia-mps"  # noqa: S108 - where NVIDIA's daemon puts it
_ANSWER_S = 5.0
_FRESH_S = 60.0
"""Devices are looked at several times a second, the daemon is asked so often."""

_PARTS_SINCE = (7, 0)
"""Compute capability from which MPS limits what a client takes. Source: NVIDIA, MPS, Volta MPS."""

_CAPS_SINCE = (2, 13)
"""The torch that was read: ``per_process_memory_fraction`` is one of its allocator's settings.

Source: c10/cuda/CUDAAllocatorConfig.h of torch 2.13.0; pull request 161035 of pytorch/pytorch. An
older one that does not know the setting refuses it when CUDA starts.
"""


class MpsDaemon(BaseModel):
    """The control daemon of MPS that answers: its process, its pipes, and the devices it serves.

    `devices` is empty where it serves all, or where this user may not read which.
    """

    model_config = ConfigDict(frozen=True)

    process: ProcessIdentity
    pipes: Path
    devices: tuple[str, ...] = ()

    def serves(self, uuid: str) -> bool:
        """Whether clients on a device go through it; it may name one by its UUID's beginning."""
        return not self.devices or any(uuid.startswith(each) for each in self.devices)


def limits(uuid: str, capability: tuple[int, int]) -> tuple[Enforcement, ...]:
    """What can hold runs to their parts of a whole device on this machine now.

    Args:
        uuid: the device.
        capability: its compute capability.
    """
    daemon = mps_daemon()
    served = daemon is not None and capability >= _PARTS_SINCE and daemon.serves(uuid)
    means: list[Enforcement] = ["mps"] if served else []
    if torch_caps_itself():
        means.append("torch")
    return (*means, "advisory")


def mps_daemon() -> MpsDaemon | None:
    """The daemon that clients of this process's environment would find, None where none answers.

    Its pid file names it, its command line is NVIDIA's, and it is asked once a minute.

    Source:
        NVIDIA, Multi-Process Service, "nvidia-cuda-mps-control": the pid file lies in
        ``CUDA_MPS_PIPE_DIRECTORY``, by default ``/tmp/nvidia-mps``.
    """
    pipes = Path(os.environ.get(_PIPES) or _DEFAULT_PIPES)
    try:
        process = ProcessIdentity.of(int((pipes / f"{_CONTROL}.pid").read_text("utf-8")))
        command = psutil.Process(process.pid).cmdline()
    except (OSError, ValueError, ConfigError, psutil.Error):  # none, or one that has ended
        return None
    if not any(Path(word).name == _CONTROL for word in command[:2]):
        return None
    return _asked(process, pipes, int(monotonic() / _FRESH_S))


@lru_cache(maxsize=1)
def _asked(process: ProcessIdentity, pipes: Path, _when: int) -> MpsDaemon | None:
    try:
        subprocess.run(
            [_CONTROL],
            input=b"get_server_list\n",
            env={**os.environ, _PIPES: str(pipes)},
            capture_output=True,
            check=True,
            timeout=_ANSWER_S,
        )
        visible = variable(psutil.Process(process.pid), "CUDA_VISIBLE_DEVICES") or ""
    except (OSError, subprocess.SubprocessError, psutil.Error):
        return None
    named = [word.strip() for word in visible.split(",")]
    # Numbers would have to be counted as the daemon counts: only UUIDs say for certain which.
    return MpsDaemon(process=process, pipes=pipes, devices=tuple(each for each in named if each))


@lru_cache(maxsize=1)
def torch_caps_itself() -> bool:
    """Whether this interpreter, which is that of the runs, has a torch that takes a cap."""
    try:
        found = re.match(r"(\d+)\.(\d+)", version("torch"))
    except PackageNotFoundError:
        return False
    return found is not None and (int(found[1]), int(found[2])) >= _CAPS_SINCE

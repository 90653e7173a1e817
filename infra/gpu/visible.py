"""What this process sees of the machine's GPUs, held against its lease before it trains.

Light to import: every process that trains imports it.
"""

import json
import os
import subprocess
import sys
from ctypes import CDLL
from functools import lru_cache
from pathlib import Path

from infra.errors import BackendError, IntegrityError, few

LEASE = "PERENNIAL_LEASE"
"""The lease that a process belongs to: every process below a run carries it."""

JOURNAL = "PERENNIAL_LEASES"
"""Where the lease stands: each journal counts its leases for itself."""

DEVICES = "PERENNIAL_LEASE_DEVICES"
"""The UUIDs that a process of the lease must see, neither more nor fewer."""

VISIBLE = "CUDA_VISIBLE_DEVICES"

_DRIVER = "libcuda.so.1"
_LOOKING = Path(__file__).with_name("looking.py")
_ANSWER_S = 60.0
"""A GPU that nobody keeps awake takes seconds to start."""


def check_devices() -> tuple[str, ...]:
    """The devices that CUDA gives this process: exactly those of its lease, in any order.

    Without a lease there is nothing to hold to, and nobody is asked. A process asks once.

    Raises:
        IntegrityError: it sees more, fewer or others.
        BackendError: it has a lease of devices, and CUDA does not start.
    """
    return _checked(os.getpid()) if LEASE in os.environ else ()


@lru_cache(maxsize=1)
def _checked(_process: int) -> tuple[str, ...]:
    leased = tuple(filter(None, os.environ.get(DEVICES, "").split(",")))
    seen = _seen(needed=bool(leased))
    if {_bare(each) for each in seen} == {_bare(each) for each in leased}:
        return leased
    raise IntegrityError(
        f"Lease {os.environ[LEASE]} is of {few(leased) or 'no GPU'}; this process sees "
        f"{few(seen) or 'none'}. It trains nothing.",
        hint=f"{VISIBLE} is {os.environ.get(VISIBLE)!r} here: see what changed it below the run, "
        "and leave it as the lease has set it.",
    )


def _seen(*, needed: bool) -> tuple[str, ...]:
    """What torch has found, if it has looked already; else what CUDA finds with this environment.

    CUDA is asked in a process of its own: one that has started it can no longer fork.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        there = range(torch.cuda.device_count())
        return tuple(f"GPU-{torch.cuda.get_device_properties(each).uuid}" for each in there)
    try:
        CDLL(_DRIVER)
    except OSError:
        return ()
    asked = [sys.executable, "-I", "-S", str(_LOOKING), _DRIVER]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=_ANSWER_S)
    except subprocess.SubprocessError as error:
        if not needed:  # what does not start shows nothing
            return ()
        said = getattr(error, "stderr", None) or str(error)
        raise BackendError(
            f"CUDA does not start: {' '.join(said.split())}",
            hint="Run `nvidia-smi` on the machine; a run that is started again may go elsewhere.",
        ) from error
    return tuple(json.loads(done.stdout))


def _bare(uuid: str) -> str:
    """A UUID without what it is of: CUDA gives the number alone.

    >>> _bare("GPU-8932F937")
    '8932f937'
    """
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-")

"""Whether a device would do for a run if nobody else were there, and if not, why."""

from collections.abc import Callable

from infra.gpu.devices import Device
from infra.resources import RunRequest

_Reason = Callable[[RunRequest, Device], str | None]


def mismatch(request: RunRequest, device: Device) -> str | None:
    """Why a device would not do even if it were free, None if it would."""
    return next((why for check in _CHECKS if (why := check(request, device))), None)


def _wrong_kind(request: RunRequest, device: Device) -> str | None:
    if request.profile and device.profile != request.profile:
        return f"is no slice {request.profile}"
    if not request.profile and device.profile:
        return f"is a MIG slice ({device.profile}), not a whole device"
    return None


def _wrong_model(request: RunRequest, device: Device) -> str | None:
    wanted = request.gpu_model
    if wanted and wanted.casefold() not in device.name.casefold():
        return f"is no {wanted}"
    return None


def _too_old(request: RunRequest, device: Device) -> str | None:
    wanted = request.compute_capability
    if wanted and device.capability < wanted:
        return f"has compute capability {_dotted(device.capability)}, below {_dotted(wanted)}"
    return None


def _too_small(request: RunRequest, device: Device) -> str | None:
    if request.gpu_memory and device.memory_bytes < request.gpu_memory:
        return f"has {gib(device.memory_bytes)}, less than {gib(request.gpu_memory)}"
    return None


def _not_enforced(request: RunRequest, device: Device) -> str | None:
    shared = not request.alone and request.profile is None
    if shared and device.strongest == "advisory" and not request.accept_advisory:
        return "has nothing that would hold a run to its part (no MPS, no MIG, no torch)"
    return None


_CHECKS: tuple[_Reason, ...] = (_wrong_kind, _wrong_model, _too_old, _too_small, _not_enforced)


def gib(size: int) -> str:
    """Bytes for people.

    >>> gib(12 * 2**30)
    '12 GiB'
    """
    return f"{size / 2**30:.4g} GiB"


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"

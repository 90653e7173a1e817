"""The environment of a run: the devices of its lease, its part of each, and its thread pools."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from infra.errors import ResourceError
from infra.gpu.belonging import marks
from infra.gpu.devices import Inventory
from infra.gpu.leases import Lease
from infra.gpu.sharing import MpsDaemon
from infra.gpu.visible import DEVICES, VISIBLE
from infra.threads import POOLS

NOTHING = "-1"
"""Hides every device.

CUDA sees none where the list begins with an index that is not there; an empty text hides all of
them too, but many libraries take it for a variable that is not set, and dask-cuda for an error.

Source: CUDA Programming Guide, CUDA Environment Variables; torch 2.13.0, numba 0.68.1 and dask-cuda
26.10.0, tried with both.
"""

_DASK_LOOKS = "DASK_DISTRIBUTED__DIAGNOSTICS__NVML"
"""Dask asks the driver for the first visible device, and does not start where that is ``-1``."""

_TORCH = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
"""Names of one setting: torch takes the first that is set, old ones know only that."""

_CAP = "per_process_memory_fraction"
_CAP_SET = re.compile(rf",?\s*{_CAP}\s*:[^,]*")
_CAP_STEPS = 10_000
_MIB = 2**20


def environment(
    lease: Lease,
    inventory: Inventory | None,
    journal: Path,
    given: Mapping[str, str],
    daemon: MpsDaemon | None,
) -> dict[str, str]:
    """What a run's processes see beside what they see anyway; it stands above all other words.

    Args:
        lease: what the run holds.
        inventory: the machine, with the lease's devices; a lease of none needs none.
        journal: where the lease stands.
        given: what the deployment sets itself. Its sizes of thread pools and torch's other
            settings stay; which devices it sees and what of them it may take is the lease's.
        daemon: the MPS daemon of the machine.

    Raises:
        ResourceError: the lease counts on MPS, and its daemon has gone since.
    """
    held = lease.grant.holdings
    uuids = ",".join(each.uuid for each in held)
    chosen = {
        **{pool: given.get(pool, str(cpus)) for pool in POOLS if (cpus := lease.grant.cpus)},
        VISIBLE: uuids or NOTHING,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        DEVICES: uuids,
        **marks(journal, lease),
    }
    if not held:
        chosen[_DASK_LOOKS] = given.get(_DASK_LOOKS, "False")
    shared = {each.enforcement for each in held if not each.alone}
    if "mps" in shared:
        chosen |= _mps(lease, daemon)
    if "torch" in shared and inventory is not None:
        chosen |= _torch(lease, inventory, given)
    return chosen


def overridden(given: Mapping[str, str], chosen: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that a deployment sets and that are the lease's to set."""
    return tuple(sorted(name for name, value in given.items() if chosen.get(name, value) != value))


def _mps(lease: Lease, daemon: MpsDaemon | None) -> dict[str, str]:
    """A client's limits; devices are counted as the client sees them.

    Source: NVIDIA, Multi-Process Service, CUDA_MPS_PINNED_DEVICE_MEM_LIMIT (``0=1G,1=512MB``). By
    UUID the daemon does not heed it: pull request 572 of NVIDIA/k8s-device-plugin.
    """
    if daemon is None:
        raise ResourceError(
            f"Lease {lease.id} counts on MPS, whose daemon does not answer any more.",
            hint="Start the run again: it is held by what there is then, or refused.",
        )
    held = lease.grant.holdings
    part = min(each.share for each in held)
    memory = (f"{place}={each.memory_bytes // _MIB}M" for place, each in enumerate(held))
    return {
        "CUDA_MPS_PIPE_DIRECTORY": str(daemon.pipes),
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(max(1, math.floor(part * 100))),
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": ",".join(memory),
    }


def _torch(lease: Lease, inventory: Inventory, given: Mapping[str, str]) -> dict[str, str]:
    """Torch's other settings as they were given, and the cap.

    It is one number for all devices: the smallest part of those that are held.
    """
    sizes = {device.uuid: device.memory_bytes for device in inventory.devices}
    part = min(
        each.memory_bytes / sizes.get(each.uuid, each.memory_bytes / each.share)
        for each in lease.grant.holdings
    )
    cap = f"{_CAP}:{max(1, math.floor(part * _CAP_STEPS)) / _CAP_STEPS}"
    before = next((given[name] for name in _TORCH if given.get(name)), "")
    kept = _CAP_SET.sub("", before).strip(", ")
    return dict.fromkeys(_TORCH, f"{kept},{cap}" if kept else cap)

"""The hardware that a run had, as its record of reproducibility wants it: a run reads its own."""

import os
import socket
import sys
from pathlib import Path

from infra.gpu.baselines import Tables
from infra.gpu.bounds import Bounds
from infra.gpu.courses import Course
from infra.gpu.devices import Inventory
from infra.gpu.leases import Decision, Journal, Lease
from infra.gpu.visible import JOURNAL, LEASE
from infra.hardware import DeviceRecord, Hardware


def note_hardware(
    decision: Decision, lease: Lease, inventory: Inventory | None, bounds: Bounds
) -> None:
    """Keep what a lease's run has, once it is known for certain what holds it.

    Args:
        decision: the journal, to this worker alone.
        lease: what the run holds.
        inventory: the machine; None where the driver was not asked, for a run without GPUs.
        bounds: what holds the run to its part.
    """
    hardware = Hardware(
        machine=socket.gethostname(),
        driver=inventory.driver if inventory else "",
        cuda=inventory.cuda if inventory else "",
        devices=tuple(_devices(inventory, bounds)) if inventory else (),
        cpu_count=bounds.cpu_count,
        cpus=bounds.cpus,
        memory_bytes=bounds.memory_bytes,
        memory=bounds.memory,
    )
    values = (lease.id, hardware.model_dump_json())
    decision.change("INSERT OR REPLACE INTO records VALUES (?, ?)", *values)


def hardware_of(tables: Tables, lease: int) -> Hardware | None:
    """What the run of a lease has, with whom it shared it until now; None where nobody noted it."""
    rows = tables.rows("SELECT record FROM records WHERE lease = ?", lease)
    if not rows:
        return None
    noted = Hardware.model_validate_json(rows[0][0])
    found = tables.rows("SELECT device, course FROM courses WHERE lease = ?", lease)
    shared = {uuid: Course.model_validate_json(text).co_tenants for uuid, text in found}
    devices = tuple(
        each.model_copy(update={"co_tenants": shared.get(each.uuid, 0)}) for each in noted.devices
    )
    return noted.model_copy(update={"devices": devices})


def forget_hardware(decision: Decision, lease: Lease) -> None:
    """The lease has ended; what it had stands in the run's own record."""
    decision.change("DELETE FROM records WHERE lease = ?", lease.id)


def own_hardware() -> Hardware | None:
    """What this process's run has; None where it runs without a lease.

    Raises:
        ConfigError: the journal cannot be read.
        IntegrityError: the journal is damaged.
    """
    lease, journal = os.environ.get(LEASE, ""), os.environ.get(JOURNAL, "")
    if not (lease.isdigit() and journal):
        return None
    found = hardware_of(Journal.existing(Path(journal)), int(lease))
    return found and found.model_copy(update={"cudnn": _cudnn()})


def _devices(inventory: Inventory, bounds: Bounds) -> list[DeviceRecord]:
    found = []
    for bound in bounds.devices:
        device = inventory.device(bound.uuid)
        if device is not None:
            found.append(
                DeviceRecord(
                    uuid=device.uuid,
                    name=device.name,
                    memory_bytes=device.memory_bytes,
                    capability=device.capability,
                    profile=device.profile,
                    share=bound.share,
                    held_bytes=bound.memory_bytes,
                    by=bound.by,
                )
            )
    return found


def _cudnn() -> str:
    """The version that this process's torch computes with; torch is not imported for it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return ""
    version = torch.backends.cudnn.version()
    return "" if version is None else str(version)

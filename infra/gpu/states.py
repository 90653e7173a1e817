"""What keeps a device from being leased, laid over an inventory."""

from collections.abc import Mapping, Sequence

from infra.errors import few
from infra.gpu.devices import Device, ForeignProcess, Inventory
from infra.gpu.health import Health


def stated(
    inventory: Inventory,
    health: Mapping[str, Health],
    foreign: Mapping[str, Sequence[ForeignProcess]],
) -> Inventory:
    """The inventory with the state of each device, and why.

    A device that is not ``ok`` already stays as it is; ill health is told before company.

    Args:
        inventory: what the driver says there is.
        health: verdicts by UUID of the whole GPU; its slices share it.
        foreign: processes that are not ours, by UUID of the device.
    """
    return inventory.model_copy(
        update={"devices": tuple(_stated(each, health, foreign) for each in inventory.devices)}
    )


def _stated(
    device: Device,
    health: Mapping[str, Health],
    foreign: Mapping[str, Sequence[ForeignProcess]],
) -> Device:
    if device.state != "ok":
        return device
    verdict = health.get(device.parent or device.uuid, Health())
    if verdict.action != "ok":
        needs = "needs a reset" if verdict.action == "reset" else "is drained"
        return device.model_copy(update={"state": "unhealthy", "why": f"{needs}: {verdict.why}"})
    if there := foreign.get(device.uuid):
        return device.model_copy(update={"state": "occupied", "why": few(list(there), most=3)})
    return device

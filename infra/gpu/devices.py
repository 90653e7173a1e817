"""What a machine has: devices by UUID, how they are linked, how they are."""

from enum import IntEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.gpu.cores import Core
from infra.resources import Enforcement


class Link(IntEnum):
    """How near two devices are; a larger one carries more.

    The names are those of the driver's topology levels, an NVLink above all of them. A bonded
    set of links counts one step more for each link (`Inventory.between`).
    """

    SYSTEM = 0
    NODE = 1
    HOSTBRIDGE = 2
    SWITCHES = 3
    SWITCH = 4
    BOARD = 5
    NVLINK = 6


class ForeignProcess(BaseModel):
    """A process on a device that no lease of ours explains.

    `user` and `command` are empty where the process cannot be seen from here (another container,
    another user's on a machine that hides them); `memory_bytes` is None where the driver does not
    say.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    user: str = ""
    command: str = ""
    memory_bytes: int | None = None

    def __str__(self) -> str:
        memory = "" if self.memory_bytes is None else f", {self.memory_bytes / 2**30:.4g} GiB"
        if not self.command:
            return f"pid {self.pid}, unseen here{memory}"
        return f"{self.command} of {self.user} (pid {self.pid}{memory})"


class Device(BaseModel):
    """One thing that can be leased: a whole GPU, or one MIG slice of a GPU.

    `state` is what keeps it from being leased, ``ok`` when nothing does; `why` says it in words.
    """

    model_config = ConfigDict(frozen=True)

    uuid: str
    name: str
    memory_bytes: int = Field(gt=0)
    capability: tuple[int, int] = (0, 0)
    bus: str = ""
    numa: int | None = None
    profile: str | None = None
    parent: str | None = None
    state: Literal["ok", "occupied", "unhealthy", "quarantined"] = "ok"
    why: str = ""
    limits: tuple[Enforcement, ...] = ("advisory",)

    @property
    def strongest(self) -> Enforcement:
        """The strongest means that holds several runs to their parts of this device."""
        return self.limits[0]


class Inventory(BaseModel):
    """The devices of one machine at one time, in PCI order, and the links between them.

    `links` holds each linked pair once, its UUIDs sorted; a pair that is not there meets at the
    system only. The value is `Link` plus the number of NVLinks beyond the first. `cpus` and
    `memory_bytes` are what runs may have of the machine itself; `cores` are those that runs can be
    bound to, at least `cpus` of them, none where that is not known; `cuda` is the newest version
    that the driver carries.
    """

    model_config = ConfigDict(frozen=True)

    cpus: int = Field(ge=1)
    memory_bytes: int = Field(gt=0)
    cores: tuple[Core, ...] = ()
    devices: tuple[Device, ...] = ()
    links: dict[tuple[str, str], int] = Field(default_factory=dict)
    driver: str = ""
    cuda: str = ""

    def device(self, uuid: str) -> Device | None:
        """The device of a UUID, None where it is not there."""
        return next((each for each in self.devices if each.uuid == uuid), None)

    def between(self, one: Device, other: Device) -> int:
        """How near two devices are: a `Link`, or more with several NVLinks."""
        first, second = sorted((one.uuid, other.uuid))
        return self.links.get((first, second), int(Link.SYSTEM))

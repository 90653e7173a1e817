"""What the machines of a pool could ever give: told to each other, so that nobody waits in vain."""

import socket
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.exceptions import ObjectAlreadyExists
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import ResourceError, few
from infra.gpu.devices import Device, Inventory
from infra.gpu.placement import Impossible, place
from infra.resources import Enforcement, RunRequest

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import Variable

PREFIX: Final = "perennial_machine_"
"""What the names of the machines' variables begin with; journal and pool follow."""

COUNTS: Final = timedelta(hours=1)
"""So long after it was seen a machine counts as one of its pool: it may be restarting."""

_RENEWED: Final = timedelta(minutes=10)


class Kind(BaseModel):
    """Devices of one kind, and how many."""

    model_config = ConfigDict(frozen=True)

    name: str
    memory_bytes: int
    capability: tuple[int, int]
    profile: str | None = None
    limits: tuple[Enforcement, ...] = ("advisory",)
    count: int = 1

    def devices(self, prefix: str) -> Iterable[Device]:
        """As many devices that stand for those that there are."""
        facts = self.model_dump(exclude={"count"})
        return (Device(uuid=f"{prefix}.{number}", **facts) for number in range(self.count))


class Offer(BaseModel):
    """What a machine could give if it were empty and well."""

    model_config = ConfigDict(frozen=True)

    cpus: int
    memory_bytes: int
    kinds: tuple[Kind, ...] = ()

    @classmethod
    def of(cls, inventory: Inventory) -> "Offer":
        """What an inventory comes to."""
        kinds = Counter(
            Kind(
                name=each.name,
                memory_bytes=each.memory_bytes,
                capability=each.capability,
                profile=each.profile,
                limits=each.limits,
            )
            for each in inventory.devices
        )
        return cls(
            cpus=inventory.cpus,
            memory_bytes=inventory.memory_bytes,
            kinds=tuple(kind.model_copy(update={"count": n}) for kind, n in kinds.items()),
        )

    def holds(self, other: "Offer") -> bool:
        """Whether another offer is no more than this one."""
        mine = {kind.model_copy(update={"count": 1}): kind.count for kind in self.kinds}
        return (
            other.cpus <= self.cpus
            and other.memory_bytes <= self.memory_bytes
            and all(
                kind.count <= mine.get(kind.model_copy(update={"count": 1}), 0)
                for kind in other.kinds
            )
        )

    def lacks(self, request: RunRequest) -> str:
        """Why the machine could never do what is asked; empty where it could."""
        devices = tuple(
            device
            for number, kind in enumerate(self.kinds)
            for device in kind.devices(f"{kind.name} {number}")
        )
        empty = Inventory(cpus=self.cpus, memory_bytes=self.memory_bytes, devices=devices)
        found = place(request, empty, [])
        return found.why if isinstance(found, Impossible) else ""


class Told(BaseModel):
    """A machine of a pool, as it was when it was seen last."""

    pool: str
    worker: str
    host: str
    seen: datetime
    offer: Offer


class Neighbours:
    """The machines of a pool, known to each other by one variable of Prefect's for each."""

    def __init__(self, client: "PrefectClient", pool: str, worker: str, journal: str) -> None:
        self._client, self._pool, self._worker = client, pool, worker
        self._name = f"{PREFIX}{journal}_{sha256(pool.encode()).hexdigest()[:6]}"
        self._told: Told | None = None

    async def tell(self, inventory: Inventory) -> None:
        """Let the others know what this machine could give, when it is news or some time ago."""
        offer, now, last = Offer.of(inventory), datetime.now(UTC), self._told
        if last is not None:
            # A device that is gone may be back in a moment: what was there counts for a while.
            enough = _RENEWED if last.offer == offer else COUNTS
            if abs(now - last.seen) < enough and last.offer.holds(offer):
                return
        told = Told(
            pool=self._pool, worker=self._worker, host=socket.gethostname(), seen=now, offer=offer
        )
        value = told.model_dump(mode="json", exclude_defaults=True)
        try:
            await self._client.create_variable(VariableCreate(name=self._name, value=value))
        except ObjectAlreadyExists:
            await self._client.update_variable(VariableUpdate(name=self._name, value=value))
        self._told = told

    async def why_never(self, request: RunRequest, here: str) -> ResourceError | None:
        """Why no machine of the pool could ever do what is asked; None where one could.

        Args:
            request: what this machine cannot do.
            here: why it cannot.
        """
        others = []
        for told in await self._machines():
            if not (lacks := told.offer.lacks(request)):
                return None
            if (told.host, lacks) != (socket.gethostname(), here):  # this one as it was before
                others.append(f"{told.host}: {lacks}")
        machines = f" Nor could the others: {few(sorted(set(others)), most=3)}" if others else ""
        return ResourceError(
            f"No machine of the pool {self._pool} could ever run it. {here}{machines}",
            hint="Ask for less, or start a worker of the pool on a machine that has it, and run "
            "it again.",
        )

    async def _machines(self) -> list[Told]:
        """The machines of the pool that were seen lately, this one as it was before included."""
        told = machines(await self._client.read_variables())
        return [each for each in told if each.pool == self._pool]


def machines(variables: "Iterable[Variable]") -> list[Told]:
    """The machines of every pool that were seen lately, by what they have told."""
    found = []
    for variable in variables:
        if not variable.name.startswith(PREFIX):
            continue
        try:
            told = Told.model_validate(variable.value)
        except ValidationError:  # of another version: it says nothing that counts here
            continue
        if abs(datetime.now(UTC) - told.seen) < COUNTS:
            found.append(told)
    return sorted(found, key=lambda each: (each.host, each.pool))

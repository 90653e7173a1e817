"""What holds a run to its part of the machine, and what that does not hold: for log and record."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from infra.gpu.placement import Holding
from infra.gpu.suitability import gib

_DEVICE: Final = {
    "alone": "nobody else is on it",
    "mig": "the hardware holds it to its slice",
    "mps": "MPS holds each process to it",
    "torch": "torch holds itself to it, each process for itself; other libraries are not held",
    "advisory": "nothing holds it to that",
}
_CPUS: Final = {
    "cpuset": "by cpuset",
    "quota": "by affinity and a quota",
    "affinity": "by affinity, which a process can change",
    "": "by nothing",
}
_MEMORY: Final = {
    "cgroup v2": "by a control group",
    "cgroup v1": "by a control group",
    "rlimit": "by rlimit, for each process of its own",
    "": "by nothing",
}


class DeviceBound(BaseModel):
    """What holds a run to its part of one device."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    by: Literal["alone", "mig", "mps", "torch", "advisory"]
    memory_bytes: int
    share: float

    @classmethod
    def of(cls, holding: Holding) -> "DeviceBound":
        """The bound of what is held; a whole device that nobody shares needs none."""
        whole = holding.alone and holding.enforcement != "mig"
        return cls(
            uuid=holding.uuid,
            by="alone" if whole else holding.enforcement,
            memory_bytes=holding.memory_bytes,
            share=holding.share,
        )

    def __str__(self) -> str:
        return f"{self.uuid} ({gib(self.memory_bytes)}; {_DEVICE[self.by]})"


class Bounds(BaseModel):
    """What holds a run: JSON of it belongs into the run's record, the sentence onto its log.

    `cores` are numbers; `why` says what keeps the machine from holding it better; `overridden` are
    the variables that the deployment set and that are the lease's to set.
    """

    model_config = ConfigDict(frozen=True)

    lease: int
    devices: tuple[DeviceBound, ...] = ()
    cpus: Literal["cpuset", "quota", "affinity", ""]
    cpu_count: int
    cores: tuple[int, ...] = ()
    memory: Literal["cgroup v2", "cgroup v1", "rlimit", ""]
    memory_bytes: int
    why: str = ""
    overridden: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        devices = ", ".join(map(str, self.devices)) or "no GPU"
        why = f" No control group holds it: {self.why}." if self.why else ""
        said = (
            f" What the deployment says in {', '.join(self.overridden)} gave way to the lease."
            if self.overridden
            else ""
        )
        return f"Lease {self.lease}: {devices}; {self._cores()}; {self._memory()}.{why}{said}"

    def _cores(self) -> str:
        if not self.cpu_count:
            return "no cores of its own"
        named = f" ({ranges(self.cores)})" if self.cores else ""
        return f"{self.cpu_count} core{'s' * (self.cpu_count > 1)}{named} {_CPUS[self.cpus]}"

    def _memory(self) -> str:
        if not self.memory_bytes:
            return "no memory kept for it"
        return f"{gib(self.memory_bytes)} of memory {_MEMORY[self.memory]}"


def ranges(numbers: tuple[int, ...]) -> str:
    """Numbers as the kernel lists them.

    >>> ranges((0, 1, 2, 5))
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)

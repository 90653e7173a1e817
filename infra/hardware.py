"""What a run computed on: values for its record."""

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceRecord(_Fact):
    """A device that a run held, and what held the run to its part of it."""

    uuid: str
    name: str
    memory_bytes: int = Field(description="Of the whole device.")
    capability: tuple[int, int]
    profile: str | None = Field(description="MIG profile; null for a whole GPU.")
    share: float = Field(description="The part that the run held; 1 is all of it.")
    held_bytes: int = Field(description="The memory that the run held of it.")
    by: str = Field(description="alone, mig, mps, torch or advisory.")
    co_tenants: int = Field(0, description="The most other runs on it at one time.")


class Hardware(_Fact):
    """What a run computed on."""

    machine: str
    driver: str = Field(description="Empty on a machine without GPUs.")
    cuda: str = Field(description="The newest that the driver carries.")
    cudnn: str = Field("", description="Of the process that trained; empty without torch.")
    devices: tuple[DeviceRecord, ...] = ()
    cpu_count: int = Field(description="Cores of its own; 0 where it shared what there was.")
    cpus: str = Field(description="What held it to them: cpuset, quota, affinity or nothing.")
    memory_bytes: int = Field(description="0 where none was kept for it.")
    memory: str = Field(description="What held it to it: cgroup v2, cgroup v1, rlimit or nothing.")

    @property
    def kind(self) -> str:
        """What another machine would have to be like to compute the same: devices and versions.

        >>> Hardware(machine="a", driver="", cuda="", cpu_count=0, cpus="", memory_bytes=0,
        ...          memory="").kind
        'no GPU'
        """
        counted = Counter(
            f"{each.name}" if each.share == 1 else f"{each.share:g} of {each.name}"
            for each in self.devices
        )
        named = [f"{count} x {name}" for name, count in sorted(counted.items())]
        if not named:
            return "no GPU"
        cudnn = f", cuDNN {self.cudnn}" if self.cudnn else ""
        return f"{', '.join(named)}, driver {self.driver}, CUDA {self.cuda}{cudnn}"

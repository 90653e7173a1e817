"""GPUs that are not there: a test says what they are, the real bindings read them from a driver."""

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import addressof, memset, sizeof
from pathlib import Path
from typing import Literal

from infra.starts import start_of
from tests.support.nvml.layout import DeviceState, Process, State

GIB = 2**30
MIB = 2**20
XID = 0x8
"""The type of an XID event."""

_GPU, _SWITCH = 0, 2
_SYSTEM = 50
_WORD = 2**32 - 1
_KINDS = {"compute": 1, "mps": 2, "graphics": 3}


def ticks(pid: int) -> int | None:
    """When a process started, in the kernel's ticks cut to 32 bits; None where none runs."""
    started = start_of(pid)
    return None if started is None else int(started.rpartition(":")[2]) & _WORD


def lives(process: Process) -> bool:
    """Whether a process on a device is not dead; what a dead one held is free again."""
    if process.elsewhere:
        return True
    return (now := ticks(process.pid)) is not None and process.started in {0, now}


def audited(state: Path) -> Path:
    """The log of every process that comes onto a device or leaves it, written where it exists."""
    return state.with_name(f"{state.name}.log")


class SimulatedGpu:
    """One device: a whole GPU or a slice. `state` holds its numbers, to be read and written."""

    def __init__(self, gpus: "SimulatedGpus", place: int) -> None:
        self._gpus = gpus
        self.place = place

    @property
    def state(self) -> DeviceState:
        """The device as it lies in the file; what is written is answered at the next call."""
        return self._gpus.state.devices[self.place]

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return self.state.uuid.decode()

    def slice(self, profile: str, memory: int | None = None) -> "SimulatedGpu":
        """A MIG slice; the GPU is in MIG mode from then on.

        Args:
            profile: as the driver names it, ``1g.10gb``.
            memory: its bytes, by default what the profile says.
        """
        slices, _, size = profile.partition("g.")
        place = self._gpus.free_place()
        self.state.mig = 1
        made = self._gpus.state.devices[place]
        made.uuid = f"MIG-{self.place:02}-{place:02}".encode()
        made.name = self.state.name + f" MIG {profile}".encode()
        made.parent, made.instance = self.place + 1, place
        made.gpu_slices = made.compute_slices = int(slices)
        made.total = memory or int(size.removesuffix("gb")) * GIB
        made.present = 1
        return SimulatedGpu(self._gpus, place)

    def remove(self) -> None:
        """It is taken out; an open session keeps it as lost."""
        self.state.present = 0

    def fall_off(self) -> None:
        """It no longer answers, though it is still listed."""
        self.state.lost = 1

    def run(
        self,
        pid: int,
        memory: int,
        kind: Literal["compute", "mps", "graphics"] = "compute",
        *,
        elsewhere: bool = False,
    ) -> None:
        """A process uses the device until it is dead.

        Args:
            pid: the process.
            memory: the bytes that it holds.
            kind: by a context of its own, through MPS, or only to draw.
            elsewhere: it is of another process namespace: its end is `leave`.
        """
        with self._gpus.alone():
            places = self.state.processes
            free = next(each for each in places if not each.kind or not lives(each))
            free.pid, free.memory, free.elsewhere = pid, memory, int(elsewhere)
            free.started = 0 if elsewhere else ticks(pid) or 0
            free.kind = _KINDS[kind]
            self._gpus.note(self)

    def leave(self, pid: int) -> None:
        """A process gives back what it holds."""
        with self._gpus.alone():
            for each in self.state.processes:
                if each.pid == pid:
                    each.kind = 0
            self._gpus.note(self)

    def bind(self, other: "SimulatedGpu", links: int = 1) -> None:
        """NVLinks between two devices."""
        for one, far in ((self, other), (other, self)):
            one._wire(links, _GPU, far.state.bus)

    def plug(self, switch: str, links: int = 1) -> None:
        """NVLinks to a switch at a PCI address."""
        self._wire(links, _SWITCH, switch.encode())

    def _wire(self, links: int, kind: int, bus: bytes) -> None:
        free = [each for each in self.state.links if not each.active]
        for each in free[:links]:
            each.kind, each.bus, each.active = kind, bus, 1

    def raise_xid(self, code: int) -> None:
        """The driver reports an XID of the device."""
        with self._gpus.alone():
            state = self._gpus.state
            event = state.events[state.posted % len(state.events)]
            event.type, event.data, event.device = XID, code, self.place + 1
            state.posted += 1


class SimulatedGpus:
    """A machine's driver and its GPUs, in a file that the simulated library maps.

    Several processes may drive one file at the same time; the GPUs lie where the first has put
    them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(file, sizeof(State))
            self.state = State.from_buffer(mmap.mmap(file, sizeof(State)))
        finally:
            os.close(file)
        if self.state.size != sizeof(State):
            self.clear()

    def clear(self) -> None:
        """No devices, no faults, a driver of today."""
        memset(addressof(self.state), 0, sizeof(State))
        for row in self.state.topology:
            row[:] = [_SYSTEM] * len(row)
        self.state.driver, self.state.cuda = b"580.95.05", 13000
        self.state.size = sizeof(State)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile."""
        with self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def note(self, gpu: SimulatedGpu) -> None:
        """Log who is on a device now, where somebody wants to know; `alone` is entered."""
        log = audited(self.path)
        if not log.exists():
            return
        there = [each for each in gpu.state.processes if each.kind and lives(each)]
        line = {
            "device": gpu.uuid,
            "total": gpu.state.total,
            "processes": [[each.pid, each.started, each.memory] for each in there],
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def free_place(self) -> int:
        """The first place in the table that no device has."""
        return next(
            place
            for place, each in enumerate(self.state.devices)
            if not each.present and not each.uuid
        )

    def add(
        self,
        name: str = "NVIDIA H100 80GB HBM3",
        *,
        memory: int = 80 * GIB,
        numa: int | None = 0,
        capability: tuple[int, int] = (9, 0),
    ) -> SimulatedGpu:
        """A healthy GPU at the next place of the bus; 512 MiB of its memory are reserved."""
        place = self.free_place()
        made = self.state.devices[place]
        made.uuid = f"GPU-{place:02}".encode()
        made.name, made.bus = name.encode(), f"0:{place + 1:x}:0".encode()
        made.major, made.minor = capability
        made.numa = 0 if numa is None else numa + 1
        made.total, made.reserved = memory, 512 * MIB
        made.width = made.width_most = 16
        made.temperature = 35
        made.present = 1
        return SimulatedGpu(self, place)

    def gpus(self) -> list[SimulatedGpu]:
        """The devices that are there, slices too."""
        there = enumerate(self.state.devices)
        return [SimulatedGpu(self, place) for place, each in there if each.present]

    def meet(self, one: SimulatedGpu, other: SimulatedGpu, level: int) -> None:
        """Where two devices meet, by the driver's number: 10 one switch, 40 one NUMA node."""
        self.state.topology[one.place][other.place] = level
        self.state.topology[other.place][one.place] = level

    def fail(self, function: str, code: int, gpu: SimulatedGpu | None = None) -> None:
        """A function answers with an error, for one device or for all."""
        free = next(each for each in self.state.faults if not each.code)
        free.function, free.device = function.encode(), 0 if gpu is None else gpu.place + 1
        free.code = code

    def mend(self) -> None:
        """All functions answer again."""
        memset(addressof(self.state.faults), 0, sizeof(self.state.faults))

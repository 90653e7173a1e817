"""The state of simulated GPUs, as `simulated.c` maps it: the same fields in the same order."""

from ctypes import Array, Structure, c_char, c_uint32, c_uint64

DEVICES, PROCESSES, LINKS, FAULTS, EVENTS, SLICES = 64, 32, 18, 32, 64, 7


class Process(Structure):
    """A process on a device; `kind` is 0 where there is none, `started` where nobody asks."""

    pid: int
    kind: int
    elsewhere: int
    started: int
    memory: int
    _fields_ = (
        ("pid", c_uint32),
        ("kind", c_uint32),
        ("elsewhere", c_uint32),
        ("started", c_uint32),
        ("memory", c_uint64),
    )


class Wire(Structure):
    """One NVLink of a device."""

    active: int
    kind: int
    bus: bytes
    _fields_ = (("active", c_uint32), ("kind", c_uint32), ("bus", c_char * 32))


class Fault(Structure):
    """A function that fails, for one device or for all (0)."""

    function: bytes
    device: int
    code: int
    _fields_ = (("function", c_char * 64), ("device", c_uint32), ("code", c_uint32))


class Event(Structure):
    """Something that happened to a device."""

    type: int
    data: int
    device: int
    _fields_ = (("type", c_uint64), ("data", c_uint64), ("device", c_uint32), ("pad", c_uint32))


_NUMBERS = (
    "present",
    "lost",
    "parent",
    "major",
    "minor",
    "numa",
    "mig",
    "instance",
    "gpu_slices",
    "compute_slices",
    "width",
    "width_most",
    "busy",
    "temperature",
    "power",
)
_SIZES = ("total", "reserved", "base", "reasons", "energy")


class DeviceState(Structure):
    """A whole GPU or a MIG slice; `ecc` is by corrected or not, then since the reset or ever."""

    present: int
    lost: int
    parent: int
    major: int
    minor: int
    numa: int
    mig: int
    instance: int
    gpu_slices: int
    compute_slices: int
    width: int
    width_most: int
    busy: int
    temperature: int
    power: int
    rows: Array[c_uint32]
    total: int
    reserved: int
    base: int
    reasons: int
    energy: int
    ecc: Array[Array[c_uint64]]
    uuid: bytes
    name: bytes
    bus: bytes
    links: Array[Wire]
    processes: Array[Process]
    _fields_ = (
        *((name, c_uint32) for name in _NUMBERS),
        ("rows", c_uint32 * 4),
        *((name, c_uint64) for name in _SIZES),
        ("ecc", c_uint64 * 2 * 2),
        ("uuid", c_char * 96),
        ("name", c_char * 96),
        ("bus", c_char * 32),
        ("links", Wire * LINKS),
        ("processes", Process * PROCESSES),
    )


class State(Structure):
    """Everything that the simulated driver knows."""

    size: int
    posted: int
    cuda: int
    driver: bytes
    topology: Array[Array[c_uint32]]
    faults: Array[Fault]
    events: Array[Event]
    devices: Array[DeviceState]
    _fields_ = (
        ("size", c_uint64),
        ("posted", c_uint64),
        ("cuda", c_uint32),
        ("pad", c_uint32),
        ("driver", c_char * 80),
        ("topology", c_uint32 * DEVICES * DEVICES),
        ("faults", Fault * FAULTS),
        ("events", Event * EVENTS),
        ("devices", DeviceState * DEVICES),
    )

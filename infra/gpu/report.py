"""What a run made of its lease, as a page for people: an artifact of the run when it ends."""

from collections.abc import Iterable, Mapping
from typing import Final

from infra.gpu.courses import Course, Trace
from infra.gpu.suitability import gib
from infra.hardware import DeviceRecord, Hardware

_BARS: Final = "▁▂▃▄▅▆▇█"
_UNKNOWN: Final = "not told"


def report(hardware: Hardware, used: Mapping[str, Course]) -> str:
    """Markdown on the devices of a run: what it held, and what it used of them.

    Args:
        hardware: what it had.
        used: by UUID of a device.
    """
    head = ("device", "utilisation", "memory peak", "energy", "idle", "beside it")
    rows = [_row(each, used.get(each.uuid, Course())) for each in hardware.devices]
    lines = [
        f"{hardware.machine}, driver {hardware.driver}, CUDA {hardware.cuda}.",
        "",
        _line(head),
        _line(["---"] * len(head)),
        *map(_line, rows),
        "",
        *_traces(hardware.devices, used),
    ]
    return "\n".join(lines)


def _row(device: DeviceRecord, course: Course) -> list[str]:
    part = device.name if device.share == 1 else f"{device.share:.0%} of {device.name}"
    return [
        f"{part} `{device.uuid}`",
        _utilisation(course),
        _UNKNOWN if course.memory_bytes is None else _peak(course.memory_bytes, device),
        _UNKNOWN if course.energy_j is None else _energy(course.energy_j),
        f"{_duration(course.idle_s)} of {_duration(course.seconds)}",
        f"at most {device.co_tenants} others" if device.co_tenants else "nobody",
    ]


def _utilisation(course: Course) -> str:
    if course.mean_percent is None:
        return _UNKNOWN
    return f"{course.mean_percent:.0f} % mean, {course.peak_percent} % peak"


def _peak(size: int, device: DeviceRecord) -> str:
    return f"{gib(size)} of {gib(device.held_bytes)}"


def _traces(devices: Iterable[DeviceRecord], used: Mapping[str, Course]) -> list[str]:
    """Utilisation over time, a bar for each step."""
    found = []
    for device in devices:
        trace = used.get(device.uuid, Course()).trace
        if trace.percents:
            step = _duration(trace.step_s)
            found.append(f"`{device.uuid}` `{_drawn(trace)}` busy, each bar {step}\n")
    return found


def _drawn(trace: Trace) -> str:
    top = len(_BARS) - 1
    return "".join(_BARS[min(round(percent / 100 * top), top)] for percent in trace.percents)


def _energy(joules: float) -> str:
    """Joules, and from a tenth of a kilowatt-hour on those as well.

    >>> _energy(1234.0), _energy(7_200_000.0)
    ('1,234 J', '7,200,000 J (2 kWh)')
    """
    hours = joules / 3_600_000
    return f"{joules:,.0f} J" + (f" ({hours:.3g} kWh)" if hours >= 0.1 else "")  # noqa: PLR2004 - a tenth


def _duration(seconds: float) -> str:
    """In the two largest units.

    >>> _duration(59.6), _duration(3700), _duration(200_000)
    ('60 s', '1 h 2 min', '2 d 7 h')
    """
    if seconds < 120:  # noqa: PLR2004 - two minutes
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"  # noqa: PLR2004 - two days


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

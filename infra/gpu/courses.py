"""How a lease used a device over time: sums that grow by one look, whatever it lasts."""

from typing import Final

from pydantic import BaseModel, ConfigDict

IDLE_PERCENT: Final = 5
"""A device that is busy for less than this part of a look is idle.

Source:
    ours: a step of the smallest training keeps a GPU busy for more; a context that waits for
    nothing, for none.
"""

_POINTS: Final = 64


class Trace(BaseModel):
    """Utilisation over time in at most 64 equal steps: when they are full, two become one."""

    model_config = ConfigDict(frozen=True)

    step_s: float = 10.0
    percents: tuple[float, ...] = ()
    filled_s: float = 0.0
    """Of the last step, which is not whole yet."""

    def after(self, percent: float, seconds: float) -> "Trace":
        """The trace with some more seconds at a utilisation."""
        if seconds <= 0:
            return self
        if self.filled_s == 0 and len(self.percents) == _POINTS:
            return self._halved().after(percent, seconds)
        part = min(seconds, self.step_s - self.filled_s)
        return self._filled(percent, part).after(percent, seconds - part)

    def _filled(self, percent: float, seconds: float) -> "Trace":
        before = self.percents if self.filled_s == 0 else self.percents[:-1]
        last = 0.0 if self.filled_s == 0 else self.percents[-1]
        filled = self.filled_s + seconds
        mean = (last * self.filled_s + percent * seconds) / filled
        whole = filled >= self.step_s
        update = {"percents": (*before, mean), "filled_s": 0.0 if whole else filled}
        return self.model_copy(update=update)

    def _halved(self) -> "Trace":
        pairs = zip(self.percents[::2], self.percents[1::2], strict=True)
        halved = tuple((one + other) / 2 for one, other in pairs)
        return self.model_copy(update={"percents": halved, "step_s": self.step_s * 2})


class Course(BaseModel):
    """What a lease did with a device until now.

    Attributes:
        seconds: between the first look and the last.
        seen_s: of these, how many the driver told the utilisation of.
        busy_s: seconds at full utilisation that the device's work amounts to.
        peak_percent: the highest utilisation of a look.
        idle_s: seconds in which the device did next to nothing.
        memory_bytes: the most that the run's processes held of it; None where nobody says.
        energy_j: energy of the device, by the part of it that the lease held.
        counter_j: the driver's counter of energy at the last look.
        trace: utilisation over time.
        co_tenants: the most other leases that held a part of it at one time.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float = 0.0
    seen_s: float = 0.0
    busy_s: float = 0.0
    peak_percent: int | None = None
    idle_s: float = 0.0
    memory_bytes: int | None = None
    energy_j: float | None = None
    counter_j: float | None = None
    trace: Trace = Trace()
    co_tenants: int = 0

    @property
    def mean_percent(self) -> float | None:
        """Mean utilisation, None where the driver never told it."""
        return 100 * self.busy_s / self.seen_s if self.seen_s else None

    def after(self, look: "Look") -> "Course":
        """The course with one more look."""
        most = max(look.co_tenants, self.co_tenants)
        update: dict[str, object] = {"seconds": self.seconds + look.seconds, "co_tenants": most}
        if look.busy_percent is not None:
            percent = look.busy_percent
            idle = look.seconds if percent < IDLE_PERCENT else 0.0
            update |= {
                "seen_s": self.seen_s + look.seconds,
                "busy_s": self.busy_s + look.seconds * percent / 100,
                "peak_percent": max(percent, self.peak_percent or 0),
                "idle_s": self.idle_s + idle,
                "trace": self.trace.after(percent, look.seconds),
            }
        if look.memory_bytes is not None:
            update["memory_bytes"] = max(look.memory_bytes, self.memory_bytes or 0)
        if look.counter_j is not None:
            update |= {"energy_j": self._energy(look), "counter_j": look.counter_j}
        return self.model_copy(update=update)

    def _energy(self, look: "Look") -> float:
        """A counter that went back began anew: what it says was used since."""
        now, before = look.counter_j or 0.0, self.counter_j
        used = 0.0 if before is None else now - before if now >= before else now
        return (self.energy_j or 0.0) + used * look.share


class Look(BaseModel):
    """What one look told of a device that a lease holds.

    Attributes:
        seconds: since the last look; 0 at the first.
        busy_percent: the device's utilisation, all who share it together.
        memory_bytes: what the lease's processes hold of it.
        counter_j: the driver's counter of energy.
        share: the part of the device that the lease holds.
        co_tenants: other leases that hold a part of it.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    busy_percent: int | None = None
    memory_bytes: int | None = None
    counter_j: float | None = None
    share: float = 1.0
    co_tenants: int = 0

"""Devices that are not leased until they have proved themselves: why, until when, how often.

A device comes here when it did not come back from a lease, or when its driver reported a fault.
It stays for a quiet period, is probed, and is let in again; what fails stays longer each time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from infra.gpu.baselines import Tables
from infra.gpu.devices import Device, Inventory
from infra.gpu.leases import Decision
from infra.processes import ProcessIdentity

_QUIET = timedelta(minutes=1)
_STEP = 4
_LONGEST = timedelta(hours=24)
FORGIVEN = timedelta(days=7)
"""A device that was well so long begins at its first strike again."""

_LETTERS = 400
"""Reasons are joined up to so many letters: a counter that grows makes a new one each time."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Life(BaseModel):
    """By what one life of a GPU, from reset to reset, is told from the next.

    The counter of energy begins anew when the driver loads a GPU, and only grows meanwhile.
    """

    model_config = ConfigDict(frozen=True)

    boot: str
    energy_j: float | None = None

    def precedes(self, now: "Life") -> bool:
        """Whether the GPU was reset in between; unknown counts as no."""
        if self.boot != now.boot:
            return True
        known = self.energy_j is not None and now.energy_j is not None
        return known and (now.energy_j or 0) < (self.energy_j or 0)


class Entry(BaseModel):
    """What is known of a device that was kept out, and whether it still is.

    Attributes:
        device: UUID of a GPU or of a slice; a GPU's keeps its slices out too.
        why: a sentence for people.
        since: when it came, or when it was let in again.
        until: when it may be probed.
        strikes: how often it came or failed since it was last well for long.
        out: whether it is kept out now.
        baseline_bytes: what no process held of it when it was well; None where unknown.
        ended: the life that must have ended by a reset before it is probed; None where none must.
        said: what the last probe said, or why there was none.
        prober: the process that probes it now.
        moves: whether runs that hold it must go elsewhere.
    """

    model_config = ConfigDict(frozen=True)

    device: str
    why: str
    since: datetime
    until: datetime
    strikes: int = Field(1, ge=1)
    out: bool = True
    baseline_bytes: int | None = None
    ended: Life | None = None
    said: str = ""
    prober: ProcessIdentity | None = None
    moves: bool = False

    def due(self, now: datetime) -> bool:
        """Whether it may be probed; a clock that was set back does not keep a device out."""
        waits = self.until - now
        return self.out and (waits <= timedelta(0) or waits > quiet(self.strikes))

    def postponed(self, said: str, now: datetime) -> "Entry":
        """Not probed, or by no fault of its own without a result: looked at again later."""
        update = {"said": said, "until": now + quiet(self.strikes), "prober": None}
        return self.model_copy(update=update)

    def failed(self, said: str, now: datetime) -> "Entry":
        """It did not pass: one strike more."""
        return self.model_copy(update={"strikes": self.strikes + 1}).postponed(said, now)

    def passed(self, said: str, now: datetime) -> "Entry":
        """It is let in again; its strikes are remembered for a while."""
        update = {"out": False, "since": now, "said": said, "prober": None}
        update |= {"ended": None, "moves": False}
        return self.model_copy(update=update)


def quiet(strikes: int) -> timedelta:
    """How long a device must rest: a minute, four times as long at each strike, a day at most.

    >>> [str(quiet(strikes)) for strikes in (1, 2, 3, 9)]
    ['0:01:00', '0:04:00', '0:16:00', '1 day, 0:00:00']

    Source:
        ours: memory that returns late does so within seconds, and a device that fails for the
        fourth time is worth an hour's rest more than a run that dies on it.
    """
    return min(_QUIET * float(_STEP ** min(strikes - 1, 9)), _LONGEST)


def struck(before: Entry | None, device: str, why: str, now: datetime) -> Entry:
    """The entry of a device that is kept out from now on.

    One that is out already keeps its time and its strikes, and rests anew.
    """
    if before is not None and before.out:
        told_already = why in before.why or len(before.why) + len(why) > _LETTERS
        words = before.why if told_already else f"{before.why}; {why}"
        return before.model_copy(update={"why": words, "until": now + quiet(before.strikes)})
    recent = before is not None and now - before.since < FORGIVEN
    strikes = before.strikes + 1 if before is not None and recent else 1
    return Entry(device=device, why=why, since=now, until=now + quiet(strikes), strikes=strikes)


def entries(tables: Tables) -> dict[str, Entry]:
    """Every device that is or was kept out, by UUID."""
    rows = tables.rows("SELECT device, entry FROM quarantine ORDER BY device")
    return {device: Entry.model_validate_json(entry) for device, entry in rows}


def put(decision: Decision, entry: Entry) -> None:
    """Keep an entry, in the place of the one that the device had."""
    decision.change(
        "INSERT OR REPLACE INTO quarantine VALUES (?, ?)", entry.device, entry.model_dump_json()
    )


def keep_out(decision: Decision, device: str, why: str, now: datetime, **known: object) -> Entry:
    """Keep a device out from now on.

    Args:
        decision: the journal, to this worker alone.
        device: its UUID.
        why: a sentence for people.
        now: the time by which it rests.
        known: other fields of its entry.

    Returns:
        Its entry, as it stands in the journal.
    """
    before = entries(decision).get(device)
    entry = struck(before, device, why, now).model_copy(update=known)
    put(decision, entry)
    return entry


def overlaid(inventory: Inventory, kept: Mapping[str, Entry]) -> Inventory:
    """The inventory without the devices that are kept out, which say why."""

    def shown(device: Device) -> Device:
        entry = next(
            (
                each
                for uuid in (device.uuid, device.parent)
                if (each := kept.get(uuid or "")) and each.out
            ),
            None,
        )
        if entry is None or device.state == "unhealthy":
            return device
        return device.model_copy(update={"state": "quarantined", "why": told(entry)})

    return inventory.model_copy(update={"devices": tuple(map(shown, inventory.devices))})


def told(entry: Entry) -> str:
    """Why a device is kept out and what it waits for, in words."""
    waits = f"since {entry.since:%Y-%m-%d %H:%M} UTC"
    if entry.ended is not None:
        return f"{entry.why}; {waits}, until a person has reset it"
    probe = f"probed next at {entry.until:%H:%M} UTC" if entry.prober is None else "being probed"
    said = f"; {entry.said}" if entry.said else ""
    return f"{entry.why}; {waits}, {probe}{said}"


def boot() -> str:
    """What tells one start of this machine from the next."""
    return _BOOT.read_text("utf-8").strip() if _BOOT.exists() else str(psutil.boot_time())

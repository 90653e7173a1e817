"""Who is on the devices beside our leases, and since when: noted once, by whoever sees it first."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from infra.gpu.baselines import Tables
from infra.gpu.belonging import carries, groups, serves
from infra.gpu.census import Looks, find_foreign, sees_everyone
from infra.gpu.devices import ForeignProcess
from infra.gpu.foreign import unlike_ours
from infra.gpu.leases import Decision, Journal, NoJournal
from infra.gpu.quarantine import entries
from infra.gpu.readings import Observation
from infra.starts import start_of

Foreign = Mapping[str, Sequence[ForeignProcess]]


class Sighting(BaseModel):
    """A foreign process on a device, from its first sight on."""

    model_config = ConfigDict(frozen=True)

    device: str
    process: ForeignProcess
    started: str = ""
    since: datetime

    @property
    def key(self) -> tuple[str, int, str]:
        """One appearance: the same process on the same device."""
        return self.device, self.process.pid, self.started


class News(BaseModel):
    """Who has come since the last look, and who has gone."""

    model_config = ConfigDict(frozen=True)

    came: tuple[Sighting, ...] = ()
    gone: tuple[Sighting, ...] = ()


def look_around(devices: Looks, journal: Journal | NoJournal) -> tuple[Observation, Foreign]:
    """The devices now, and on each the processes that are neither of a lease nor serve one.

    Ours are the groups of every lease of the machine, whichever worker gave it, with all that
    descend from them; whoever carries the number of a lease; a probe; and MPS. In a container, what
    cannot be seen here on a device that a run holds is taken for the run's.

    Raises:
        BackendError: the driver fails.
    """
    leases = journal.leases()
    probes = {each.prober.pid for each in entries(journal).values() if each.prober}
    seen, alien = find_foreign(devices, groups(leases) | probes)
    strange = {
        uuid: tuple(
            each
            for each in found
            if not serves(each.pid) and not carries(each.pid, journal.path, leases)
        )
        for uuid, found in alien.items()
    }
    held = {uuid for lease in leases if lease.process for uuid in lease.grant.uuids}
    return seen, unlike_ours(strange, held, everyone=sees_everyone())


def sightings(tables: Tables) -> tuple[Sighting, ...]:
    """The foreign processes that are known, the first to come first."""
    rows = tables.rows("SELECT sighting FROM sightings")
    found = [Sighting.model_validate_json(text) for (text,) in rows]
    return tuple(sorted(found, key=lambda each: (each.since, each.key)))


def changes(tables: Tables, seen: Observation, foreign: Foreign, now: datetime) -> News:
    """What differs from what is known; of a device that could not be read, nothing."""
    known = {each.key: each for each in sightings(tables)}
    there = {
        sighting.key: sighting
        for uuid, found in foreign.items()
        for each in found
        if (sighting := _sighting(uuid, each, now))
    }
    unread = {each.uuid for each in seen.inventory.devices} - seen.usage.keys()
    return News(
        came=tuple(each for key, each in there.items() if key not in known),
        gone=tuple(
            each for key, each in known.items() if key not in there and each.device not in unread
        ),
    )


def note(decision: Decision, seen: Observation, foreign: Foreign, now: datetime) -> News:
    """Keep who is there now.

    Returns:
        What this worker is the first to see: whoever notes it tells it.
    """
    news = changes(decision, seen, foreign, now)
    for each in news.came:
        decision.change("INSERT INTO sightings VALUES (?, ?)", _name(each), each.model_dump_json())
    for each in news.gone:
        decision.change("DELETE FROM sightings WHERE name = ?", _name(each))
    return news


def _sighting(device: str, process: ForeignProcess, now: datetime) -> Sighting:
    started = start_of(process.pid) if process.command else None
    return Sighting(device=device, process=process, started=started or "", since=now)


def _name(sighting: Sighting) -> str:
    return " ".join(map(str, sighting.key))

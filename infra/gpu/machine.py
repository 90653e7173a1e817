"""This machine as one of its workers sees and changes it: its devices, and who holds them."""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from psutil import NoSuchProcess

from infra.errors import BackendError, IntegrityError, ResourceError
from infra.gpu.adoption import take_over
from infra.gpu.baselines import note_baselines
from infra.gpu.belonging import marked, of_lease
from infra.gpu.claiming import Held, Left, WaitingRun, claim
from infra.gpu.confinement import Confinement, adopted, confine, sweep
from infra.gpu.devices import Inventory
from infra.gpu.leases import Journal, Lease
from infra.gpu.leaving import Patience, leave
from infra.gpu.lookout import Lookout, blind
from infra.gpu.notices import tell_quarantine
from infra.gpu.patrol import Patrol
from infra.gpu.quarantine import Entry, entries, overlaid
from infra.gpu.readings import Observation
from infra.gpu.record import hardware_of, note_hardware
from infra.gpu.report import report
from infra.gpu.usage import courses
from infra.gpu.waiting import WaitingNote, keep_waits
from infra.processes import ProcessIdentity, end
from infra.settings import settings

_SHOWN: Final = 5


class Decided(NamedTuple):
    """What a machine took of the runs that wait, and what it left."""

    taken: list[Lease]
    left: list[Left]


class Machine:
    """The devices of a machine and its journal, under the epoch of one worker.

    Everything here blocks for milliseconds, on files and on the driver: a worker calls it in
    threads, of which one at a time looks at the devices.
    """

    def __init__(self, journal: Path, name: str) -> None:
        """Join the machine's workers under a name; whoever had it before is fenced from now on.

        Raises:
            ConfigError: the journal cannot be written.
            IntegrityError: the journal is damaged, is none, or was taken away under runs that live.
        """
        self.journal = Journal(journal)
        _refuse_survivors(self.journal)
        self.worker = self.journal.enlist(name, ProcessIdentity.of(os.getpid()))
        self.lookout = Lookout(self.journal)
        self.patrol = Patrol(self.journal, self.worker, self.lookout)
        self._inventory: Inventory | None = None  # as it was when a run of GPUs began last
        self.notes = 0  # of runs that were left in the last decision
        self._holds: dict[int, Confinement] = {}
        with suppress(ResourceError):  # what does not die even now is swept by the next worker
            sweep(journal, self.journal.leases)

    def close(self) -> None:
        """End the session with the driver, and the probes that run."""
        self.patrol.close()
        self.lookout.close()

    def observe(self) -> Observation:
        """The devices now, each with what keeps it from being leased.

        Raises:
            BackendError: there is a driver, and it fails.
        """
        sight = self.lookout.look()
        return sight.seen.model_copy(update={"inventory": sight.inventory})

    def claim(self, waiting: Sequence[WaitingRun], most: int | None = None) -> Decided:
        """Lease what of the runs that wait can start now, in one decision beside all leases.

        Args:
            waiting: runs that are due; one that still holds a lease here is left as it is.
            most: how many runs may be taken, None for as many as fit.

        Raises:
            BackendError: there is a driver, and it fails.
            IntegrityError: another process has taken this worker's name.
        """
        waiting, seen = self._seen(waiting)
        now = datetime.now(UTC)
        requests = {each.run: each.request for each in waiting}
        with self.journal.deciding(self.worker) as decision:
            leases = decision.leases
            holders = {each.run for each in leases}
            free = [each for each in waiting if each.run not in holders]
            # Another worker may have kept a device out since this one looked.
            there = overlaid(seen.inventory, entries(decision))
            claims = claim(free, there, [held(each, now) for each in leases], now)
            taken = [
                decision.grant(each.run, requests[each.run], each.grant)
                for each in claims.taken[:most]
            ]
            for lease in taken:
                note_baselines(decision, lease, seen)
            due = {each.run: each for each in waiting}
            notes = [WaitingNote.of(each, due[each.run]) for each in claims.left]
            keep_waits(decision, self.worker.name, notes)
        self.notes = len(notes)
        return Decided(taken, claims.left)

    def _seen(self, waiting: Sequence[WaitingRun]) -> tuple[Sequence[WaitingRun], Observation]:
        """The devices, and the runs that can be decided; without a driver those of no GPU."""
        try:
            return waiting, self.observe()
        except BackendError as error:
            without = [each for each in waiting if each.request.gpus == 0]
            if not without:
                raise
            return without, blind(str(error)).seen

    def confine(self, lease: Lease, given: Mapping[str, str]) -> Confinement:
        """What will hold the run of a lease from the moment it has a process.

        Args:
            lease: what it holds.
            given: variables that its deployment sets itself.

        Raises:
            BackendError: there is a driver, and it fails.
            ResourceError: the lease counts on an MPS daemon that has gone.
        """
        inventory = self.lookout.read().inventory if lease.grant.uuids else None
        hold = confine(lease, inventory, self.journal.path, given)
        self._holds[lease.id], self._inventory = hold, inventory or self._inventory
        return hold

    def attach(self, lease: Lease, process: ProcessIdentity) -> None:
        """Note the process that holds a lease from now on, and hold it to that.

        Raises:
            IntegrityError: another process has taken this worker's name.
            ResourceError: the kernel does not hold it.
        """
        with self.journal.deciding(self.worker) as decision:
            decision.attach(lease, process)
        if (hold := self._holds.get(lease.id)) is not None:
            hold.apply(process.pid)
            with self.journal.deciding(self.worker) as decision:
                note_hardware(decision, lease, self._inventory, hold.stated)

    def check(self) -> None:
        """Do nothing where this worker has its name.

        Raises:
            IntegrityError: another process has taken it.
        """
        with self.journal.deciding(self.worker):
            pass

    def trouble(self, lease: Lease) -> ResourceError | None:
        """Why the kernel killed something of a run, None where it did not."""
        return self.hold(lease).trouble()

    def hold(self, lease: Lease) -> Confinement:
        """What holds the run of a lease, whichever worker has begun with it."""
        return self._holds.get(lease.id) or adopted(lease, self.journal.path)

    def take_over(self, kept: Collection[int]) -> list[Lease]:
        """Leases whose workers are gone, which are this worker's from now on.

        Those of another server's workers are left to them; where nobody of them is alive, they
        are released, for devices are not lost with a server.

        Args:
            kept: the numbers of the leases that it looks after already.

        Raises:
            IntegrityError: another process has taken this worker's name.
        """
        orphans = take_over(self.journal, self.worker, kept)
        for lease in orphans.strange:
            if not of_lease(self.journal.path, lease):
                self.leave(lease)
        return orphans.mine

    def report(self, lease: Lease) -> str:
        """What a run made of its devices, as a page; empty where it had none.

        Raises:
            IntegrityError: another process has taken this worker's name.
        """
        self.patrol.meter.keep(lease)
        hardware = hardware_of(self.journal, lease.id)
        if hardware is None or not hardware.devices:
            return ""
        return report(hardware, courses(self.journal, lease))

    def fault_of(self, lease: Lease) -> str:
        """What failed under a run, empty where nothing did; the devices are looked at for it."""
        if not lease.grant.uuids:
            return ""
        here = [each for each in self.patrol.once() if each.lease.id == lease.id]
        return here[0].why if here else ""

    def end(self, lease: Lease, patience_s: float) -> None:
        """End the processes of a lease: asked first, killed after a while."""
        end(of_lease(self.journal.path, lease), patience_s)

    def kill(self, lease: Lease) -> None:
        """End the processes of a lease at once; none of them gets to say that it crashed."""
        for process in of_lease(self.journal.path, lease):
            with suppress(NoSuchProcess):
                process.kill()

    def leave(self, lease: Lease) -> tuple[Entry, ...]:
        """End a lease: what is left of its processes, then wait for its devices, then release it.

        Returns:
            The devices that did not come back and are kept out.

        Raises:
            IntegrityError: another process has taken this worker's name.
        """
        patience = Patience(settings().memory_patience_s)
        kept_out = leave(self.journal, self.worker, lease, self.lookout.read, patience)
        with suppress(ResourceError):  # what does not die now is swept when a worker starts
            self.hold(lease).lift()
        self._holds.pop(lease.id, None)
        for entry in kept_out:
            tell_quarantine(self.patrol.notices, entry)
        return kept_out


def _refuse_survivors(journal: Journal) -> None:
    """Runs of an earlier journal hold what nobody knows, by numbers that are given again."""
    left = marked(journal.path) if journal.blank else []
    if left:
        shown = ", ".join(map(str, left[:_SHOWN])) + (" ..." if len(left) > _SHOWN else "")
        raise IntegrityError(
            f"The journal of leases {journal.path} is new, and runs of an earlier one there still "
            f"live (processes {shown}).",
            hint="Wait until they have ended, or end them; then start this worker again.",
        )


def held(lease: Lease, now: datetime) -> Held:
    """What a lease keeps from others, and until when at the latest, by the age of its process."""
    if lease.request.max_runtime is None:
        return Held(grant=lease.grant)
    age_s = lease.process.age_s if lease.process else None
    left = lease.request.max_runtime - timedelta(seconds=int(age_s or 0))
    return Held(grant=lease.grant, until=now + max(left, timedelta(0)))

"""Devices that are kept out: probed by processes of their own, and let in again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from infra.gpu.baselines import lingering
from infra.gpu.health import Health
from infra.gpu.leases import Journal, Lease, Worker
from infra.gpu.probe import read
from infra.gpu.quarantine import Entry, Life, boot, entries, put
from infra.gpu.readings import Observation
from infra.processes import ProcessIdentity
from infra.settings import PROJECT
from infra.starts import start_of

LONGEST_S = 600.0
"""A probe that takes longer hangs.

Source:
    ours: four patterns over 192 GB through a PCIe link of a few GB/s, and as much again.
"""


class _Running(NamedTuple):
    process: "subprocess.Popen[str]"
    since_s: float


class Probing:
    """The probes that one worker has under way. For one thread; nothing in it waits."""

    def __init__(self, journal: Journal, worker: Worker) -> None:
        self._journal = journal
        self._worker = worker
        self._running: dict[str, _Running] = {}

    def step(self, seen: Observation, faults: Mapping[str, Health], now: datetime) -> list[Entry]:
        """Take in what probes have found, and begin those that are due.

        Args:
            seen: the devices now.
            faults: verdicts on whole GPUs by UUID, without what passes by itself.
            now: the time by which devices rest.

        Returns:
            The entries of which there is news: a probe that began, or something else to say.
        """
        changed = [self._taken_in(device, now) for device in list(self._running)]
        kept = entries(self._journal)
        leases = self._journal.leases()
        for entry in kept.values():
            if not entry.due(now) or entry.device in self._running or _probed(entry):
                continue
            targets, why = _targets(entry, seen, faults, leases)
            changed.append(self._postpone(entry, why, now) if why else self._begin(entry, targets))
        return [each for each in changed if each is not None]

    def close(self) -> None:
        """End the probes that run; whoever comes next begins them anew."""
        for running in self._running.values():
            _kill(running)
            running.process.communicate()
        self._running.clear()

    def _taken_in(self, device: str, now: datetime) -> Entry | None:
        running = self._running[device]
        if running.process.poll() is None:
            if time.monotonic() - running.since_s < LONGEST_S:
                return None
            _kill(running)
        output, _ = running.process.communicate()
        del self._running[device]
        result = read(output, running.process.returncode)
        with self._journal.deciding(self._worker) as decision:
            entry = entries(decision).get(device)
            if entry is None or not entry.out:
                return None
            given = {"passed": entry.passed, "failed": entry.failed, "unable": entry.postponed}
            verdict = given[result.verdict]
            if result.verdict == "passed" and not entry.due(now):  # something happened meanwhile
                verdict = entry.postponed
            after = verdict(result.said, now)
            put(decision, after)
        return _news(entry, after)

    def _postpone(self, entry: Entry, why: str, now: datetime) -> Entry | None:
        with self._journal.deciding(self._worker) as decision:
            current = entries(decision).get(entry.device)
            if current != entry:  # another worker was first
                return None
            after = entry.postponed(f"not probed: {why}", now)
            put(decision, after)
        return _news(entry, after)

    def _begin(self, entry: Entry, targets: Sequence[str]) -> Entry | None:
        """Start a probe; noted in the journal before anyone else may start one."""
        with self._journal.deciding(self._worker) as decision:
            if entries(decision).get(entry.device) != entry:
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "infra.gpu.probe", *targets],
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
            self._running[entry.device] = _Running(process, time.monotonic())
            started = start_of(process.pid)  # None where it has ended at once
            prober = started and ProcessIdentity(pid=process.pid, started=started)
            after = entry.model_copy(update={"prober": prober or None})
            put(decision, after)
        return after


def _news(before: Entry, after: Entry) -> Entry | None:
    """An entry that says something new: one that waits for a person does so for weeks."""
    same = (before.said, before.out, before.strikes) == (after.said, after.out, after.strikes)
    return None if same else after


def _probed(entry: Entry) -> bool:
    return entry.prober is not None and entry.prober.alive


def _kill(running: _Running) -> None:
    """End a probe, and whichever slice it is at."""
    with suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)


def _targets(
    entry: Entry, seen: Observation, faults: Mapping[str, Health], leases: list[Lease]
) -> tuple[list[str], str]:
    """What of a device a probe can see, and why it cannot be probed yet; empty where it can.

    CUDA sees a GPU in MIG mode only through its slices: all of them stand for it.
    """
    parts = [each for each in seen.inventory.devices if entry.device in {each.uuid, each.parent}]
    if not parts:
        return [], "it is not there"
    uuids = [each.uuid for each in parts]
    return uuids, next(_unrest(entry, seen, faults, leases, {*uuids}), "")


def _unrest(
    entry: Entry,
    seen: Observation,
    faults: Mapping[str, Health],
    leases: list[Lease],
    uuids: set[str],
) -> Iterator[str]:
    if entry.ended is not None and not entry.ended.precedes(life(entry.device, seen)):
        yield "nobody has reset it yet"
    device = seen.inventory.device(min(uuids))
    gpu = entry.device if device is None else device.parent or device.uuid
    if (health := faults.get(gpu, Health())).action != "ok":
        yield health.why
    for lease in leases:
        if uuids & lease.grant.uuids:
            yield f"run {lease.run} holds a part of it"
    for uuid in sorted(uuids):
        usage = seen.usage.get(uuid)
        if usage is not None and usage.processes:
            yield f"process {usage.processes[0].pid} is on it"
        elif why := lingering(usage, entry.baseline_bytes, others=False):
            yield why


def life(device: str, seen: Observation) -> Life:
    """The life of a GPU that goes on now, as far as the driver tells."""
    usage = seen.usage.get(device)
    return Life(boot=boot(), energy_j=None if usage is None else usage.energy_j)

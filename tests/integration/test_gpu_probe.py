"""A device that was kept out comes back by itself: rested, probed by its own process, let in."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.gpu.health import Health, judge
from infra.gpu.leases import Journal, Worker
from infra.gpu.probe import Result
from infra.gpu.probing import Probing, life
from infra.gpu.quarantine import Entry, entries, keep_out, quiet
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from infra.settings import PROJECT
from tests.support.leased import given
from tests.support.nvml.gpus import GIB, SimulatedGpus
from tests.support.nvml.observer import Observer

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
RESTED = NOON + quiet(1)

pytestmark = pytest.mark.skipif(
    find_spec("torch") is not None, reason="with torch a probe needs a real GPU: see tests/gpu"
)


@pytest.fixture
def cuda(cuda_library: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A CUDA library in which the devices GPU-00 to GPU-03 have 48 MiB each."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(cuda_library))
    monkeypatch.setenv("SIMULATED_CUDA", str(48 * 2**20))
    monkeypatch.setenv("SIMULATED_CUDA_UUIDS", "GPU-00 GPU-01 GPU-02 GPU-03")
    return monkeypatch


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "leases.db")


@pytest.fixture
def worker(journal: Journal) -> Worker:
    """A worker that is this process."""
    return journal.enlist("here", ProcessIdentity.of(os.getpid()))


@pytest.fixture
def probing(journal: Journal, worker: Worker) -> Iterator[Probing]:
    """The worker's probes."""
    probing = Probing(journal, worker)
    yield probing
    probing.close()


def out(journal: Journal, worker: Worker, device: str, **known: object) -> Entry:
    """A device that is kept out from noon on."""
    with journal.deciding(worker) as decision:
        return keep_out(decision, device, "it failed", NOON, **known)


def settled(probing: Probing, observer: Observer, now: datetime) -> Entry:
    """Step until a probe has said something."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for entry in probing.step(observer.read(), {}, now):
            if entry.prober is None and entry.said:
                return entry
        time.sleep(0.05)
    pytest.fail("no probe came to an end")


def probed(device: str) -> tuple[int, Result]:
    """What the probe's process ends with, and says."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.gpu.probe", device],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, Result.model_validate_json(done.stdout)


def test_memory_that_keeps_what_is_written_passes(cuda: pytest.MonkeyPatch) -> None:
    """Most of what is free was written and read, and the answer says how much."""
    code, result = probed("GPU-01")

    assert (code, result.verdict) == (0, "passed")
    assert result.said.startswith("0.04219 GiB of memory were right")


def test_one_bit_that_stays_set_fails(cuda: pytest.MonkeyPatch) -> None:
    """A single bit anywhere in the tested memory, told with what was read."""
    cuda.setenv("SIMULATED_CUDA_FAULT", str(40 * 2**20 + 5))

    code, result = probed("GPU-01")

    assert (code, result.verdict) == (1, "failed")
    assert "read 0x00000100 where 0x00000000 was written (1 words of 11 MiB)" in result.said


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SIMULATED_CUDA", "0", "CUDA offers no device: cuInit answers 100"),
        ("LD_LIBRARY_PATH", "", "CUDA's library cannot be loaded"),
    ],
    ids=["no device", "no library"],
)
def test_a_probe_that_cannot_run_says_why(
    cuda: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    """It is no verdict on the device."""
    cuda.setenv(variable, value)

    code, result = probed("GPU-01")

    assert (code, result.verdict) == (3, "unable")
    assert said in result.said


def test_a_device_is_let_in_again_by_itself(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """Not before it has rested; then probed, and its strike remembered."""
    gpu = gpus.add()
    out(journal, worker, gpu.uuid)

    early = probing.step(observer.read(), {}, NOON + timedelta(seconds=59))
    entry = settled(probing, observer, RESTED)

    assert early == []
    assert (entry.out, entry.since, entry.strikes) == (False, RESTED, 1)
    assert entries(journal) == {gpu.uuid: entry}


def test_a_device_that_fails_its_probe_rests_longer(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """It stays out, with what the probe read."""
    cuda.setenv("SIMULATED_CUDA_FAULT", "77")
    gpu = gpus.add()
    out(journal, worker, gpu.uuid)

    entry = settled(probing, observer, RESTED)

    assert (entry.out, entry.strikes, entry.until) == (True, 2, RESTED + quiet(2))
    assert entry.said.startswith("the probe failed: its memory read")


def test_nothing_is_probed_that_is_not_at_rest(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """A leak, a process, a fault, a device that is gone: each is told and looked at later."""
    leaks, busy, ill = gpus.add(), gpus.add(), gpus.add()
    leaks.state.base = 20 * GIB
    busy.run(2**22 + 1, GIB, elsewhere=True)
    ill.state.rows[:] = [0, 0, 1, 0]
    for uuid in (leaks.uuid, busy.uuid, ill.uuid, "GPU-77"):
        out(journal, worker, uuid, baseline_bytes=0)
    seen = observer.read()

    changed = probing.step(
        seen, {uuid: judge(vitals) for uuid, vitals in seen.vitals.items()}, RESTED
    )

    assert {each.device: each.said for each in changed} == {
        leaks.uuid: "not probed: 20 GiB are held by no process",
        busy.uuid: f"not probed: process {2**22 + 1} is on it",
        ill.uuid: "not probed: bad rows of memory are remapped at the next reset",
        "GPU-77": "not probed: it is not there",
    }
    assert {each.strikes for each in changed} == {1}


def test_a_device_that_wants_a_reset_is_probed_after_one(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """A person resets it, and nobody has to say so: the driver's counter begins anew."""
    gpu = gpus.add()
    gpu.state.energy = 9_000_000
    out(journal, worker, gpu.uuid, ended=life(gpu.uuid, observer.read()))

    (waits,) = probing.step(observer.read(), {}, RESTED)
    again = probing.step(observer.read(), {}, RESTED + quiet(1))
    gpu.state.energy = 5_000
    entry = settled(probing, observer, RESTED + quiet(1) + quiet(1))

    assert waits.said == "not probed: nobody has reset it yet"
    assert again == []  # it is no news
    assert (entry.out, entry.ended) == (False, None)


def test_a_gpu_in_mig_mode_is_probed_on_every_slice(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """A slice that cannot be tested keeps the whole GPU out; once all pass, it is let in."""
    gpu = gpus.add()
    first, second = gpu.slice("1g.10gb"), gpu.slice("2g.20gb")
    out(journal, worker, gpu.uuid)

    cuda.setenv("SIMULATED_CUDA_UUIDS", first.uuid)
    stays = settled(probing, observer, RESTED)
    cuda.setenv("SIMULATED_CUDA_UUIDS", f"{first.uuid} {second.uuid}")
    comes = settled(probing, observer, RESTED + quiet(1))

    assert stays.out
    assert stays.said.startswith(f"slice {second.uuid}: the probe cannot run: CUDA offers no")
    assert not comes.out
    assert comes.said.startswith("each of 2 slices passed, the last: 0.04219 GiB of memory were")


def test_a_slice_that_somebody_holds_keeps_its_gpu_from_being_probed(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """A probe takes most of the memory: it would end the run beside it."""
    gpu = gpus.add()
    gpu.slice("1g.10gb")
    lease = given(journal, worker, observer.read(), 1, RunRequest(gpus="mig:1g.10gb"))
    out(journal, worker, gpu.uuid)

    (waits,) = probing.step(observer.read(), {}, RESTED)

    assert waits.said == f"not probed: run {lease.run} holds a part of it"


def test_of_two_workers_one_probes_a_device(
    cuda: pytest.MonkeyPatch,
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
    probing: Probing,
) -> None:
    """Two probes at once would take each other's memory for a fault."""
    gpu = gpus.add()
    out(journal, worker, gpu.uuid)
    other = Probing(journal, journal.enlist("other", worker.process))

    begun = probing.step(observer.read(), {gpu.uuid: Health()}, RESTED)
    second = other.step(observer.read(), {}, RESTED)

    assert [each.prober is not None for each in begun] == [True]
    assert second == []

"""A leak from its run to the next one on the device: real server, worker, runs and probe."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.gpu.leases import Journal
from infra.gpu.quarantine import Entry, entries, put
from infra.processes import ProcessIdentity
from tests.support.nvml.gpus import GIB, SimulatedGpu, SimulatedGpus
from tests.support.pools import Pool, pool_of, waited

pytestmark = pytest.mark.skipif(
    find_spec("torch") is not None, reason="with torch a probe needs a real GPU: see tests/gpu"
)


@pytest.fixture
def gpu(gpus: SimulatedGpus) -> SimulatedGpu:
    """The only one of the machine."""
    return gpus.add()


@pytest.fixture
def pool(
    api: str, tmp_path: Path, nvml_library: Path, cuda_library: Path, gpus: SimulatedGpus
) -> Iterator[Pool]:
    """A pool on a machine whose GPU can be probed: CUDA finds 48 MiB on it."""
    simulated = {
        "LD_LIBRARY_PATH": f"{nvml_library}:{cuda_library}",
        "SIMULATED_NVML": str(gpus.path),
        "SIMULATED_CUDA": str(48 * 2**20),
        "SIMULATED_CUDA_UUIDS": "GPU-00",
    }
    with pool_of(api, tmp_path, **simulated) as pool:
        yield pool


def rested(pool: Pool) -> Entry:
    """The only entry of the quarantine, from now on with its rest behind it."""
    journal = Journal(pool.folder / "leases.db")
    worker = journal.enlist("time", ProcessIdentity.of(os.getpid()))
    with journal.deciding(worker) as decision:
        (entry,) = entries(decision).values()
        put(decision, entry.model_copy(update={"until": datetime.now(UTC)}))
    return entry


def test_a_leak_is_kept_out_until_a_probe_lets_its_gpu_in_again(
    pool: Pool, gpu: SimulatedGpu
) -> None:
    """Nobody has to do anything: the run that waits for the GPU gets it once it is proven."""
    pool.start(PERENNIAL_MEMORY_PATIENCE_S="0.5")
    leaks = pool.run(gpus=1)
    leaks.seen()
    gpu.state.base = 20 * GIB
    waits = pool.run(gpus=1)
    leaks.let_go()
    assert leaks.over().state_name == "Completed"
    journal = Journal(pool.folder / "leases.db")
    waited(lambda: entries(journal))
    assert f"after run {leaks.id}: 20 GiB are held by no process" in rested(pool).why
    waited(lambda: entries(journal)[gpu.uuid].said)
    kept = entries(journal)[gpu.uuid]
    assert not waits.told

    gpu.state.base = 0
    rested(pool)
    holder = waits.seen()
    waits.let_go()
    back = entries(journal)[gpu.uuid]

    assert (kept.out, kept.said) == (True, "not probed: 20 GiB are held by no process")
    assert not back.out
    assert back.said.startswith("0.04219 GiB of memory were right")
    assert holder["environment"]["CUDA_VISIBLE_DEVICES"] == gpu.uuid
    assert waits.over().state_name == "Completed"
    waited(lambda: not pool.leases)

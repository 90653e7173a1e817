"""Which runs start in a process that has imported, and why the others do not."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest

from infra.settings import PROJECT
from infra.warm.pool import WarmPool, warm_pool
from infra.warm.surroundings import ColdError
from tests.support.pools import Pool, waited

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are of Linux alone")

ENGINE = [sys.executable, "-m", "prefect.engine"]
_PATIENCE_S = 30.0


@pytest.fixture
def anyio_backend() -> str:
    """Prefect's workers run on asyncio."""
    return "asyncio"


@asynccontextmanager
async def pool_for(most: int = 1, *imports: str) -> AsyncIterator[WarmPool]:
    """A pool whose processes import as good as nothing."""
    async with warm_pool(most, imports or ("json",)) as pool:
        assert pool is not None
        yield pool


async def why_cold(
    pool: WarmPool,
    command: list[str] = ENGINE,
    *,
    folder: Path | None = None,
    variables: dict[str, str] | None = None,
) -> str:
    """Why a run starts cold; empty where it does not."""
    environment = {**os.environ, **(variables or {})}
    try:
        child = await pool.child(command, environment, folder, (1, 2))
    except ColdError as error:
        return str(error)
    child.kill()
    await child.wait()
    return ""


async def warmed(
    pool: WarmPool, folder: Path | None = None, variables: dict[str, str] | None = None
) -> None:
    """Return as soon as such a run starts warm."""
    with anyio.fail_after(_PATIENCE_S):
        while await why_cold(pool, folder=folder, variables=variables):  # noqa: ASYNC110 - no event
            await anyio.sleep(0.02)


@pytest.mark.anyio
async def test_a_run_starts_warm_once_its_surroundings_were_imported() -> None:
    """What differs from run to run makes no difference: its lease, its devices, its number."""
    async with pool_for() as pool:
        first = await why_cold(pool)
        second = await why_cold(pool)
        await warmed(pool)
        names = ("CUDA_VISIBLE_DEVICES", "PERENNIAL_LEASE", "PREFECT__FLOW_RUN_ID", "TRACEPARENT")
        quiet = {"PREFECT_LOGGING_LEVEL": "ERROR"}

        assert first == "nothing was imported yet for its environment and folder"
        assert second == "what it needs is still being imported"
        assert await why_cold(pool, variables=dict.fromkeys(names, "7")) == ""
        assert "nothing was imported" in await why_cold(pool, variables=quiet)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["bash", "run.sh"], "its command is not Prefect's engine by the worker's interpreter"),
        (["/usr/bin/env", "python"], "its command is not Prefect's engine by the worker's"),
        ([sys.executable, "train.py"], "its command is not Prefect's engine"),
        ([sys.executable, "-m", "train"], "its command runs train, not Prefect's engine"),
        ([*ENGINE, "more"], "its command runs prefect.engine"),
        ([sys.executable, "-X", "dev", "-m", "prefect.engine"], "its command is not Prefect's"),
    ],
)
async def test_another_command_starts_cold_and_says_so(command: list[str], why: str) -> None:
    """Only what is known to begin like the engine can begin in a process that is there."""
    async with pool_for() as pool:
        assert (await why_cold(pool, command)).startswith(why)


@pytest.mark.anyio
async def test_code_that_changed_is_never_run_as_it_was(tmp_path: Path) -> None:
    """The next run starts cold with the new code, and those after it warm again."""
    code = tmp_path / "of_the_project.py"
    code.write_text("")
    async with pool_for(1, "of_the_project") as pool:
        await warmed(pool, tmp_path)

        code.write_text("# changed")
        why = await why_cold(pool, folder=tmp_path)

        assert why == f"{code} has changed since it was imported"
        await warmed(pool, tmp_path)
        (tmp_path / "prefect.toml").touch()
        assert "prefect.toml has changed" in await why_cold(pool, folder=tmp_path)


@pytest.mark.anyio
async def test_as_many_surroundings_are_kept_as_the_setting_says() -> None:
    """What comes once pushes none out; what comes again takes the place of the oldest."""
    async with pool_for(2) as pool:
        for kind in ("one", "two", "one"):
            await warmed(pool, variables={"KIND": kind})

        await why_cold(pool, variables={"KIND": "three"})
        assert (
            await why_cold(pool, variables={"KIND": "two"})
            == await why_cold(pool, variables={"KIND": "one"})
            == ""
        )
        await why_cold(pool, variables={"KIND": "three"})
        await warmed(pool, variables={"KIND": "three"})

        assert len(pool._nurseries) == 2
        assert await why_cold(pool, variables={"KIND": "one"}) == ""
        assert "nothing was imported" in await why_cold(pool, variables={"KIND": "two"})


@pytest.mark.anyio
async def test_a_module_that_starts_threads_is_left_to_the_runs() -> None:
    """All others are imported ahead all the same."""
    async with pool_for(1, "tests.support.threaded", "json") as pool:
        await warmed(pool, variables={"PYTHONPATH": str(PROJECT)})

        assert pool._without == {"tests.support.threaded"}


@pytest.mark.anyio
async def test_imports_that_end_their_process_are_not_tried_again(tmp_path: Path) -> None:
    """Runs start cold and say why."""
    (tmp_path / "leaving.py").write_text("import os, sys; sys.stderr.write('no\\n'); os._exit(3)")
    async with pool_for(1, "leaving") as pool:
        await why_cold(pool, folder=tmp_path)
        with anyio.fail_after(_PATIENCE_S):
            while not pool._failed:  # noqa: ASYNC110 - no event
                await anyio.sleep(0.02)

        assert await why_cold(pool, folder=tmp_path) == "its imports failed: no"


@pytest.mark.anyio
async def test_none_is_no_pool() -> None:
    """The setting that turns warm starts off."""
    async with warm_pool(0) as pool:
        assert pool is None


def test_runs_of_a_worker_start_warm_with_their_own_lease(pool: Pool) -> None:
    """From outside they are found by its marks; how one ends is told, and what it printed shown."""
    worker = pool.start(PERENNIAL_WARM_ENVIRONMENTS="1", PERENNIAL_WARM_IMPORTS="prefect.engine")
    started = pool.run()
    assert psutil.Process(started.seen()["pid"]).ppid() == worker.pid
    waited(lambda: "Started cold: nothing was imported yet" in pool.log())
    started.let_go()

    while psutil.Process(started.seen()["pid"]).ppid() == worker.pid:
        started.let_go()
        started.over()
        started = pool.run()

    process = psutil.Process(started.seen()["pid"])
    (lease,) = [each for each in pool.leases if each.run == started.id]
    assert process.environ()["PERENNIAL_LEASE"] == str(lease.id)
    assert process.cmdline()[1:3] == ["-m", "prefect.engine"]
    assert lease.process is not None
    assert lease.process.pid == process.pid == os.getpgid(process.pid)
    process.kill()
    state = started.over().state
    assert state is not None
    assert (state.name, "-9" in (state.message or "")) == ("Crashed", True)
    waited(lambda: not pool.leases)
    last = pool.run()
    last.seen()
    last.let_go()
    name = last.over().name
    waited(lambda: f"Flow run '{name}' - Finished in state Completed()" in pool.log())

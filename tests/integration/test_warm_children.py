"""A run's process that was forked from one that imports: it is as if it had just been started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from infra.settings import PROJECT
from infra.warm.children import WarmChild
from infra.warm.nurseries import Nursery
from infra.warm.surroundings import INSTALLED, OURS, ColdError, Surroundings
from tests.support.pools import waited

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")

_PATIENCE_S = 30.0

WORKER = """
import anyio, sys
from pathlib import Path
from tests.integration.test_warm_children import forking

async def main():
    async with forking(Path(sys.argv[1])) as forks:
        begun = await forks.fork("import time; time.sleep(60)")
        begun.begin()
        waits = await forks.fork("pass")
        print(forks.nursery.pid, begun.pid, waits.pid, flush=True)
        await anyio.sleep(60)

anyio.run(main)
"""


@pytest.fixture
def anyio_backend() -> str:
    """Prefect's workers run on asyncio."""
    return "asyncio"


def environment(**more: str) -> dict[str, str]:
    """Variables as a worker has them."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), **more}


class Forks:
    """Processes of a nursery, and what they print."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.out, self.err = folder / "out", folder / "err"

    async def fork(self, code: str, *, folder: Path = PROJECT, **variables: str) -> WarmChild:
        """A process that waits to do what the code says."""
        with self.out.open("ab") as out, self.err.open("ab") as err:
            work = {
                "module": "tests.support.warmed",
                "command": [sys.executable, "-m", "tests.support.warmed", "one"],
                "environment": environment(CODE=code, **variables),
                "folder": str(folder),
            }
            return await self.nursery.fork(out.fileno(), err.fileno(), work)

    async def run(self, code: str, variables: dict[str, str] | None = None) -> int:
        """The exit code of a process that does what the code says."""
        child = await self.fork(code, folder=PROJECT, **(variables or {}))
        child.begin()
        with anyio.fail_after(_PATIENCE_S):
            return await child.wait()


@asynccontextmanager
async def forking(
    folder: Path, imports: Sequence[str] = (), **variables: str
) -> AsyncIterator[Forks]:
    """A nursery that imports next to nothing, ready."""
    _, surroundings = Surroundings.of(environment(CODE="x" * 2000, **variables), PROJECT)
    nursery = Nursery(surroundings, imports, str(folder))
    async with anyio.create_task_group() as group:
        group.start_soon(nursery.listen)
        with anyio.fail_after(_PATIENCE_S):
            while not nursery.ready:  # noqa: ASYNC110 - another process sets no event
                await anyio.sleep(0.02)
        try:
            yield Forks(nursery, folder)
        finally:
            nursery.end()


async def until(claim: Callable[[], object]) -> None:
    """Return as soon as a claim holds."""
    with anyio.fail_after(_PATIENCE_S):
        while not claim():  # noqa: ASYNC110 - as above
            await anyio.sleep(0.02)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('why')", 1),
        ("raise ValueError('why')", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 15)", -15),
        ("import os; os._exit(7)", 7),
        ("input()", 1),
    ],
)
async def test_an_exit_code_is_that_of_a_new_interpreter(
    code: str, ended: int, tmp_path: Path
) -> None:
    """What ends it and what it says of it are Python's, told by its parent."""
    async with forking(tmp_path) as forks:
        assert await forks.run(code) == ended


@pytest.mark.anyio
async def test_what_was_read_before_the_run_was_known_is_read_again(tmp_path: Path) -> None:
    """Dask's settings of a run without devices; a key of multiprocessing is no other run's."""
    code = (
        "import dask, multiprocessing as m; "
        "print(dask.config.get('distributed.diagnostics.nvml'), m.current_process().authkey)"
    )
    async with forking(tmp_path, ["distributed", "multiprocessing"]) as forks:
        assert await forks.run(code, {"DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False"}) == 0
        assert await forks.run(code) == 0

    one, other = (line.split(" ", 1) for line in forks.out.read_text().splitlines())
    assert (one[0], other[0]) == ("False", "True")
    assert one[1] != other[1]


@pytest.mark.anyio
async def test_an_event_loop_of_an_import_is_each_run_s_own(tmp_path: Path) -> None:
    """Evidently makes one; two runs that shared it would wake each other, and wait for ever."""
    (tmp_path / "looped.py").write_text("import asyncio\nloop = asyncio.new_event_loop()\n")
    runs = (
        "import asyncio, looped, threading, time\n"
        "threading.Thread(target=looped.loop.run_forever, daemon=True).start()\n"
    )
    asks = (
        "time.sleep(0.5)\n"
        "for _ in range(200):\n"
        "    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), looped.loop).result(2)\n"
    )
    place = f"{PROJECT}{os.pathsep}{tmp_path}"

    async with forking(tmp_path, ["looped"], PYTHONPATH=place) as forks:
        idle = await forks.fork(f"{runs}time.sleep(60)", PYTHONPATH=place)
        idle.begin()
        ended = await forks.run(runs + asks, {"PYTHONPATH": place})
        idle.kill()

    assert ended == 0, forks.err.read_text()


@pytest.mark.anyio
async def test_settings_that_change_are_noticed(tmp_path: Path) -> None:
    """A file of Dask's that is new, and one of Matplotlib's that is another."""
    (dask := tmp_path / "dask").mkdir()
    (rc := tmp_path / "matplotlibrc").write_text("figure.dpi: 50\n")
    variables = {"DASK_CONFIG": str(dask), "MATPLOTLIBRC": str(rc)}

    async with forking(tmp_path, ["dask.config", "matplotlib"], **variables) as forks:
        before = forks.nursery.changed()
        (dask / "mine.yaml").write_text("mine: 1\n")
        added = forks.nursery.changed()
    async with forking(tmp_path, ["dask.config", "matplotlib"], **variables) as forks:
        rc.write_text("figure.dpi: 70\n")
        edited = forks.nursery.changed()

    assert (before, added, edited) == ("", str(dask), str(rc))


@pytest.mark.anyio
async def test_a_process_is_its_runs_from_outside_and_inside(tmp_path: Path) -> None:
    """Whoever looks for a lease's processes reads variables and command where the kernel shows."""
    (tmp_path / "here").mkdir()
    code = (
        "import os, sys, json; "
        "print(json.dumps([os.getcwd(), sys.path[0], sys.argv[1:], __spec__.name, __name__, "
        "sys.modules['__main__'].__spec__.name, os.getpid() == os.getsid(0) == os.getpgid(0), "
        "'GONE' in os.environ, os.environ['PERENNIAL_LEASE'], os.listdir('/proc/self/fd')]), "
        "flush=True); import time; time.sleep(60)"
    )
    async with forking(tmp_path, GONE="1") as forks:
        child = await forks.fork(code, folder=tmp_path / "here", PERENNIAL_LEASE="7")
        child.begin()
        await until(lambda: forks.out.exists() and forks.out.read_text().endswith("\n"))

        seen = psutil.Process(child.pid)
        assert seen.environ()["PERENNIAL_LEASE"] == "7"
        assert "GONE" not in seen.environ()
        assert [each for each in seen.cmdline() if each][1:] == [
            *("-m", "tests.support.warmed", "one")
        ]
        child.kill()
        assert await child.wait() == -signal.SIGKILL

    import json

    told: list[Any] = json.loads(forks.out.read_text())
    here = str(tmp_path / "here")
    name = "tests.support.warmed"
    assert told == [here, here, ["one"], name, "__main__", name, True, False, "7", told[-1]]
    assert len(told[-1]) == 4  # the three streams, and the folder that is read


@pytest.mark.anyio
async def test_no_two_processes_draw_the_same_numbers(tmp_path: Path) -> None:
    """A fork copies the state of every generator."""
    draw = "import random, numpy, uuid; print(random.random(), numpy.random.rand())"
    async with forking(tmp_path, ["numpy"]) as forks:
        assert [await forks.run(draw), await forks.run(draw)] == [0, 0]

    drawn = forks.out.read_text().split()
    assert len(set(drawn)) == 4


@pytest.mark.anyio
@pytest.mark.parametrize(("named", "threads"), [("2", 2), ("1", 1), ("", None)])
async def test_thread_pools_are_as_the_run_says(
    named: str, threads: int | None, tmp_path: Path
) -> None:
    """They were sized for one thread while they were imported; unset, they are of all cores."""
    code = (
        "import threadpoolctl, os; print(*(each['num_threads'] for each in "
        "threadpoolctl.threadpool_info() if each['user_api'] == 'blas'), "
        "os.environ.get('OPENBLAS_NUM_THREADS'))"
    )
    sizes = {"OPENBLAS_NUM_THREADS": named, "OMP_NUM_THREADS": named}
    async with forking(tmp_path, ["numpy"], **sizes) as forks:
        assert await forks.run(code, sizes) == 0

    *pools, told = forks.out.read_text().split(" ")
    assert set(pools) == {str(threads or len(os.sched_getaffinity(0)))}
    assert told.strip() == named


@pytest.mark.anyio
async def test_what_is_started_from_it_works_as_from_any_process(tmp_path: Path) -> None:
    """Processes of all three kinds, programs and threads; what is left at its end is printed."""
    code = (
        "import multiprocessing as m, subprocess, sys, threading, atexit, operator\n"
        "if __name__ == '__main__':\n"
        "    atexit.register(print, 'at the end')\n"
        "    for kind in ('spawn', 'forkserver', 'fork'):\n"
        "        with m.get_context(kind).Pool(1) as pool:\n"
        "            print(kind, pool.apply(operator.add, (1, 2)))\n"
        "    said = subprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True)\n"
        "    thread = threading.Thread(target=print, args=(said.stdout,))\n"
        "    thread.start()\n"
    )
    async with forking(tmp_path) as forks:
        assert await forks.run(code) == 0, forks.err.read_text()

    said = forks.out.read_text().splitlines()
    assert said == ["spawn 3", "forkserver 3", "fork 3", "b'5\\n'", "at the end"]


@pytest.mark.anyio
async def test_a_process_without_work_ends_with_whoever_would_give_it(tmp_path: Path) -> None:
    """A worker that is killed leaves nothing that waits."""
    async with forking(tmp_path) as forks:
        child = await forks.fork("pass")

        child._job.close()

        assert await child.wait() == 0


@pytest.mark.anyio
async def test_a_run_outlives_the_process_that_forked_it(tmp_path: Path) -> None:
    """Its end is noticed, and only what ended it nobody can tell."""
    go = tmp_path / "go"
    code = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)"
    async with forking(tmp_path) as forks:
        child = await forks.fork(code)
        child.begin()
        await anyio.sleep(0.2)

        os.kill(forks.nursery.pid, signal.SIGKILL)
        await anyio.sleep(0.5)
        assert psutil.Process(child.pid).is_running()
        assert child.returncode is None
        go.touch()

        with anyio.fail_after(_PATIENCE_S):
            assert await child.wait() == -signal.SIGKILL


def test_a_killed_worker_leaves_its_runs_and_nothing_else(tmp_path: Path) -> None:
    """What has imported, and what waits, end at once with it: nobody will ask for them."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)],
        env=environment(),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        nursery, begun, waits = (int(each) for each in worker.stdout.readline().split())

        worker.kill()

        waited(lambda: not psutil.pid_exists(nursery))
        waited(lambda: not psutil.pid_exists(waits))
    run = psutil.Process(begun)
    assert run.is_running()
    run.kill()


@pytest.mark.anyio
async def test_a_retired_process_stays_until_its_runs_have_ended(tmp_path: Path) -> None:
    """It forks no more, and tells how they ended."""
    go = tmp_path / "go"
    code = (
        "import pathlib, time, sys\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n"
        "sys.exit(5)"
    )
    async with forking(tmp_path) as forks:
        child = await forks.fork(code)
        child.begin()

        forks.nursery.retire()
        await anyio.sleep(0.2)
        go.touch()

        assert await child.wait() == 5
        await until(lambda: not psutil.pid_exists(forks.nursery.pid))


@pytest.mark.anyio
async def test_an_environment_that_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    """Else the kernel would show half of it, perhaps without the lease."""
    async with forking(tmp_path) as forks:
        with pytest.raises(ColdError, match="bytes larger than usual"):
            await forks.fork("pass", LONG="x" * 2**14)


@pytest.mark.anyio
async def test_a_module_that_starts_threads_is_named(tmp_path: Path) -> None:
    """Nothing is forked from a process of two threads."""
    _, surroundings = Surroundings.of(environment(), PROJECT)
    nursery = Nursery(surroundings, ["tests.support.threaded", "numpy"], str(tmp_path))

    with anyio.fail_after(_PATIENCE_S):
        assert await nursery.listen() == "tests.support.threaded: there are 2 threads"
    assert not nursery.ready


@pytest.mark.anyio
@pytest.mark.slow
async def test_all_that_runs_need_is_imported_in_one_thread(tmp_path: Path) -> None:
    """Whatever of it starts threads after an upgrade would make every start slow."""
    began = time.monotonic()
    async with forking(tmp_path, (*OURS, *INSTALLED)) as forks:
        took_s = time.monotonic() - began
        wanted = {"mlflow", "evidently", "tasks.training.fitting"}
        code = f"import sys; print(*({wanted} - {{*sys.modules}}))"
        assert await forks.run(code) == 0
        assert forks.out.read_text() == "\n"
        again = time.monotonic()
        await forks.run("pass")
        assert time.monotonic() - again < took_s / 2

"""A run's own Dask cluster: cut to what the run was given, gone when the run is."""

import logging
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from infra.errors import BackendError, PerennialError, ResourceError
from infra.resources import TrainingRequest
from infra.settings import settings
from infra.threads import pools_of

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

Job = TypeVar("Job")
Result = TypeVar("Result")

_ONE_THREAD = pools_of(1)
"""One core, one worker, one thread: pools that fight for cores are ten times slower."""

_QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical", "MALLOC_TRIM_THRESHOLD_": "65536"}
_START_S = 60


def _rest() -> None:
    """Nothing."""


@contextmanager
def cluster(
    resources: TrainingRequest,
    imports: Sequence[str] = (),
    meanwhile: Callable[[], None] = _rest,
) -> "Iterator[Client]":
    """A client of as many workers of one thread as there are cores; they end with the block.

    The memory is split between the workers; one that exceeds its share is killed, and so is the
    block's work (`ResourceError` from `spread`). The workers watch a pipe to this process and
    leave when it is gone, even by SIGKILL.

    Args:
        resources: cores and memory of the run.
        imports: modules that the workers will need; imported once, for all of them.
        meanwhile: done here while they are imported.

    Raises:
        BackendError: the workers did not start.
    """
    with _forking(imports):
        import dask
        from distributed import Client

        meanwhile()
        with dask.config.set(_options()), _quiet("distributed"):
            workers = _workers(resources)
            with workers, Client(workers, timeout=_START_S) as client:
                yield client


def _options() -> dict[str, object]:
    return {
        "distributed.worker.multiprocessing-method": "forkserver",
        "distributed.scheduler.allowed-failures": 0,  # else a dead worker's task waits for ever
        "distributed.worker.memory.target": False,  # nothing is kept in workers to be spilled
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,  # a paused worker would never end its task
        "distributed.worker.memory.terminate": 0.95,
        "distributed.comm.timeouts.connect": f"{_START_S}s",
        "distributed.scheduler.http.routes": [],  # nobody looks, so nothing is served
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,
        "distributed.diagnostics.nvml": False,  # a GPU that is unwell would keep workers from work
        "distributed.nanny.pre-spawn-environ": {**_ONE_THREAD, **_QUIET},
        "temporary-directory": str(_scratch()),
    }


def _workers(resources: TrainingRequest) -> "LocalCluster":
    from distributed import LocalCluster

    try:
        _scratch().mkdir(parents=True, exist_ok=True)
        with _nameless_main():
            return LocalCluster(
                n_workers=resources.cpus,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # None means port 8787
                memory_limit=resources.memory // resources.cpus,
                security=True,  # else every user of the machine could hand the workers code
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise BackendError(
            f"{resources.cpus} Dask workers did not start: {type(error).__name__}: {error}.",
            hint="See that training.resources fits this machine and run again.",
        ) from error


def _scratch() -> Path:
    return settings().home / "dask"


def spread(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    resources: TrainingRequest,
    told: Callable[[Result], None] = lambda _: None,
    imports: Sequence[str] = (),
    meanwhile: Callable[[], None] = _rest,
) -> list[Result]:
    """What `work` returns for each job, in the order of the jobs, on a cluster of the run's own.

    With one core or one job nothing could be done at the same time, so the work is done in this
    process: the debug twin, which needs no cluster and stops in a debugger. Its memory is that of
    the run and not watched.

    Args:
        work: an importable function; jobs and results are references, never frames.
        jobs: what to do, one call each.
        resources: cores and memory of the run.
        told: called here with each result as it arrives.
        imports: what the work will import beside its own module.
        meanwhile: done here while workers, if there are any, get ready.

    Raises:
        ResourceError: a worker died, most often because it needed more memory than its share.
        BackendError: the work failed with an error that is not ours.
    """
    if resources.cpus == 1 or len(jobs) <= 1:
        return [_tell(work(job), told) for job in jobs]
    fitting = resources.model_copy(update={"cpus": min(resources.cpus, len(jobs))})
    with cluster(fitting, (work.__module__, *imports), meanwhile) as client:
        from distributed import as_completed

        futures = [client.submit(work, job, pure=False) for job in jobs]
        for future in as_completed(futures):
            told(_result(future, fitting))
        return [future.result() for future in futures]


def _tell(result: Result, told: Callable[[Result], None]) -> Result:
    told(result)
    return result


def _result(future: "Future", resources: TrainingRequest) -> Result:  # type: ignore[type-var] # Dask is untyped
    from distributed import KilledWorker

    error = future.exception()
    if error is None:
        result: Result = future.result()
        return result
    if isinstance(error, PerennialError):
        raise error
    if isinstance(error, KilledWorker):
        share = resources.memory // resources.cpus // 2**20
        raise ResourceError(
            f"A worker died at its work; each of {resources.cpus} had {share} MiB.",
            hint="Raise training.resources.memory, or lower cpus so that each worker has more.",
        ) from error
    raise BackendError(f"A worker failed: {type(error).__name__}: {error}.") from error


@contextmanager
def _forking(imports: Sequence[str]) -> Iterator[None]:
    """A process, gone at the block's end, from which workers are forked with all they import.

    It is a fresh one that has only imported: a fork of this process would copy the locks of its
    threads. Whatever starts threads of its own accord (deltalake does) must not be imported there.
    """
    modules = ["infra.garbage", "distributed", *imports]
    multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
    with _environment({**_ONE_THREAD, **_QUIET}), _nameless_main():
        multiprocessing.forkserver.ensure_running()
    try:
        yield
    finally:
        _end_forking()


def _end_forking() -> None:
    """Left alone the process would stay until this one ends, and hold its memory.

    It is killed because it keeps nothing, and its own end would take half a second; then Python's
    way of stopping it, which only tests of Python use, waits for it and forgets it.
    """
    server: Any = vars(multiprocessing.forkserver)["_forkserver"]
    pid = vars(server)["_forkserver_pid"]
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        getattr(server, "_stop")()  # noqa: B009 - there is no public way, and mypy knows of none


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Processes that are started meanwhile see these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Processes that are spawned meanwhile do not import this one's main module.

    In a run that is Prefect's engine, 1.7 s of imports for each worker; jobs are importable
    functions, so workers never need it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """The library's loggers say nothing: what went wrong is said once, by our own error."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

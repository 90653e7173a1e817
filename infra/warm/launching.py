"""The one place where a worker's runs get a process: Prefect's starter calls `run_process`.

A worker says in `launch` how the run that it starts is to be started. Where nothing is said,
Prefect's own way holds.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.abc
from anyio.to_thread import run_sync
from prefect.bundles import execute_bundle_in_subprocess
from prefect.runner import _starter_bundle, _starter_engine
from prefect.utilities import processutils

from infra.warm.certificates import read_once
from infra.warm.children import WarmChild
from infra.warm.output import Output, Sink, followed
from infra.warm.pool import WarmPool
from infra.warm.surroundings import ColdError

_Streams = tuple[Output | None, Output]


def _nothing(*_: object) -> None:
    """Nothing."""


@dataclass(frozen=True)
class Launch:
    """How the process of one run is started."""

    prepare: Callable[[int], None] = _nothing
    """Called in a thread with the pid as soon as there is a process, before Prefect is told of it.
    Where it raises, the process is killed and the error goes on."""

    warm: WarmPool | None = None
    """Where a process may be had that has imported already."""

    told: Callable[[str], None] = _nothing
    """Called with why a run was started cold although there is a pool."""

    ended: Callable[[int | None, str], None] = _nothing
    """Called with its exit code and the last that it said on standard error."""


launch: Final[ContextVar[Launch | None]] = ContextVar("launch", default=None)
"""How the run that this task starts is to be started; None for Prefect's own way."""


def install() -> None:
    """From now on Prefect's starter asks `launch` how a run is to be started."""
    setattr(_starter_engine, "run_process", run_process)  # noqa: B010 - "patch the module to override", says its docstring
    read_once()
    setattr(_starter_bundle, "execute_bundle_in_subprocess", run_bundle)  # noqa: B010 - as above


def run_bundle(bundle: Any, *given: Any, **options: Any) -> Any:  # noqa: ANN401 - Prefect's own
    """As Prefect's ``execute_bundle_in_subprocess``, and what `launch` says is done to it."""
    process, chosen = execute_bundle_in_subprocess(bundle, *given, **options), launch.get()
    if chosen is not None:
        try:
            chosen.prepare(process.pid or 0)
        except BaseException:
            process.kill()
            raise
    return process


async def run_process(
    command: list[str],
    *,
    stream_output: "bool | tuple[Sink | None, Sink | None]" = False,
    task_status: "anyio.abc.TaskStatus[Any] | None" = None,
    task_status_handler: Callable[[anyio.abc.Process], Any] | None = None,
    **options: Any,  # noqa: ANN401 - those of Prefect's
) -> anyio.abc.Process:
    """As Prefect's of this name; in a process group of its own, and with what `launch` says.

    Its output goes through files, and what it asks on its standard input finds nothing there.
    """
    chosen = launch.get()
    if chosen is None:
        return await processutils.run_process(
            command,
            stream_output=stream_output,  # type: ignore[arg-type] # as it came
            task_status=task_status,  # type: ignore[arg-type] # as it came
            task_status_handler=task_status_handler,  # type: ignore[arg-type] # as it came
            **options,
        )
    with _outputs(stream_output) as (out, err):
        async with _started(chosen, command, (out, err), options) as process:
            await _prepare(process, chosen)
            if task_status is not None:
                told = task_status_handler(process) if task_status_handler else process.pid
                task_status.started(told)
            async with followed(each for each in (out, err) if each):
                await process.wait()
        chosen.ended(process.returncode, err.words)
    return process


@contextmanager
def _outputs(
    asked: "bool | tuple[Sink | None, Sink | None]",
) -> Iterator[_Streams]:
    """Where a run's two streams go, None for nowhere; how it ends is said on the second."""
    shown, told = (sys.stdout, sys.stderr) if asked is True else asked or (None, None)
    out, err = None if shown is None else Output(shown), Output(told)
    try:
        yield out, err
    finally:
        for each in (out, err):
            if each is not None:
                each.close()


@asynccontextmanager
async def _started(
    chosen: Launch, command: list[str], streams: _Streams, options: dict[str, Any]
) -> AsyncIterator[anyio.abc.Process]:
    """A process for a command; killed where the block is left before it has ended."""
    child = await _forked(chosen, command, streams, options)
    if child is not None:
        async with child:
            yield child
        return
    out, err = (subprocess.DEVNULL if each is None else each for each in streams)
    own = {**options, "start_new_session": True}
    async with processutils.open_process(
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **own
    ) as process:
        yield process


async def _forked(
    chosen: Launch, command: list[str], streams: _Streams, options: dict[str, Any]
) -> WarmChild | None:
    """A process that has imported; None where there is none, and why is told."""
    if chosen.warm is None:
        return None
    try:
        with _descriptors(streams) as both:
            return await chosen.warm.child(command, options["env"], options["cwd"], both)
    except (ColdError, OSError) as error:
        chosen.told(f"Started cold: {error}.")
        return None


@contextmanager
def _descriptors(streams: _Streams) -> Iterator[tuple[int, int]]:
    """The descriptors of two streams, where None is nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        out, err = (nowhere if each is None else each.fileno() for each in streams)
        yield out, err
    finally:
        os.close(nowhere)


async def _prepare(process: anyio.abc.Process, chosen: Launch) -> None:
    """What is to be done with a process before it is known; one that waits begins then."""
    try:
        await run_sync(chosen.prepare, process.pid)
        if isinstance(process, WarmChild):
            process.begin()
    except BaseException:
        process.kill()
        raise

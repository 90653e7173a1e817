"""A worker's patrol while it serves: in a thread, again and again, and never the worker's end."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from infra.gpu.patrol import Move, Patrol

_log = logging.getLogger("prefect.worker.gpu")


@asynccontextmanager
async def going_round(
    patrol: "Patrol", every_s: float, move: "Callable[[Move], Awaitable[None]]"
) -> AsyncIterator[None]:
    """Go round as long as the block lasts.

    Args:
        patrol: what a round does.
        every_s: seconds between two rounds.
        move: sends a run elsewhere; asked again at each round until the run has gone.
    """
    async with anyio.create_task_group() as rounds:
        rounds.start_soon(_go, patrol, every_s, move)
        yield
        rounds.cancel_scope.cancel()


async def _go(patrol: "Patrol", every_s: float, move: "Callable[[Move], Awaitable[None]]") -> None:
    async with anyio.create_task_group() as ways:
        while True:
            for each in await _once(patrol):
                ways.start_soon(_send, move, each)
            await anyio.sleep(every_s)


async def _once(patrol: "Patrol") -> "list[Move]":
    try:
        return await run_sync(patrol.once)
    except Exception:  # noqa: BLE001 - whatever a round stumbles over, runs are served
        _log.exception("A round of the patrol failed; the next one is made all the same.")
        return []


async def _send(move: "Callable[[Move], Awaitable[None]]", each: "Move") -> None:
    try:
        await move(each)
    except Exception:  # noqa: BLE001 - as above
        _log.exception("Run %s could not be sent elsewhere.", each.lease.run)

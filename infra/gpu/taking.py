"""From the runs that are due to those that start here now, each with its lease."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from socket import gethostname
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync
from prefect.exceptions import ObjectNotFound
from prefect.states import Failed

from infra.errors import ConfigError, PerennialError
from infra.gpu.asking import Requests
from infra.gpu.claiming import Left, WaitingRun
from infra.gpu.configuration import GpuProcessJobConfiguration
from infra.gpu.offers import Neighbours
from infra.gpu.placement import Impossible
from infra.gpu.telling import Pages

if TYPE_CHECKING:
    from logging import LoggerAdapter
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, WorkPool

    from infra.gpu.keeping import Keeper
    from infra.gpu.machine import Machine

    Logger = Callable[[FlowRun], LoggerAdapter[Any]]

_TOLD_S: Final = 30.0


class Taking:
    """Takes what can start now; says of the rest what it waits for, and refuses what never can."""

    def __init__(
        self, machine: "Machine", keeper: "Keeper", client: "PrefectClient", logger: "Logger"
    ) -> None:
        _, pool, worker = machine.worker.name.rsplit("/", 2)
        self._machine, self._keeper, self._client = machine, keeper, client
        self._logger, self._worker = logger, worker
        self._requests = Requests(GpuProcessJobConfiguration)
        self._neighbours = Neighbours(client, pool, worker, machine.journal.identity)
        self._pages = Pages(client, worker, gethostname())
        self._told_s = -_TOLD_S

    async def take(self, due: "list[FlowRun]", pool: "WorkPool", most: int | None) -> "list[UUID]":
        """The runs to start now, each with its lease; those of a deployment that is gone with none.

        Args:
            due: what the pool has for this worker.
            pool: the pool, for its template.
            most: how many more runs the worker may have, None for as many as fit.

        Raises:
            IntegrityError: another process has taken this worker's name, or the journal is damaged.
            ResourceError: the journal cannot be had now.
            BackendError: its disk fails.
        """
        waiting, gone = await self._read(due, pool)
        if not waiting and not self._machine.notes:  # else what is noted of them is cleared
            return gone
        async with self._keeper.deciding:
            decided = await run_sync(self._machine.claim, waiting, most)
            for lease in decided.taken:
                self._keeper.give(lease)
        by_id = {run.id: run for run in due}
        asked = {each.run: each for each in waiting}
        left = [
            each
            for each in decided.left
            if not await self._never(by_id[each.run], asked[each.run], each)
        ]
        for each in await self._pages.tell(left, waiting):
            self._logger(by_id[each.run]).info("It waits. %s", each.answer.why)
        return [*gone, *(lease.run for lease in decided.taken)]

    async def tell(self) -> None:
        """Let the other machines of the pool know what this one could give.

        Raises:
            BackendError: there is a driver, and it fails.
        """
        if time.monotonic() < self._told_s + _TOLD_S:
            return
        seen = await run_sync(self._machine.lookout.read)
        await self._neighbours.tell(seen.inventory)
        self._told_s = time.monotonic()

    async def _read(
        self, due: "list[FlowRun]", pool: "WorkPool"
    ) -> "tuple[list[WaitingRun], list[UUID]]":
        """What the runs ask, and those whose deployment is gone; nonsense is refused at once."""
        self._requests.keep({run.id for run in due})
        waiting, gone = [], []
        for run in due:
            try:
                request = await self._requests.of(run, self._client, pool, self._worker)
            except ConfigError as error:
                await self._refuse(run, error)
                continue
            if request is None:
                gone.append(run.id)
            else:
                waiting.append(WaitingRun(run=run.id, request=request, since=_since(run)))
        return waiting, gone

    async def _never(self, run: "FlowRun", waiter: WaitingRun, left: Left) -> bool:
        """Whether a run was refused: neither this machine nor another of the pool could do it."""
        if not isinstance(left.answer, Impossible):
            return False
        never = await self._neighbours.why_never(waiter.request, left.answer.why)
        if never is not None:
            await self._refuse(run, never)
        return never is not None

    async def _refuse(self, run: "FlowRun", why: PerennialError) -> None:
        """End a run that nothing can be placed for, with the reason on its page."""
        self._logger(run).error("Refused. %s", why)
        with suppress(ObjectNotFound):  # somebody has deleted it
            await self._client.set_flow_run_state(run.id, Failed(name="Refused", message=str(why)))


def _since(run: "FlowRun") -> datetime:
    """When a run was due: Prefect's times are of a kind that not every sum can be made of."""
    due = run.next_scheduled_start_time or run.expected_start_time
    return datetime.now(UTC) if due is None else datetime.fromtimestamp(due.timestamp(), UTC)

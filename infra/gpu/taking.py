"""From the runs that are due to those that start here now, each with its lease."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from socket import gethostname
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from anyio.to_thread import run_sync
from prefect.exceptions import ObjectNotFound
from prefect.states import Failed

from infra.errors import ConfigError, PerennialError
from infra.gpu.asking import Requests
from infra.gpu.claiming import Left, WaitingRun
from infra.gpu.configuration import GpuProcessJobConfiguration
from infra.gpu.lateness import Lateness
from infra.gpu.offers import Neighbours
from infra.gpu.placement import Impossible
from infra.gpu.succession import Succession
from infra.gpu.telling import Pages
from infra.resources import RunRequest

if TYPE_CHECKING:
    from logging import LoggerAdapter
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, WorkPool

    from infra.gpu.keeping import Keeper, Kept
    from infra.gpu.machine import Machine

    Logger = Callable[[FlowRun], LoggerAdapter[Any]]

_TOLD_S: Final = 30.0
_ALONE_S: Final = 1.0
_LOOK_S: Final = 0.5


class _Standing(NamedTuple):
    """A run that is decided on with those of the pool, and by what it hears of it."""

    run: "FlowRun"
    waiter: WaitingRun
    decided: anyio.Event


class Taking:
    """Takes what can start now; says of the rest what it waits for, and refuses what never can."""

    def __init__(
        self, machine: "Machine", keeper: "Keeper", client: "PrefectClient", logger: "Logger"
    ) -> None:
        _, pool, worker = machine.worker.name.rsplit("/", 2)
        self._machine, self._keeper, self._client = machine, keeper, client
        self._logger, self._worker = logger, worker
        self._requests = Requests(GpuProcessJobConfiguration)
        self._lateness = Lateness(client)
        self._succession = Succession(client, self._lateness)
        self._neighbours = Neighbours(client, pool, worker, machine.journal.identity)
        self._pages = Pages(client, worker, gethostname())
        self._told_s, self._took_s = -_TOLD_S, -_ALONE_S
        self._standing: dict[UUID, _Standing] = {}
        self._left: list[tuple[FlowRun, WaitingRun, Left]] = []
        self._held: dict[UUID, tuple[FlowRun, str]] = {}

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
        self._took_s = time.monotonic()
        due = await self._ready(due, datetime.now(UTC))
        waiting, gone = await self._read(due, pool)
        waiting += [each.waiter for each in self._standing.values()]
        if not waiting and not self._machine.notes:  # else what is noted of them is cleared
            return gone
        async with self._keeper.deciding:
            decided = await run_sync(self._machine.claim, waiting, most)
            for lease in decided.taken:
                self._keeper.give(lease)
        runs = {run.id: run for run in (*due, *(each.run for each in self._standing.values()))}
        asked = {each.run: each for each in waiting}
        self._left = [(runs[each.run], asked[each.run], each) for each in decided.left]
        taken = [lease.run for lease in decided.taken]
        return [*gone, *(run for run in taken if not self._sit(run))]

    async def _ready(self, due: "list[FlowRun]", now: datetime) -> "list[FlowRun]":
        """The runs that may start: wanted still, and not before one that they stand on."""
        if not due:
            return due
        due = await self._lateness.wanted(due, now)
        held = await self._succession.held(due, now)
        self._held = {run.id: (run, held[run.id]) for run in due if run.id in held}
        return [run for run in due if run.id not in held]

    async def stand(self, run: "FlowRun", request: RunRequest, pool: "WorkPool") -> "Kept | None":
        """The lease of a run that no server hands out, once there is one; None if it was refused.

        It is decided on together with those that the pool has; alone, where nobody looks for any.
        """
        waiter = WaitingRun(run=run.id, request=request, since=datetime.now(UTC))
        standing = self._standing[run.id] = _Standing(run, waiter, anyio.Event())
        try:
            while not standing.decided.is_set():
                if time.monotonic() >= self._took_s + _ALONE_S:
                    await self.take([], pool, None)
                    await self.say()
                with anyio.move_on_after(_LOOK_S):
                    await standing.decided.wait()
        except BaseException:  # the worker stops, and the run was never begun with
            self._standing.pop(run.id, None)
            if (kept := self._keeper.of(run.id)) is not None:
                await self._keeper.finish(kept)
            raise
        return self._keeper.of(run.id)

    async def asked(self, variables: dict[str, Any], pool: "WorkPool") -> RunRequest:
        """What a run of no deployment asks.

        Raises:
            ConfigError: nonsense.
        """
        return await self._requests.of_variables(variables, self._client, pool)

    async def say(self) -> None:
        """Tell the runs that were left what they wait for; refuse those that nobody could do."""
        left, self._left = self._left, []
        waits = [
            (run, waiter, each)
            for run, waiter, each in left
            if not await self._never(run, waiter, each)
        ]
        runs = {run.id: run for run, _, _ in waits}
        for run_id in await self._pages.hold({run: why for run, (_, why) in self._held.items()}):
            run, why = self._held[run_id]
            self._logger(run).info("It waits. %s", why)
        news = await self._pages.tell([each for *_, each in waits], [each for _, each, _ in waits])
        for each in news:
            self._logger(runs[each.run]).info("It waits. %s", each.answer.why)

    def _sit(self, run: "UUID") -> bool:
        """Whether somebody here stood for a run, and knows from now on that it is decided."""
        standing = self._standing.pop(run, None)
        if standing is not None:
            if (kept := self._keeper.of(run)) is not None:
                kept.running = True
            standing.decided.set()
        return standing is not None

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
        queues = list(dict.fromkeys(run.work_queue_id for run in due))  # they came by priority
        for run in due:
            try:
                request = await self._requests.of(run, self._client, pool, self._worker)
            except ConfigError as error:
                await self.refuse(run, error)
                continue
            if request is None:
                gone.append(run.id)
            else:
                queue = queues.index(run.work_queue_id)
                waiting.append(
                    WaitingRun(run=run.id, request=request, since=_since(run), queue=queue)
                )
        return waiting, gone

    async def _never(self, run: "FlowRun", waiter: WaitingRun, left: Left) -> bool:
        """Whether a run was refused: neither this machine nor another of the pool could do it."""
        if not isinstance(left.answer, Impossible):
            return False
        never = await self._neighbours.why_never(waiter.request, left.answer.why)
        if never is not None:
            await self.refuse(run, never)
        return never is not None

    async def refuse(self, run: "FlowRun", why: PerennialError) -> None:
        """End a run that nothing can be placed for, with the reason on its page."""
        self._logger(run).error("Refused. %s", why)
        with suppress(ObjectNotFound):  # somebody has deleted it
            await self._client.set_flow_run_state(run.id, Failed(name="Refused", message=str(why)))
        self._sit(run.id)


def _since(run: "FlowRun") -> datetime:
    """When a run was due: Prefect's times are of a kind that not every sum can be made of."""
    due = run.next_scheduled_start_time or run.expected_start_time
    return datetime.now(UTC) if due is None else datetime.fromtimestamp(due.timestamp(), UTC)

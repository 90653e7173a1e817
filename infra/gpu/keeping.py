"""The leases in a worker's hands, each looked after from the moment it is given to its end."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

import anyio
import httpx
from anyio.to_thread import run_sync
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Failed

from infra.errors import (
    BackendError,
    ConfigError,
    IntegrityError,
    PerennialError,
    ResourceError,
)
from infra.gpu.adoption import conclusion, is_of, of_another, process_of
from infra.gpu.beginnings import (
    MOST,
    UNMET,
    exhausted,
    met_no_server,
    never_began,
    start_again,
    starts_of,
)
from infra.gpu.leases import Lease
from infra.gpu.machine import Machine
from infra.gpu.moving import SIGNAL, fell, reschedule
from infra.gpu.notices import PrefectNotices
from infra.gpu.patrol import Move
from infra.processes import ProcessIdentity

_log = logging.getLogger("prefect.worker.gpu")

GRACE_S: Final = 30.0
"""A run that is to end is asked, and killed after so long. Source: Prefect's own, 30 s."""

STOP_S: Final = 8.0
"""The same when the worker itself is stopped: a supervisor waits 15 s for it."""

_LOOK_S: Final = 0.5
_AGAIN_S: Final = 2.0

_GONE = "Its process ended while its worker was away, and nobody saw how."
_LOST = "Its process ended and its state was not told."
_CANCELLED = "Flow run was cancelled successfully."
_UNSEEN = "Its process ended before its flow had begun, while its worker was away"


class Kept:
    """One lease, with what is known of its run."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.process = lease.process
        self.adopted = False
        """Whether another worker gave it, and is gone."""
        self.ending = False
        """Whether its processes are being ended."""
        self.running = False
        """Whether its run was begun with; until then it can be given back."""
        self.moving = ""
        """Why it must go elsewhere; empty while it may stay."""
        self.why = _LOST
        """What is said of its run where nobody else has told its end."""
        self.unbegun = ""
        """Why its process may have ended before its flow had begun; empty where nothing says so."""
        self.waits = False
        """Whether its run waits again: it did not fail."""

        self.trouble: ResourceError | None = None
        """Why the kernel killed something of its run."""

    @property
    def began(self) -> bool:
        """Whether it ever had a process."""
        return self.process is not None

    def ended(self, code: int | None, words: str) -> None:
        """Its process has ended, and these were its last words."""
        if met_no_server(code, words):
            self.unbegun = UNMET

    @property
    def overdue(self) -> bool:
        """Whether it has run longer than it may, by a clock that nobody sets."""
        most = self.lease.request.max_runtime
        age_s = self.process.age_s if self.process and self.process.alive else None
        return most is not None and age_s is not None and timedelta(seconds=age_s) > most


class Keeper:
    """Keeps a worker's leases: notes their processes, ends them, and tells Prefect the truth.

    A worker whose name another has taken may touch nothing any more, its runs least of all: that
    is told to `fenced`, which does not return.
    """

    def __init__(
        self, machine: Machine, client: PrefectClient, fenced: Callable[[IntegrityError], NoReturn]
    ) -> None:
        self._machine, self._client, self._fenced = machine, client, fenced
        self._kept: dict[UUID, Kept] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.deciding = anyio.Lock()
        """Held from a decision until its leases are in these hands: else they look abandoned."""

    def give(self, lease: Lease) -> None:
        """A lease that was just given."""
        self._kept[lease.run] = Kept(lease)

    def of(self, run: UUID) -> Kept | None:
        """The lease of a run."""
        return self._kept.get(run)

    @property
    def idle(self) -> list[Kept]:
        """Leases that no run has begun with."""
        return [kept for kept in self._kept.values() if not kept.running]

    def attach(self, kept: Kept, pid: int) -> None:
        """Note the process of a run; it blocks for a moment.

        Raises:
            ConfigError: it has ended already.
        """
        kept.process = ProcessIdentity.of(pid)
        try:
            self._machine.attach(kept.lease, kept.process)
        except IntegrityError as error:
            self._fenced(error)

    async def finish(self, kept: Kept) -> None:
        """The end of a lease: its run's state is true, its processes are gone, it is released."""
        with anyio.CancelScope(shield=True):
            try:
                await self._unless_fenced()
                kept.trouble = await run_sync(self._machine.trouble, kept.lease)
                if kept.trouble is not None:
                    PrefectNotices().tell(kept.lease.run, str(kept.trouble), logging.ERROR)
                with anyio.move_on_after(STOP_S if self._stopping else None):
                    await self._conclude(kept)
                    await self._report(kept)
                await self._leave(kept.lease)
            finally:  # a lease that is still there is taken over at the next look
                if self._kept.get(kept.lease.run) is kept:
                    del self._kept[kept.lease.run]

    async def adopt(self) -> list[Kept]:
        """Leases whose workers are gone, which are this one's from now on."""
        async with self.deciding:
            known = {kept.lease.id for kept in self._kept.values()}
            try:
                found = await run_sync(self._machine.take_over, known)
            except IntegrityError as error:
                self._fenced(error)
        adopted = []
        for lease in found:
            kept = Kept(lease)
            kept.adopted, kept.running, kept.why, kept.unbegun = True, True, _GONE, _UNSEEN
            self._kept[lease.run] = kept
            adopted.append(kept)
        return adopted

    async def attend(self, kept: Kept) -> None:
        """Stay with an adopted run until it is over, and end its lease."""
        try:
            process = await run_sync(process_of, self._machine.journal, kept.lease)
            if process is not None and not kept.began:
                with suppress(ConfigError, ResourceError):  # it has just ended, or is held by less
                    await run_sync(self.attach, kept, process.pid)
            while process is not None and process.alive:  # noqa: ASYNC110 - a process sets no event
                await anyio.sleep(_LOOK_S)
        finally:
            await self.finish(kept)

    async def end_cancelled(self) -> None:
        """End the runs that were taken over and are to be cancelled; Prefect ends its own."""
        mine = {run: kept for run, kept in self._kept.items() if kept.adopted and kept.began}
        if not mine:
            return
        asked = FlowRunFilter(
            id=FlowRunFilterId(any_=[*mine]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
        )
        for run in await self._client.read_flow_runs(flow_run_filter=asked):
            # Told first: a run that is ended says that it crashed, which its end puts right.
            await self._told(run.id, Cancelled(message=_CANCELLED))
            self._end(mine[run.id])

    async def end_overdue(self) -> None:
        """End the runs that have run for as long as they may."""
        for kept in [each for each in self._kept.values() if each.overdue and not each.ending]:
            message = (
                f"It ran for {kept.lease.request.max_runtime}, its max_runtime, and was ended. "
                "Raise max_runtime, or make it do less."
            )
            with anyio.CancelScope(shield=True):
                await self._told(kept.lease.run, Failed(name="TimedOut", message=message))
                self._end(kept)

    async def _told(self, run: UUID, state: "State[Any]") -> None:
        """Tell how a run is about to end, whatever retries it has; one that is deleted ends too."""
        await self._unless_fenced()
        with suppress(ObjectNotFound):
            now = (await self._client.read_flow_run(run)).state
            if now is None or not now.is_final():
                await self._client.set_flow_run_state(run, state, force=True)

    def _end(self, kept: Kept) -> None:
        """Ask its processes to end, and kill them after a grace, while others are looked after."""
        if not kept.ending:
            kept.ending = True
            end = asyncio.create_task(self._ended(kept))
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)

    async def _ended(self, kept: Kept) -> None:
        try:
            await run_sync(self._machine.end, kept.lease, GRACE_S)
        except Exception:  # noqa: BLE001 - whatever it was, the run is to end
            kept.ending = False
            _log.exception("Run %s could not be ended and is ended anew.", kept.lease.run)

    async def move(self, move: Move) -> None:
        """Send a run elsewhere: it is asked to save its work, and ended after its grace."""
        kept = self._kept.get(move.lease.run)
        if kept is None or kept.lease.id != move.lease.id or kept.moving or kept.process is None:
            return
        await self._unless_fenced()
        kept.moving, grace = move.why, kept.lease.request.checkpoint_grace
        self._machine.patrol.notices.tell(
            kept.lease.run,
            f"{move.why}. The run is asked to save its work ({SIGNAL.name}) and is ended after "
            f"{grace}; then it is placed again without that device.",
        )
        with suppress(ProcessLookupError):
            os.kill(kept.process.pid, SIGNAL)
        with anyio.move_on_after(grace.total_seconds()):
            while kept.process.alive:  # noqa: ASYNC110 - a process sets no event
                await anyio.sleep(_LOOK_S)
        await run_sync(self._machine.kill, kept.lease)

    async def verdict(self, kept: Kept, said: str) -> str | None:
        """What is told of a run whose process has ended badly; None where it waits again.

        Args:
            kept: its lease.
            said: what Prefect would tell.
        """
        if await self._leaves(kept):
            return None
        while kept.unbegun:  # else the server is there, or a crash that it misses is told below
            with suppress(httpx.HTTPError):
                return await self._unless_unbegun(kept, said)
            await anyio.sleep(_AGAIN_S)
        return said

    async def _unless_unbegun(self, kept: Kept, said: str) -> str | None:
        try:
            run = await self._client.read_flow_run(kept.lease.run)
        except ObjectNotFound:
            return said
        if not never_began(run, kept.lease):
            return said
        starts = await starts_of(self._client, run)
        return None if starts < MOST else exhausted(starts, kept.unbegun)

    async def _leaves(self, kept: Kept) -> bool:
        """Whether a run goes elsewhere: it was sent, or its device failed before anybody looked."""
        if not kept.moving and kept.began:
            kept.moving = await run_sync(self._machine.fault_of, kept.lease)
        return bool(kept.moving)

    async def stop(self, worker: str) -> None:
        """End every run, for the worker is being stopped."""
        self._stopping = True
        begun = [kept for kept in self._kept.values() if kept.began]
        if begun:
            await self._unless_fenced()
        for kept in begun:
            kept.why = f"Worker {worker} was stopped, and its runs with it."
        async with anyio.create_task_group() as ends:
            for kept in begun:
                ends.start_soon(run_sync, self._machine.end, kept.lease, STOP_S)

    async def _unless_fenced(self) -> None:
        """Go on only while the runs are this worker's to end and to speak for."""
        try:
            await run_sync(self._machine.check)
        except IntegrityError as error:
            self._fenced(error)
        except (ResourceError, BackendError, ConfigError) as error:  # their release waits for it
            _log.warning("The journal of leases does not answer. %s", error)

    async def _conclude(self, kept: Kept) -> None:
        """Let the run's state be true; asked again until the server answers."""
        while True:
            try:
                run = await self._client.read_flow_run(kept.lease.run)
                ours = not of_another(run, kept.lease) if kept.began else is_of(run, kept.lease)
                if ours:
                    await self._settle(kept, run)
            except ObjectNotFound:
                return
            except httpx.HTTPError:
                await anyio.sleep(_AGAIN_S)
            else:
                return

    async def _settle(self, kept: Kept, run: FlowRun) -> None:
        if run.state is None:
            return
        told = await _told_before(self._client, run)
        if told is not None:
            await self._client.set_flow_run_state(run.id, told, force=True)
            return
        leaves = kept.moving or (fell(run.state) and await self._leaves(kept))
        if leaves and await reschedule(self._client, run, kept.moving):
            return
        if kept.unbegun and kept.trouble is None and never_began(run, kept.lease):
            await start_again(self._client, run, kept.unbegun)
            kept.waits = True
            return
        state = conclusion(run.state, began=kept.began, why=kept.why, trouble=kept.trouble)
        if state is not None:
            await self._client.set_flow_run_state(run.id, state, force=True)

    async def _report(self, kept: Kept) -> None:
        """Put what the run made of its devices onto its page; without it, the run is as true."""
        try:
            page = await run_sync(self._machine.report, kept.lease)
            if page:
                about = "What this run used of the GPUs that it held."
                artifact = ArtifactCreate(
                    type="markdown", data=page, description=about, flow_run_id=kept.lease.run
                )
                await self._client.create_artifact(artifact)
        except IntegrityError as error:
            self._fenced(error)
        except (PerennialError, httpx.HTTPError) as error:
            _log.warning("What run %s used could not be told. %s", kept.lease.run, error)

    async def _leave(self, lease: Lease) -> None:
        while True:
            try:
                await run_sync(self._machine.leave, lease)
            except IntegrityError as error:
                self._fenced(error)
            except (ResourceError, BackendError, ConfigError):  # the disk may do better later
                await anyio.sleep(_AGAIN_S)
            else:
                return


async def _told_before(client: PrefectClient, run: FlowRun) -> "State[Any] | None":
    """The end that a run's crash has taken the place of: a process that is ended tells of a crash.

    Returns:
        What was told before it was ended, None where the crash is all there is to tell.
    """
    if run.state is None or run.state.type != StateType.CRASHED:
        return None
    before = [each for each in await client.read_flow_run_states(run.id) if each.id != run.state.id]
    last = max(before, key=lambda each: each.timestamp, default=None)
    if last is not None and last.type == StateType.CANCELLING:
        return Cancelled(message=_CANCELLED)
    if last is None or last.type not in {StateType.CANCELLED, StateType.FAILED}:
        return None
    return State(type=last.type, name=last.name, message=last.message)

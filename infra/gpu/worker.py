"""The worker of a GPU machine: Prefect's process worker, whose runs hold leases.

It is imported wherever Prefect looks for worker types: what leases need is imported when a worker
starts. What it overrides of Prefect beyond the public methods begins with an underscore; that it is
there and called is looked for at the import (`groundwork`, decision 16).
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import anyio
import anyio.abc
import httpx
from anyio.to_thread import run_sync
from prefect.exceptions import Abort, ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Pending
from prefect.utilities.engine import propose_state
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

from infra.errors import ConfigError, IntegrityError, PerennialError, ResourceError
from infra.gpu import groundwork  # noqa: F401 - it looks at Prefect before the next lines import it
from infra.gpu.configuration import GpuProcessJobConfiguration, GpuProcessVariables
from infra.gpu.interrupts import listen
from infra.gpu.moving import prepare, verdict
from infra.gpu.rounds import going_round
from infra.pools import NOT_AGAIN, SETTLED_S
from infra.scratch import scratch
from infra.settings import settings
from infra.warm.launching import Launch, install, launch
from infra.warm.pool import warm_pool

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun, State
    from prefect.client.schemas.responses import WorkerFlowRunResponse
    from prefect.flows import Flow

    from infra.gpu.keeping import Kept
    from infra.gpu.machine import Machine

_PATROL_S: Final = 2.0
_MARGIN_S: Final = 0.25


class GpuProcessWorker(ProcessWorker):
    """Runs flows as processes, each on the devices, cores and memory that it leased."""

    type = "gpu-process"
    job_configuration = GpuProcessJobConfiguration
    job_configuration_variables = GpuProcessVariables  # type: ignore[assignment] # Prefect's says None

    _display_name = "GPU process"
    _description = (
        "Execute flow runs as subprocesses that see exactly the GPUs they asked for. On a machine "
        "without GPUs it is an ordinary process worker."
    )

    machine: "Machine"
    """The machine that this worker runs on, from `setup` on."""

    # Its life

    async def __aenter__(self) -> Self:
        """As Prefect's, but that what it keeps of runs lies in the home.

        Prefect's lies in a folder of the machine's, which belongs to the first user who had one.
        """
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(scratch("worker"))
            except PerennialError as error:
                _exit(f"The worker cannot start. {error}", after_s=SETTLED_S)
            before, tempfile.tempdir = tempfile.tempdir, str(folder)
            try:
                await super().__aenter__()
            finally:
                tempfile.tempdir = before
            self._scratch = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """As Prefect's, and its folder is removed."""
        with self._scratch:
            await super().__aexit__(*exc_info)

    async def setup(self) -> None:
        """Join the machine's workers, before anything is asked of Prefect."""
        from infra.gpu.keeping import Keeper
        from infra.gpu.metrics import Endpoint
        from infra.gpu.taking import Taking

        listen()
        prepare()
        try:
            self.machine = await run_sync(self._join)
        except PerennialError as error:
            _exit(f"The worker cannot start. {error}", after_s=SETTLED_S)
        install()
        ahead = warm_pool(settings().warm_environments, settings().imported_ahead)
        self._warm = await self._exit_stack.enter_async_context(ahead)  # it outlives the runs
        await super().setup()
        self._metrics = Endpoint(self.machine.patrol.meter, settings().metrics_port)
        self._keeper = Keeper(self.machine, self.client, self._give_up)
        self._taking = Taking(self.machine, self._keeper, self.client, self.get_flow_run_logger)
        self._patrol = asyncio.create_task(self._patrols())
        rounds = going_round(self.machine.patrol, settings().patrol_s, self._keeper.move)
        await self._exit_stack.enter_async_context(rounds)

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401 - as Prefect's
        """As Prefect's; the runs that a stopped worker takes with it are asked to end first."""
        with anyio.CancelScope(shield=True):
            if exc_info and exc_info[0] is not None:
                await self._keeper.stop(self.name)
        try:
            await super().teardown(*exc_info)
        finally:
            self._patrol.cancel()
            await run_sync(self._metrics.close)
            await run_sync(self.machine.close)

    def _join(self) -> "Machine":
        from infra.gpu.machine import Machine

        # One machine may have workers of several pools and servers, of the same name.
        name = f"{PREFECT_API_URL.value()}/{self._work_pool_name}/{self.name}"
        return Machine(settings().journal, name)

    def _give_up(self, error: IntegrityError) -> NoReturn:
        """Leave at once, and leave the runs as they are: they are another worker's by now."""
        _exit(f"The worker leaves. {error}")

    # Claiming

    async def _submit_scheduled_flow_runs(
        self, flow_run_response: "list[WorkerFlowRunResponse]"
    ) -> "list[FlowRun]":
        """Submit what can start here now; the rest stays Scheduled, for whoever has room."""
        due = {
            entry.flow_run.id: entry
            for entry in flow_run_response
            if entry.flow_run.id not in self._submitting_flow_run_ids
        }
        taken = await self._take([entry.flow_run for entry in due.values()])
        found = await super()._submit_scheduled_flow_runs([due[run] for run in taken])
        for kept in self._keeper.idle:
            if kept.lease.run not in self._submitting_flow_run_ids:
                await self._keeper.finish(kept)
        await self._taking.say()
        return found

    async def _take(self, due: "list[FlowRun]") -> "list[UUID]":
        """The runs to submit, each with its lease; those of a deployment that is gone with none."""
        room = None if self._limiter is None else int(self._limiter.available_tokens)
        try:
            return await self._taking.take(due, self.work_pool, room)
        except IntegrityError as error:
            self._give_up(error)
        except PerennialError as error:  # the driver or the disk; the next look may do better
            self._logger.warning("Nothing was taken. %s", error)
        except httpx.HTTPError:
            raise  # Prefect's loop asks the server again
        except Exception:  # whatever one run asks, the others are looked after
            self._logger.exception("Nothing was taken.")
        return []

    # Running

    async def _submit_run(self, flow_run: "FlowRun") -> None:
        """As Prefect's; a lease that no run has begun with is given back."""
        kept = self._keeper.of(flow_run.id)
        try:
            await super()._submit_run(flow_run)
        finally:
            if kept is not None and not kept.running:
                await self._keeper.finish(kept)

    async def _propose_pending_state(self, flow_run: "FlowRun") -> bool:
        """As Prefect's, and the state says which lease it was taken with."""
        from infra.gpu.adoption import mark

        kept, logger = self._keeper.of(flow_run.id), self.get_flow_run_logger(flow_run)
        if kept is None:
            return await super()._propose_pending_state(flow_run)
        pending: State[Any] = Pending(message=mark(kept.lease))
        try:
            if not await self._still_waits(flow_run):
                logger.info("It was not started here: it no longer waits.")
                return False
            state = await propose_state(self.client, pending, flow_run_id=flow_run.id)
        except Abort as error:
            logger.info("It was not started here: %s", error)
            return False
        except ObjectNotFound:
            self._logger.info("Run %s was deleted before it could start.", flow_run.id)
            return False
        except (httpx.HTTPError, PerennialError):
            logger.exception("It was not started here: the server did not answer.")
            return False
        if not state.is_pending():
            logger.info("It was not started here: the server says that it is %s.", state.name)
        return state.is_pending()

    async def _still_waits(self, flow_run: "FlowRun") -> bool:
        """Whether nobody has ended the run since it was read: Prefect lets a Crashed one go on."""
        state = (await self.client.read_flow_run(flow_run.id)).state
        return state is not None and state.is_scheduled()

    async def _give_worker_labels_to_flow_run(self, flow_run_id: "UUID") -> None:
        """Prefect's labels, and which lease the run was taken with, in one call of the API."""
        from infra.gpu.adoption import LABEL, mark

        kept = self._keeper.of(flow_run_id)
        labels: dict[str, bool | int | float | str] = {
            "prefect.worker.name": self.name,
            "prefect.worker.type": self.type,
            "prefect.work-pool.name": self.work_pool.name,
            "prefect.work-pool.id": str(self.work_pool.id),
            **({} if kept is None else {LABEL: mark(kept.lease)}),
        }
        await self.client.update_flow_run_labels(flow_run_id, labels)

    async def run(
        self,
        flow_run: "FlowRun",
        configuration: GpuProcessJobConfiguration,  # type: ignore[override] # Prefect hands over ours
        task_status: "anyio.abc.TaskStatus[int] | None" = None,
    ) -> ProcessWorkerResult:
        """Run a flow with what it leased; the lease ends when its processes have gone."""
        kept = self._keeper.of(flow_run.id)
        if kept is None:
            raise ResourceError("The run has no lease.", hint="Start it again.")
        try:
            async with self._held(kept, flow_run, configuration.given) as environment:
                configuration.env |= environment
                result = await super().run(flow_run, configuration, task_status)
        except Exception as error:
            if not kept.waits:
                raise
            if task_status is not None:  # as Prefect tells itself that nothing was started
                task_status.started(error)  # type: ignore[arg-type] # it takes a pid or an error
            return ProcessWorkerResult(status_code=0, identifier=str(flow_run.id))
        if kept.moving or kept.waits:  # it did not fail: it waits again
            result.status_code = 0
        return result

    @asynccontextmanager
    async def _held(
        self, kept: "Kept", flow_run: "FlowRun", given: "Mapping[str, str]"
    ) -> "AsyncIterator[Mapping[str, str]]":
        """What the process of a run is told, and that it is held to its lease once it is there."""
        kept.running = True
        verdict.set(partial(self._keeper.verdict, kept))
        try:
            hold = await run_sync(self.machine.confine, kept.lease, given)

            def began(pid: int) -> None:
                self._keeper.attach(kept, pid)
                self.get_flow_run_logger(flow_run).info(hold.stated.sentence)

            told = self.get_flow_run_logger(flow_run).info
            launch.set(Launch(began, self._warm, told, kept.ended))
            yield hold.environment
        except PerennialError:  # a refusal of ours, which another start would meet again
            raise
        except Exception as error:
            if not kept.began:
                kept.unbegun = f"No process could be started for it ({error})"
            raise
        finally:
            await self._keeper.finish(kept)

    async def _submit_adhoc_run(
        self,
        flow: "Flow[..., Any]",
        parameters: dict[str, Any] | None = None,
        job_variables: dict[str, Any] | None = None,
        task_status: "anyio.abc.TaskStatus[FlowRun] | None" = None,
        flow_run: "FlowRun | None" = None,
    ) -> None:
        """As Prefect's, once the run has its lease."""
        if flow_run is None:
            flow_run = await self.client.create_flow_run(
                flow,
                parameters=parameters,
                state=Pending(),
                job_variables=job_variables,
                work_pool_name=self.work_pool.name,
            )
        if task_status is not None:
            task_status.started(flow_run)
        variables = job_variables or {}
        try:
            request = await self._taking.asked(variables, self.work_pool)
        except ConfigError as error:
            await self._taking.refuse(flow_run, error)
            return
        kept = await self._taking.stand(flow_run, request, self.work_pool)
        if kept is None:
            return
        given = variables.get("env") or {}
        async with self._held(kept, flow_run, given) as held:
            variables = {**variables, "env": {**given, **held}}
            await super()._submit_adhoc_run(flow, parameters, variables, flow_run=flow_run)

    # Looking after runs

    async def _patrols(self) -> None:
        """Every few seconds: what was left by workers that are gone, what has run long enough.

        Whatever one look stumbles over, the others are taken, and all of them again.
        """
        keeper = self._keeper
        looks = (self._take_over, keeper.end_cancelled, keeper.end_overdue, self._taking.tell)
        while True:
            for look in looks:
                try:
                    await look()
                except (PerennialError, httpx.HTTPError) as error:
                    self._logger.warning("A look at the runs failed and is repeated. %s", error)
                except Exception:
                    self._logger.exception("A look at the runs failed and is repeated.")
            await anyio.sleep(_PATROL_S)

    async def _take_over(self) -> None:
        for kept in await self._keeper.adopt():
            self._adopt(kept)

    def _adopt(self, kept: "Kept") -> None:
        """Look after a run that another worker has started, as after one of one's own."""
        self._logger.info("Took over run %s with lease %d.", kept.lease.run, kept.lease.id)
        if self._limiter is not None:
            with suppress(anyio.WouldBlock):
                self._limiter.acquire_on_behalf_of_nowait(kept.lease.run)
        if self._runs_task_group is not None:
            self._runs_task_group.start_soon(self._attend, kept)

    async def _attend(self, kept: "Kept") -> None:
        try:
            await self._keeper.attend(kept)
        except Exception:
            self._logger.exception("Run %s is looked after anew.", kept.lease.run)
        finally:
            self._release_limit_slot(kept.lease.run)


def _exit(why: str, after_s: float = 0.0) -> NoReturn:
    """Leave with a sentence: any other way out ends the runs, or is a page of Prefect's calls."""
    print(why, file=sys.stderr, flush=True)  # noqa: T201 - whoever started the worker reads it
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    time.sleep(max(0.0, after_s + _MARGIN_S - age) if after_s else 0.0)
    os._exit(NOT_AGAIN)

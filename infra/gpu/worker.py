"""The worker of a GPU machine: Prefect's process worker, whose runs hold leases.

It is imported wherever Prefect looks for worker types: what leases need is imported when a worker
starts.
"""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
from anyio.to_thread import run_sync
from prefect.settings import PREFECT_API_URL
from prefect.states import Failed
from prefect.workers.process import ProcessWorker, ProcessWorkerResult

from infra.errors import ConfigError, IntegrityError, PerennialError, ResourceError
from infra.gpu.configuration import GpuProcessJobConfiguration, GpuProcessVariables
from infra.gpu.rounds import going_round
from infra.settings import settings

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import WorkerFlowRunResponse

    from infra.gpu.claiming import WaitingRun
    from infra.gpu.leases import Lease
    from infra.gpu.machine import Machine


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

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as Prefect's
        super().__init__(*arguments, **named)
        self._leased: dict[UUID, Lease] = {}  # of runs that have not begun

    async def setup(self) -> None:
        """Join the machine's workers, before anything is asked of Prefect."""
        try:
            self.machine = await run_sync(self._join)
        except PerennialError as error:
            print(f"The worker cannot start. {error}", file=sys.stderr)  # noqa: T201 - whoever started it reads it
            raise SystemExit(1) from error
        await super().setup()
        rounds = going_round(self.machine.patrol, settings().patrol_s)
        await self._exit_stack.enter_async_context(rounds)

    async def teardown(self, *exc_info: Any) -> None:  # noqa: ANN401 - as Prefect's
        """As Prefect's, and the driver is let go."""
        await super().teardown(*exc_info)
        await run_sync(self.machine.close)

    def _join(self) -> "Machine":
        from infra.gpu.asking import Requests
        from infra.gpu.machine import Machine

        self._requests = Requests(GpuProcessJobConfiguration)
        # One machine may have workers of several pools and servers, of the same name.
        name = f"{PREFECT_API_URL.value()}/{self._work_pool_name}/{self.name}"
        return Machine(settings().journal, name)

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
        for run in self._leased.keys() - self._submitting_flow_run_ids:
            await self._give_back(run)
        return found

    async def _take(self, due: "list[FlowRun]") -> "list[UUID]":
        """The runs to submit, each with its lease; those of a deployment that is gone with none."""
        waiting, gone = await self._read(due)
        room = None if self._limiter is None else int(self._limiter.available_tokens)
        if not waiting:
            return gone
        try:
            decided = await run_sync(self.machine.claim, waiting, room)
        except IntegrityError:
            raise
        except PerennialError as error:  # the driver or the disk; the next look may do better
            self._logger.warning("Nothing was taken. %s", error)
            return gone
        self._leased |= {lease.run: lease for lease in decided.taken}
        return [*gone, *(lease.run for lease in decided.taken)]

    async def _read(self, due: "list[FlowRun]") -> "tuple[list[WaitingRun], list[UUID]]":
        """What the runs ask, and those whose deployment is gone; nonsense is refused at once."""
        from infra.gpu.claiming import WaitingRun

        self._requests.keep({run.id for run in due})
        waiting, gone = [], []
        for run in due:
            try:
                request = await self._requests.of(run, self.client, self.work_pool, self.name)
            except ConfigError as error:
                await self._refuse(run, error)
                continue
            if request is None:
                gone.append(run.id)
            else:
                waiting.append(WaitingRun(run=run.id, request=request, since=_since(run)))
        return waiting, gone

    async def _refuse(self, run: "FlowRun", why: PerennialError) -> None:
        """End a run that nothing can be placed for, with the reason on its page."""
        self.get_flow_run_logger(run).error("Refused. %s", why)
        await self.client.set_flow_run_state(run.id, Failed(name="Refused", message=str(why)))

    # Running

    async def _submit_run(self, flow_run: "FlowRun") -> None:
        """As Prefect's; a lease that no run has begun with is given back."""
        try:
            await super()._submit_run(flow_run)
        finally:
            await self._give_back(flow_run.id)

    async def run(
        self,
        flow_run: "FlowRun",
        configuration: GpuProcessJobConfiguration,  # type: ignore[override] # Prefect hands over ours
        task_status: "anyio.abc.TaskStatus[int] | None" = None,
    ) -> ProcessWorkerResult:
        """Run a flow with what it leased; the lease ends when its processes have gone."""
        lease = self._leased.pop(flow_run.id, None)
        if lease is None:
            raise ResourceError("The run has no lease.", hint="Start it again.")
        try:
            configuration.env |= _environment(self.machine, lease)
            return await super().run(flow_run, configuration, _Attached(self, lease, task_status))
        finally:
            await self._leave(lease)

    async def _give_back(self, run: "UUID") -> None:
        """Release a lease that nothing was started with."""
        lease = self._leased.pop(run, None)
        if lease is not None:
            await self._leave(lease)

    async def _leave(self, lease: "Lease") -> None:
        with anyio.CancelScope(shield=True):
            await run_sync(self.machine.leave, lease)


def _since(run: "FlowRun") -> datetime:
    """When a run was due: Prefect's times are of a kind that not every sum can be made of."""
    due = run.next_scheduled_start_time or run.expected_start_time
    return datetime.now(UTC) if due is None else datetime.fromtimestamp(due.timestamp(), UTC)


def _environment(machine: "Machine", lease: "Lease") -> dict[str, str]:
    """What the processes of a lease are told: their devices, and the lease itself."""
    from infra.gpu.belonging import marks

    return {
        "CUDA_VISIBLE_DEVICES": ",".join(each.uuid for each in lease.grant.holdings),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **marks(machine.journal.path, lease),
    }


class _Attached(anyio.abc.TaskStatus[int]):
    """Says that a run has started, once its process is noted on its lease."""

    def __init__(
        self,
        worker: GpuProcessWorker,
        lease: "Lease",
        status: "anyio.abc.TaskStatus[int] | None",
    ) -> None:
        self._worker, self._lease, self._status = worker, lease, status

    def started(self, value: int | None = None) -> None:
        """Note the process, and say so."""
        if value is None:
            raise ConfigError("A run that has started has a process.")
        self._worker.machine.attach(self._lease, value)
        if self._status is not None:
            self._status.started(value)

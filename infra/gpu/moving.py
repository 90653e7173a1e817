"""A run whose device failed goes elsewhere: asked to save its work, ended, and scheduled again."""

import signal
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import prefect.workers.process
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._state_proposer import StateProposer
from prefect.states import Crashed, Scheduled

from infra.gpu.adoption import AGAIN

SIGNAL: Final = signal.SIGUSR1
"""Asks a run's first process to save its work; a process that does not know it ends by it.

Source:
    Lightning's trainer saves a checkpoint and is requeued at the same signal of Slurm's
    (``#SBATCH --signal=SIGUSR1@90``).
"""

MOVED: Final = "Moved"
"""Name of the state of a run that waits to be placed on other devices."""

RETRIES: Final = "perennial.retries"
"""The label of a flow run that says at which move it had how many retries: ``MOVES:RETRIES``."""

MOST: Final = 3
"""A run that met so many faults is Crashed at the next: it may be what breaks them."""

_STANDS: Final = {
    StateType.COMPLETED,
    StateType.CANCELLED,
    StateType.CANCELLING,
    StateType.PAUSED,
}
"""What a run may have come to by itself while it was asked to go, and stays."""

_FELL: Final = {StateType.RUNNING, StateType.FAILED, StateType.CRASHED}

Verdict = Callable[[str], Awaitable[str | None]]
"""From what Prefect would say of a process's end to what is said; None where it is no crash."""

verdict: ContextVar[Verdict | None] = ContextVar("verdict", default=None)
"""Judges the end of the run that is executed in this context."""


def fell(state: State) -> bool:
    """Whether a run that ended so may have been brought down by its device.

    A process that meets a GPU that fell off the bus ends at once, before anybody has looked.
    """
    return state.type in _FELL


def successor(state: State, moves: int, why: str) -> State | None:
    """The state of a run that was ended because its device failed; None where its own stands.

    Args:
        state: what it came to by itself; Failed and Crashed are taken for the fault's.
        moves: how often it was moved before.
        why: the device and its fault.
    """
    if state.type in _STANDS or state.name == MOVED:  # told already, before the server fell silent
        return None
    if moves >= MOST:
        return Crashed(message=f"It was moved {moves} times, and met another fault. {why}.")
    message = f"{why}. It is placed again without that device (move {moves + 1} of {MOST})."
    return Scheduled(name=MOVED, message=message, scheduled_time=datetime.now(UTC))


async def reschedule(client: PrefectClient, run: FlowRun, why: str) -> bool:
    """Let a run wait for other devices, or tell that it has met too many faults.

    A start elsewhere costs none of the retries that its flow declares, and a run that waits has no
    process: cancelled, it ends at once.

    Returns:
        False where what the run came to by itself stands.
    """
    states = await client.read_flow_run_states(run.id)
    moves = sum(each.name == MOVED for each in states)
    found = run.state and successor(run.state, moves, why)
    if found is None:
        return False
    if found.is_scheduled():
        await _give_retry(client, run, moves)
    await let_wait(client, run, found)
    return True


async def _give_retry(client: PrefectClient, run: FlowRun, moves: int) -> None:
    """One retry more, once for each move, however often its worker is killed in the midst of it."""
    policy = run.empirical_policy
    if policy.retries is None:
        return
    move, _, before = str(run.labels.get(RETRIES, "")).partition(":")
    if move != str(moves):
        before = str(policy.retries)
        await client.update_flow_run_labels(run.id, {RETRIES: f"{moves}:{before}"})
    policy.retries = int(before) + 1
    await client.update_flow_run(run.id, empirical_policy=policy)


async def let_wait(client: PrefectClient, run: FlowRun, state: State) -> None:
    """Set the state of a run that has no process any more: cancelled, it is to end at once."""
    await client.request(
        "PATCH",
        "/flow_runs/{id}",
        path_params={"id": run.id},
        json={"infrastructure_pid": None},
    )
    await client.set_flow_run_state(run.id, state, force=True)


class _Proposer(StateProposer):
    """Prefect's; but the end of a process is no crash where its run waits again."""

    def __init__(self, *, client: PrefectClient, verdict: Verdict) -> None:
        super().__init__(client=client)
        self._verdict = verdict

    async def propose_crashed(self, flow_run: FlowRun, message: str) -> State[Any] | None:
        """As Prefect's, with what to do next; or nothing: then no hook of the flow is called."""
        said = await self._verdict(message)
        if said is None:
            return None
        return await super().propose_crashed(flow_run, f"{said} {AGAIN}")


class _Execution(FlowRunExecutorContext):
    """Prefect's, whose runs may wait again."""

    async def __aenter__(self) -> FlowRunExecutorContext:
        await super().__aenter__()
        judge = verdict.get()
        if judge is not None:
            self._state_proposer = _Proposer(client=self.client, verdict=judge)
        return self


def prepare() -> None:
    """Let this process's workers execute runs in a way that lets them wait again.

    Prefect's worker has no method for it: the executor is a name of its module.
    """
    prefect.workers.process.FlowRunExecutorContext = _Execution  # type: ignore[attr-defined] # not meant for others

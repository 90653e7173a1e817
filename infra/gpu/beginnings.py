"""A run whose process ended before its flow had begun: it waits again, a few times.

Prefect's engine begins with a flow once the server has taken Running. A run that is Pending when
its process has gone has therefore done nothing yet, and loses nothing by another start.
"""

import re
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, Scheduled

from infra.gpu.adoption import AGAIN, is_of
from infra.gpu.leases import Lease
from infra.gpu.moving import let_wait

UNBEGUN: Final = "NotBegun"
"""Name of the state of a run that waits because its process ended before its flow had begun."""

MOST: Final = 3
"""So often is a run started again; then it is Crashed."""

UNMET: Final = "Its process ended before its flow had begun, for Prefect's server did not answer it"

_NO_ANSWER: Final = re.compile(
    r"\bhttp(?:x|core)\.(?:Connect|Read|Write|Pool|RemoteProtocol)|HTTPStatusError: Server error"
)
"""What the last words of a process say that Prefect's client has given up: its errors by name."""


def met_no_server(code: int | None, words: str) -> bool:
    """Whether a process ended because Prefect's server did not answer it.

    Args:
        code: its exit code; Prefect's engine ends with 1 where an error of its own ends it.
        words: the last that it said.
    """
    return code == 1 and _NO_ANSWER.search(words) is not None


def never_began(run: FlowRun, lease: Lease) -> bool:
    """Whether a run whose process has gone had not begun with its flow, and is nobody else's."""
    return run.state is not None and run.state.is_pending() and is_of(run, lease)


def successor(starts: int, why: str) -> State:
    """The state of a run that never began.

    Args:
        starts: how often it was started again before.
        why: what became of its process, without a full stop.
    """
    if starts >= MOST:
        return Crashed(message=f"{exhausted(starts, why)} {AGAIN}")
    return Scheduled(name=UNBEGUN, message=f"{why}. It waits again (start {starts + 1} of {MOST}).")


def exhausted(starts: int, why: str) -> str:
    """What is said of a run that is started no more."""
    return f"{why}, as in {starts} starts before."


async def starts_of(client: PrefectClient, run: FlowRun) -> int:
    """How often a run was started again because it had not begun."""
    states = await client.read_flow_run_states(run.id)
    return sum(each.name == UNBEGUN for each in states)


async def start_again(client: PrefectClient, run: FlowRun, why: str) -> None:
    """Let a run that never began wait again, or tell that it has done so too often."""
    await let_wait(client, run, successor(await starts_of(client, run), why))

"""A flow in a process that is killed with SIGKILL at a chosen call, or that runs to its end.

``python -m tests.support.killer FLOW JSON [MODULE:NAME before|during|after]`` runs
``flows.FLOW`` with the parameters in the JSON; ``{"again": ID}`` runs the flow run of that id once
more, as a worker does with a run that somebody retried. Without a place to die it prints how the
run ended.
"""

import functools
import importlib
import json
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import psutil
from pydantic_core import to_json

from tests.support.killed import deadly
from tests.support.stack import eventually
from tests.support.starter import done

if TYPE_CHECKING:
    from prefect import Flow

_MARK = "E2E_KILLED"
_PATIENCE_S = 180


class End(NamedTuple):
    """How a run ended."""

    run: UUID
    state: str
    message: str


def begun(flow: str, **parameters: object) -> UUID:
    """Id of a flow run that no worker picks up: `kill` and `finish` take it as ``again``."""
    from prefect.client.orchestration import get_client

    entry = getattr(importlib.import_module(f"flows.{flow}"), flow)
    with get_client(sync_client=True) as client:
        return client.create_flow_run(entry, parameters=json.loads(to_json(parameters))).id


def kill(flow: str, at: str, when: str, **parameters: object) -> None:
    """Run a flow that is killed before, during or after a call; what it started ends with it."""
    mark = uuid.uuid4().hex
    ended = _ended(mark, flow, to_json(parameters).decode(), at, when)
    assert ended.returncode == -signal.SIGKILL, (
        f"{flow} came to its end, {ended.returncode}: {ended.stdout}{ended.stderr[-3000:]}"
    )
    eventually(lambda: not _alive(mark), within_s=30)


def finish(flow: str, **parameters: object) -> End:
    """Run a flow to its end; whatever it started ends with it."""
    mark = uuid.uuid4().hex
    ended = _ended(mark, flow, to_json(parameters).decode())
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert not _alive(mark)
    run, state, message = json.loads(ended.stdout.splitlines()[-1])
    return End(UUID(run), state, message)


def _ended(mark: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return done("tests.support.killer", *arguments, within_s=_PATIENCE_S, **{_MARK: mark})


def _alive(mark: str) -> list[int]:
    """The processes that descend from a call."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def _main(flow: str, parameters: str, at: str = "", when: str = "") -> None:
    if at:
        module, _, path = at.partition(":")
        *owners, name = path.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        setattr(owner, name, deadly(getattr(owner, name), when))
    entry = getattr(importlib.import_module(f"flows.{flow}"), flow)
    given = json.loads(parameters)
    state = _again(entry, given["again"]) if "again" in given else entry(**given, return_state=True)
    print(json.dumps([str(state.state_details.flow_run_id), state.name, state.message]))  # noqa: T201 - read by the test


def _again(entry: "Flow[..., Any]", run: str) -> Any:  # noqa: ANN401 - a state
    """The end of one more attempt at a flow run: crashed, as what ran it says, and retried."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Crashed, Scheduled

    with get_client(sync_client=True) as client:
        if client.read_flow_run(UUID(run)).run_count:
            client.set_flow_run_state(UUID(run), Crashed(message="Killed."), force=True)
            client.set_flow_run_state(UUID(run), Scheduled(message="Retried."), force=True)
        found = client.read_flow_run(UUID(run))
    state: Any = run_flow(entry, flow_run=found, return_type="state")
    return state


if __name__ == "__main__":
    _main(*sys.argv[1:])

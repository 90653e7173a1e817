"""Flow runs as a person at Prefect's API sees them: started, waited for, answered, read."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun, StateType

from infra.processes import variable
from infra.settings import PROJECT

_PATIENCE_S = 180.0
_OVER = {StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED}


def begin(flow: str, model: str, **parameters: object) -> FlowRun:
    """A run of a deployment, just started."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"{flow}/{model}")
        return client.create_flow_run_from_deployment(
            deployment.id, parameters={"model": model, **parameters}
        )


def run(flow: str, model: str, **parameters: object) -> FlowRun:
    """A run of a deployment once it is over."""
    return over(begin(flow, model, **parameters).id)


def over(run_id: UUID) -> FlowRun:
    """A run once it is over."""
    return when(run_id, lambda found: found.state_type in _OVER)


def suspended(run_id: UUID) -> FlowRun:
    """A run once it waits for a person."""
    return when(run_id, lambda found: found.state_type == StateType.PAUSED)


def when(run_id: UUID, claim: Callable[[FlowRun], bool]) -> FlowRun:
    """A run once a claim holds of it."""
    deadline = time.monotonic() + _PATIENCE_S
    with get_client(sync_client=True) as client:
        while not claim(found := client.read_flow_run(run_id)):
            assert time.monotonic() < deadline, f"{found.name} is {found.state!r}"
            time.sleep(0.2)
    return found


def runs_of(flow: str, model: str) -> list[FlowRun]:
    """Every run of a deployment, oldest first."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[model])),
        )
    return sorted(found, key=lambda each: (each.created is None, each.created))


def started(flow: str, model: str, after: Iterable[FlowRun] = ()) -> FlowRun:
    """The run of a deployment that something else started, other than those that were there."""
    known, deadline = {each.id for each in after}, time.monotonic() + _PATIENCE_S
    while not (new := [each for each in runs_of(flow, model) if each.id not in known]):
        assert time.monotonic() < deadline, f"nothing started {flow}/{model}"
        time.sleep(0.2)
    return new[0]


def answered(run_id: UUID, *, approve: bool, reason: str) -> FlowRun:
    """A suspended run once it is over, after an answer through Prefect's API."""
    suspended(run_id)
    with get_client(sync_client=True) as client:
        said = {"decision": "approve" if approve else "refuse", "reason": reason}
        client.resume_flow_run(run_id, run_input=said | {"reviewer": "ann"})
    return over(run_id)


def steps(run_id: UUID) -> dict[str, str]:
    """Each step of the last attempt at a run that is over, with the name of its final state.

    The engine tells the server of its tasks a moment after the run's end.
    """
    deadline = time.monotonic() + _PATIENCE_S
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        attempt = client.read_flow_run(run_id).run_count
        while True:
            held = client.read_task_runs(flow_run_filter=mine)
            found = [each for each in held if each.flow_run_run_count == attempt]
            if found and all(each.state_type in _OVER for each in found):
                return {each.name.rsplit("-", 1)[0]: each.state_name or "" for each in found}
            assert time.monotonic() < deadline, [(each.name, each.state_name) for each in held]
            time.sleep(0.2)


def command(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command of Prefect's or ours, run as from a shell in the project's folder."""
    return ended(typed(module, *arguments))


def typed(module: str, *arguments: str) -> "subprocess.Popen[str]":
    """A command that runs now."""
    call = (
        [sys.executable, "-m", module]
        if module == "prefect"
        else [sys.executable, "-c", f"from {module} import main; main()"]
    )
    return subprocess.Popen(
        [*call, *arguments],
        cwd=PROJECT,
        env=os.environ | {"PREFECT_CLI_COLORS": "false", "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(call: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    """What a command printed and how it ended."""
    with call:
        try:
            stdout, stderr = call.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            call.kill()
            raise
    return subprocess.CompletedProcess(call.args, call.returncode, stdout, stderr)


def watched(
    flow: str, model: str, *options: str, **parameters: object
) -> "subprocess.CompletedProcess[str]":
    """``prefect deployment run FLOW/MODEL --watch``, as CI calls it."""
    return ended(watching(flow, model, *options, **parameters))


def watching(flow: str, model: str, *options: str, **parameters: object) -> "subprocess.Popen[str]":
    """The same while it watches."""
    given = [
        part
        for name, value in parameters.items()
        for part in ("--param", f"{name}={json.dumps(value)}")
    ]
    return typed("prefect", "deployment", "run", f"{flow}/{model}", *given, "--watch", *options)


def killed(run_id: UUID) -> int:
    """How many processes of a flow run there were, all of them killed with SIGKILL."""
    mine = [
        process
        for process in psutil.process_iter()
        if variable(process, "PREFECT__FLOW_RUN_ID") == str(run_id)
    ]
    for process in mine:
        process.kill()
    psutil.wait_procs(mine, timeout=_PATIENCE_S)
    return len(mine)

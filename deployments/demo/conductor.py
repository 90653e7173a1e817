"""Starts runs, waits for them and for what they start, and answers what suspends."""

import textwrap
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from rich.markup import escape

from infra.addresses import addresses
from infra.errors import BackendError, ConfigError
from infra.store import get_bytes
from tasks.references import Evidence

_POLL_S = 0.2
_PATIENCE_S = 600.0
_WIDTH = 140
_COLOURS = {StateType.COMPLETED: "green", StateType.PAUSED: "yellow"}
_OPEN = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]

Reviewer = Callable[[Evidence], tuple[bool, str] | None]
"""Says of an evidence whether it is approved, and why; nothing where another is to decide."""


class Conductor(AbstractContextManager["Conductor"]):
    """One model's runs, as a person with the Prefect UI would start and follow them."""

    def __init__(self, model: str, say: Callable[[str], None]) -> None:
        self._model, self._say = model, say
        self._flows: dict[UUID, str] = {}
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._told: set[str] = set()
        self._left: set[UUID] = set()

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.__exit__(*exception)

    def run(self, flow: str, **parameters: object) -> FlowRun:
        """Start a deployment and wait until its run has ended.

        Raises:
            ConfigError: there is no such deployment.
            BackendError: the run failed, crashed or was cancelled, or did not end in time.
        """
        name = f"{flow}/{self._model}"
        started = self._client.create_flow_run_from_deployment(
            self._deployment(name), parameters={"model": self._model, **parameters}
        )
        return self._finished(started)

    def settle(self, reviewer: Reviewer) -> list[FlowRun]:
        """Wait until nothing of the model runs any more, deciding the reviews of the reviewer's.

        A review about which the reviewer says nothing is left waiting.

        Returns:
            The runs that ended meanwhile, in the order in which they ended.

        Raises:
            BackendError: a run failed, crashed or was cancelled, or did not end in time.
        """
        ended: list[FlowRun] = []
        while waiting := [run for run in self._open_runs() if run.id not in self._left]:
            for run in waiting:
                if run.state_type == StateType.PAUSED and not self._answered(run, reviewer):
                    self._left.add(run.id)
                else:
                    ended.append(self._finished(run))
        return ended

    def _deployment(self, name: str) -> UUID:
        from prefect.exceptions import ObjectNotFound

        try:
            return self._client.read_deployment_by_name(name).id
        except ObjectNotFound as error:
            raise ConfigError(
                f"There is no deployment {name}.", hint=f"Run `perennial deploy {self._model}`."
            ) from error

    def _open_runs(self) -> list[FlowRun]:
        return self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN))
            ),
            deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[self._model])),
        )

    def _finished(self, run: FlowRun) -> FlowRun:
        """The run once it has ended, or has suspended to be answered."""
        began = time.monotonic()
        while time.monotonic() - began < _PATIENCE_S:
            run = self._client.read_flow_run(run.id)
            if run.state_type not in _OPEN or run.state_type == StateType.PAUSED:
                self._tell(run)
                return run
            time.sleep(_POLL_S)
        raise BackendError(f"{run.name} did not end within {_PATIENCE_S:.0f} s.", run=str(run.id))

    def _tell(self, run: FlowRun) -> None:
        marker = f"{run.id}-{run.state_type}"
        if marker not in self._told:
            self._told.add(marker)
            self._say(self._sentence(run))
        require_well(run)

    def _sentence(self, run: FlowRun) -> str:
        if run.flow_id not in self._flows:
            self._flows[run.flow_id] = self._client.read_flow(run.flow_id).name
        state = run.state
        outcome = state.name if state else "unknown"
        told = shortened(state.message or "") if state else ""
        colour = _COLOURS.get(run.state_type or StateType.CRASHED, "red")
        seconds = run.total_run_time.total_seconds()
        return (
            f"  {self._flows[run.flow_id]:<8} [{colour}]{outcome:<12}[/{colour}]"
            f" {seconds:4.1f} s  {escape(told)}"
        )

    def _answered(self, run: FlowRun, reviewer: Reviewer) -> bool:
        """Whether the reviewer decided a suspended run."""
        from deployments.cli.review import answer
        from tasks.governance import Answer

        evidence = Evidence.model_validate_json(get_bytes(str(run.parameters["evidence"])))
        decision = reviewer(evidence)
        if decision is None:
            page = addresses().run(run.id)
            self._say(
                f"  [yellow]Not of this story, left waiting:[/] {escape(evidence.title)} {page}"
            )
            return False
        approve, reason = decision
        answer(str(run.id), Answer(approve=approve, reason=reason, reviewer="demo reviewer"))
        return True


def require_well(run: FlowRun) -> None:
    """Nothing, where a run goes on, waits for a person or has done its work.

    Raises:
        BackendError: it failed, crashed or was cancelled.
    """
    if run.state_type in _OPEN or run.state_type == StateType.COMPLETED:
        return
    outcome = run.state_type.value.lower() if run.state_type else "unknown"
    said = shortened((run.state.message or "") if run.state else "") or "It left no message."
    raise BackendError(
        f"The run {run.name} ended as {outcome}: {said}",
        hint=f"`make up` brings the stack back; the run's page is {addresses().run(run.id)}",
        run=str(run.id),
    )


def shortened(text: str) -> str:
    """A text on one line; a long one ends at a word, with an ellipsis.

    >>> shortened("as it is")
    'as it is'
    """
    return textwrap.shorten(text, _WIDTH, placeholder=" …", break_on_hyphens=False)

"""Starts runs, waits for them and for what they start, and answers what suspends."""

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

from infra.errors import BackendError, ConfigError
from infra.store import get_bytes
from tasks.references import Evidence

_POLL_S = 0.2
_PATIENCE_S = 600.0
_WIDTH = 140
_COLOURS = {StateType.FAILED: "red", StateType.CRASHED: "red", StateType.PAUSED: "yellow"}
_OPEN = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]

Reviewer = Callable[[Evidence], tuple[bool, str]]
"""Says of an evidence whether it is approved, and why."""


class Conductor(AbstractContextManager["Conductor"]):
    """One model's runs, as a person with the Prefect UI would start and follow them."""

    def __init__(self, model: str, say: Callable[[str], None]) -> None:
        self._model, self._say = model, say
        self._flows: dict[UUID, str] = {}
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.__exit__(*exception)

    def run(self, flow: str, **parameters: object) -> FlowRun:
        """Start a deployment and wait until its run has ended.

        Raises:
            ConfigError: there is no such deployment.
            BackendError: the run crashed, or did not end in time.
        """
        name = f"{flow}/{self._model}"
        started = self._client.create_flow_run_from_deployment(
            self._deployment(name), parameters={"model": self._model, **parameters}
        )
        return self._finished(started)

    def settle(self, reviewer: Reviewer) -> list[FlowRun]:
        """Wait until nothing of the model runs any more, deciding every review that suspends.

        Returns:
            The runs that ended meanwhile, in the order in which they ended.
        """
        ended: list[FlowRun] = []
        while waiting := self._open_runs():
            asked = [run for run in waiting if run.state_type == StateType.PAUSED]
            for run in asked:
                self._answer(run, reviewer)
            ended += [self._finished(run) for run in waiting]
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
        if run.state_type == StateType.CRASHED:
            raise BackendError(f"{run.name} crashed: {run.state.message if run.state else ''}")

    def _sentence(self, run: FlowRun) -> str:
        if run.flow_id not in self._flows:
            self._flows[run.flow_id] = self._client.read_flow(run.flow_id).name
        state = run.state
        outcome = state.name if state else "unknown"
        told = " ".join((state.message or "").split())[:_WIDTH] if state else ""
        colour = _COLOURS.get(run.state_type or StateType.CRASHED, "green")
        seconds = run.total_run_time.total_seconds()
        return (
            f"  {self._flows[run.flow_id]:<8} [{colour}]{outcome:<12}[/{colour}]"
            f" {seconds:4.1f} s  {escape(told)}"
        )

    def _answer(self, run: FlowRun, reviewer: Reviewer) -> None:
        from deployments.cli.review import answer
        from tasks.governance import Answer

        evidence = Evidence.model_validate_json(get_bytes(str(run.parameters["evidence"])))
        approve, reason = reviewer(evidence)
        answer(str(run.id), Answer(approve=approve, reason=reason, reviewer="demo reviewer"))

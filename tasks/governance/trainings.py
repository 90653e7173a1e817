"""The trainings of a model that go on now, and what each was started by."""

from datetime import UTC, datetime

from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, StateType

from tasks.governance.reviews import reachable_prefect
from tasks.references import Cause

_GOES_ON = (
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
)


def going_on(model: str) -> list[FlowRun]:
    """The trainings that run or wait for a worker; what a calendar has made for later does neither.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=list(_GOES_ON)))
    with reachable_prefect() as client:
        runs = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["train"])),
            deployment_filter=filters.DeploymentFilter(
                name=filters.DeploymentFilterName(any_=[model])
            ),
            flow_run_filter=filters.FlowRunFilter(state=state),
        )
    return [each for each in runs if not _lies_ahead(each)]


def started_by(run: FlowRun) -> tuple[Cause, datetime] | None:
    """The cause and the time that a run was given, where it was given both."""
    cause, as_of = run.parameters.get("cause"), run.parameters.get("as_of")
    if not (isinstance(cause, str) and isinstance(as_of, str)):
        return None
    return Cause(cause), datetime.fromisoformat(as_of)


def _lies_ahead(run: FlowRun) -> bool:
    due = run.expected_start_time
    return bool(run.auto_scheduled and due and due > datetime.now(UTC))

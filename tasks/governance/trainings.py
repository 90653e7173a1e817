"""The trainings of a model that go on now or have begun, and what each was started by."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final

from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from infra.runs import find
from infra.turns import turn
from tasks.governance.policy import MOST_TRIES
from tasks.governance.reviews import reachable_prefect
from tasks.references import Cause, DriftVerdict

_PAGE: Final = 200
"""Runs that Prefect's server returns at most for one question."""

FOR_VERDICTS: Final = frozenset({Cause.DRIFT, Cause.SCHEDULE})
"""What a policy starts trainings for: a verdict, or that one is due; see `Conclusion.cause`."""

_GOES_ON = (
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
)


def deciding(model: str) -> AbstractContextManager[None]:
    """The turn to decide whether a model is trained, and to start what follows.

    Whoever starts a training without a person decides inside it, so that each sees what the one
    before has started. It is held once at a time, also by one process.

    Raises:
        BackendError: the database cannot be reached.
    """
    return turn("trainings", model)


def going_on(model: str, flow: str = "train") -> list[FlowRun]:
    """The runs that go on or wait for a worker; what a calendar has made for later does neither.

    Args:
        model: its name.
        flow: whose runs; trainings by default.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=list(_GOES_ON)))
    return _read(flow, model, filters.FlowRunFilter(state=state))


def begun_since(model: str, since: datetime) -> list[FlowRun]:
    """The trainings that began or were asked for since a time, oldest first.

    It does not matter what became of them; one that was cancelled before it began is none.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    due = filters.FlowRunFilterExpectedStartTime(after_=since)
    runs = _read("train", model, filters.FlowRunFilter(expected_start_time=due))
    began = (each for each in runs if each.start_time or each.state_type != StateType.CANCELLED)
    return sorted(began, key=lambda each: each.created or since)


def started_by(run: FlowRun) -> tuple[Cause, datetime] | None:
    """The cause and the time that a run was given, where it was given both."""
    cause, as_of = run.parameters.get("cause"), run.parameters.get("as_of")
    if not (isinstance(cause, str) and isinstance(as_of, str)):
        return None
    return Cause(cause), datetime.fromisoformat(as_of)


def failed_before(verdict: DriftVerdict) -> list[FlowRun]:
    """The runs that failed which other verdicts have started for the same version of the data.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    tries = _tries(verdict)
    return [each for each in tries if each is not None and _failed(each, verdict)]


def attempt_of(verdict: DriftVerdict) -> int:
    """Which try at the version of the data is the verdict's own: the first that no other has lost.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    for attempt, run in enumerate(_tries(verdict), start=1):
        if run is None or not _failed(run, verdict):
            return attempt
    return MOST_TRIES


def begun_for(verdict: DriftVerdict) -> FlowRun | None:
    """The run that trains, or has trained, on the version of the data of a verdict.

    Whoever started it: the verdict itself, or another on the same data. None where there is none,
    or those that others started have failed and one more may start.

    Raises:
        BackendError: Prefect's server does not answer.
    """
    return _tries(verdict)[attempt_of(verdict) - 1]


def is_own(run: FlowRun, verdict: DriftVerdict) -> bool:
    """Whether a verdict has started a training itself, at its first go or when it was repeated."""
    return started_by(run) in {(cause, verdict.as_of) for cause in FOR_VERDICTS}


def because_of(verdict: DriftVerdict, attempt: int) -> object:
    """What a training for a verdict is started for: a version of the data, and which try it is.

    One that is due is the same reason as drift: the same data teach nothing more.
    """
    tries = (attempt,) if attempt > 1 else ()
    return (Cause.DRIFT.value, verdict.data_version or verdict.digest, *tries)


def _tries(verdict: DriftVerdict) -> list[FlowRun | None]:
    with reachable_prefect():
        return [
            find("train", verdict.model, because_of(verdict, attempt))
            for attempt in range(1, MOST_TRIES + 1)
        ]


def _failed(run: FlowRun, verdict: DriftVerdict) -> bool:
    """Whether another verdict has started the run, and it failed."""
    return run.state_type is StateType.FAILED and not is_own(run, verdict)


def _read(flow: str, model: str, wanted: filters.FlowRunFilter) -> list[FlowRun]:
    """The runs of a deployment, all pages of them, without those that a calendar made for later."""
    runs: list[FlowRun] = []
    with reachable_prefect() as client:
        while len(runs) % _PAGE == 0:
            page = client.read_flow_runs(
                flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=[flow])),
                deployment_filter=filters.DeploymentFilter(
                    name=filters.DeploymentFilterName(any_=[model])
                ),
                flow_run_filter=wanted,
                sort=FlowRunSort.ID_DESC,
                limit=_PAGE,
                offset=len(runs),
            )
            runs += page
            if not page:
                break
    return [each for each in runs if not _lies_ahead(each)]


def _lies_ahead(run: FlowRun) -> bool:
    due = run.expected_start_time
    return bool(run.auto_scheduled and due and due > datetime.now(UTC))

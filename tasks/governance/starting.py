"""Trainings that new data start."""

from datetime import UTC, datetime

from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun

from infra import store
from infra.ledger import Kind, Ledger
from infra.runs import start
from infra.steps import step
from tasks.governance.evidence import read_evidence
from tasks.governance.following import GOES_ON
from tasks.governance.reviews import reachable_prefect
from tasks.governance.triggers import DataTrigger, enough_came
from tasks.references import Candidate, Cause, History


@step(moving=True)
def train_on_new_data(history: History, trigger: DataTrigger) -> str:
    """Id of the training that new data started; empty while too few have come.

    None is started before the first training of all, which is a person's, nor beside one that
    goes on: the next batch is looked at again.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        ConfigError: the model has no deployment of ``train``.
        DataError: the evidence of the last training is gone.
    """
    last = Ledger().last(history.model, Kind.GATE, history.as_of)
    if last is None:
        return ""
    place = store.uri("evidence", history.model, f"{last.evidence}.json")
    candidate = Candidate.model_validate(read_evidence.fn(place).payload["candidate"])
    if not enough_came(history, candidate, trigger) or _trains(history):
        return ""
    return start(
        "train",
        history.model,
        because=(Cause.DATA.value, history.digest),
        cause=Cause.DATA,
        as_of=history.as_of,
    )


def _trains(history: History) -> bool:
    """Whether a training goes on that is not the one which this very history has started."""
    states = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=list(GOES_ON)))
    with reachable_prefect() as client:
        runs = client.read_flow_runs(
            flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=["train"])),
            deployment_filter=filters.DeploymentFilter(
                name=filters.DeploymentFilterName(any_=[history.model])
            ),
            flow_run_filter=filters.FlowRunFilter(state=states),
        )
    return any(not _its_own(each, history) and not _lies_ahead(each) for each in runs)


def _lies_ahead(run: FlowRun) -> bool:
    """Whether a calendar made it and its time has not come; one that waits for a worker goes on."""
    due = run.expected_start_time
    return bool(run.auto_scheduled and due and due > datetime.now(UTC))


def _its_own(run: FlowRun, history: History) -> bool:
    as_of = run.parameters.get("as_of")
    same_time = isinstance(as_of, str) and datetime.fromisoformat(as_of) == history.as_of
    return same_time and run.parameters.get("cause") == Cause.DATA.value

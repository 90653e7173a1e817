"""Verdicts in the ledger, with what was concluded of them and what came of that."""

from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterName,
)
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Running

from infra.ledger import Entry, Kind, Ledger
from tasks.governance import (
    evidence_for_candidate,
    evidence_for_drift,
    follow,
    record_drift,
    record_verdict,
    request_training,
)
from tasks.governance.policy_spec import PolicySpec
from tasks.references import (
    Action,
    Cause,
    Conclusion,
    DriftVerdict,
    Promote,
    Refuse,
    Subject,
    TurnedDown,
    VerdictCause,
    WatchKind,
)
from tests.support.subjects import bento, candidate, comparison, drift

DAY = timedelta(days=1)
NOVEL = VerdictCause(kind=WatchKind.NOVELTY, action=Action.RETRAIN, sentence="Half is new.")


def seen(model: str, day: int, *, growth: float | None = None) -> DriftVerdict:
    """A verdict of a day that asks for a training."""
    quiet = drift()
    as_of = quiet.as_of + day * DAY
    tried = None if growth is None else TurnedDown(version=2, as_of=as_of - DAY, growth=growth)
    changes = {"model": model, "as_of": as_of, "action": Action.RETRAIN, "causes": (NOVEL,)}
    return quiet.model_copy(update={**changes, "turned_down": tried, "digest": f"d{day}"})


def followed(verdict: DriftVerdict, policy: PolicySpec) -> Conclusion:
    """What is done about it under a champion of long ago."""
    return follow.fn(verdict, drift().as_of - 400 * DAY, None, policy)


def recorded(verdict: DriftVerdict, conclusion: Conclusion) -> str:
    """The digest of the evidence of a verdict that is in the ledger with what followed."""
    evidence = evidence_for_drift.fn(verdict, conclusion)
    record_drift.fn(evidence, verdict, conclusion)
    return evidence.digest


def trains(model: str, as_of: datetime, *, begun: bool = True) -> str:
    """The name of a run that trains for drift and goes on, or waits for a worker."""
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("train")
        deployment = client.create_deployment(flow_id=flow, name=model)
        run = client.create_flow_run_from_deployment(
            deployment, parameters={"cause": Cause.DRIFT, "as_of": as_of.isoformat()}
        )
        if begun:
            client.set_flow_run_state(run.id, Running(), force=True)
        return run.name


def finished(name: str) -> None:
    """End the run of a name."""
    with get_client(sync_client=True) as client:
        wanted = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
        [run] = client.read_flow_runs(flow_run_filter=wanted)
        client.set_flow_run_state(run.id, Completed(), force=True)


def deployed(model: str, *flows: str) -> None:
    """Flows of a model can be started."""
    with get_client(sync_client=True) as client:
        for each in flows:
            client.create_deployment(flow_id=client.create_flow_from_name(each), name=model)


def begun(verdict: DriftVerdict) -> str:
    """The name of the training that a verdict has asked for, on record."""
    deployed(verdict.model, "train")
    done = Conclusion(action=Action.RETRAIN, kinds=(WatchKind.NOVELTY,))
    recorded(verdict, done)
    run = request_training(evidence_for_drift.fn(verdict, done))
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(run)).name


def answered(digest: str, verdict: DriftVerdict, *, approved: bool) -> None:
    """A person has said whether to train, of the evidence of a digest."""
    Ledger().append(
        Entry(
            kind=Kind.REVIEW,
            model=verdict.model,
            as_of=verdict.as_of,
            subject=digest,
            evidence=digest,
            payload={"approved": approved, "subject": Subject.DRIFT.value},
        )
    )


def came_before_the_gates(verdict: DriftVerdict, version: int, *, promoted: bool) -> None:
    """The candidate of the training for a verdict was judged."""
    made = candidate(version).model_copy(update={"model": verdict.model, "as_of": verdict.as_of})
    said = Promote(why="It gains.") if promoted else Refuse(why="It gains nothing.")
    record_verdict.fn(evidence_for_candidate.fn(made, bento(version), comparison(), said), said)


def on(window: str, verdict: DriftVerdict, **changes: object) -> DriftVerdict:
    """A verdict on a window, of data of its own."""
    return verdict.model_copy(update={"window": window, "data_version": window, **changes})


def runs_of(model: str) -> list[FlowRun]:
    """The runs of the model's trainings."""
    with get_client(sync_client=True) as client:
        named = DeploymentFilter(name=DeploymentFilterName(any_=[model]))
        return client.read_flow_runs(deployment_filter=named)

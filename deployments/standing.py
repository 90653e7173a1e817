"""How a model stands: what ``perennial status NAME`` prints, from the ledger and Prefect."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from deployments.ahead import Ahead, ScheduleStatus, Upcoming, ahead
from deployments.apply import deployed, ours
from deployments.plan import FLOWS
from infra.addresses import addresses
from infra.entries import Kind
from infra.errors import BackendError
from infra.ledger import Ledger
from tasks.governance.promoting import waiting_challenger
from tasks.governance.recording import conclusion_of
from tasks.governance.reviews import Pending, pending_reviews, reachable_prefect
from tasks.references import Action, Comparison, VerdictCause, WatchKind, weights_of
from tasks.registry.crownings import in_charge
from tasks.registry.succession import differences
from tasks.schedules import FlowName
from tasks.spec import ModelSpec, declared_models, load_spec

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from infra.entries import Recorded
    from tasks.references import Evidence

_MOST = 20
"""Candidates that are listed, newest first."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChampionStatus(_Fact):
    """The version in charge."""

    version: int
    metric: str = Field(description="Name of the metric that gates compare.")
    value: float = Field(description="Its value on the holdout that the version was judged on.")
    since: datetime = Field(description="Logical time from which it is in charge.")
    data_version: str = Field(description="Digest of the history that it was trained from.")
    commit: str = Field(description="Commit that it was trained by; +dirty where files differed.")
    bento: str = Field(description="Tag of the Bento that serves it.")


class CandidateStatus(_Fact):
    """A version that came before the gates."""

    version: int
    as_of: datetime
    verdict: str = Field(description="promote, ask or refuse.")
    why: str
    metric: str
    value: float
    gain: float = Field(description="Against the champion of the time, or the baseline.")


class LastRun(_Fact):
    """The newest run of a flow that has started or ended."""

    state: str = Field(description="Name of its state: Running, Promoted, Held, Failed ...")
    at: datetime = Field(description="When it entered that state.")
    run_url: str
    failed: bool = Field(False, description="Whether it failed or crashed.")
    going_on: bool = Field(False, description="Whether it has not ended yet.")


class DriftStatus(_Fact):
    """What monitoring concluded last."""

    window: str
    as_of: datetime
    action: Action = Field(description="What it asked for.")
    done: Action = Field(description="What the policy made of it.")
    reasons: str
    weights: dict[WatchKind, float] = Field(
        description="Kinds of causes beyond their limits, the heaviest first; 0.5 is twice the "
        "limit."
    )
    unjudged: tuple[str, ...] = Field(description="What could not be judged, and why.")


class Status(_Fact):
    """How a model stands."""

    model: str
    newest_window: str | None = Field(
        None, description="Of the newest delivery that was let in; null before there is one."
    )
    champion: ChampionStatus | None = Field(description="Null before there is one.")
    candidates: tuple[CandidateStatus, ...] = Field(description="Newest first; at most twenty.")
    last: dict[FlowName, LastRun | None] = Field(description="Null for a flow that never ran.")
    pending_reviews: tuple[Pending, ...] = Field(
        description="Oldest first; each with the page whose form answers it."
    )
    verdict: DriftStatus | None = Field(description="Null before monitoring has judged a window.")
    differs: tuple[str, ...] = Field(
        description="What MLflow's alias or what serves says otherwise than the ledger; "
        "`perennial up` repairs it."
    )
    schedules: tuple[ScheduleStatus, ...] = Field(description="As declared, in Prefect or not.")
    next_30_days: tuple[Upcoming, ...] = Field(
        description="What runs, is paused or is left out, in the order of time; of a schedule "
        "with more than a thousand times each day's first, and what has a reason."
    )


def status(model: str) -> Status:
    """How a model stands now.

    Raises:
        ConfigError: no such model is declared.
        BackendError: the database or Prefect's server does not answer.
    """
    spec = load_spec(model)
    with reachable_prefect() as client:
        last = {flow: last_run(client, flow, model) for flow in FLOWS}
        there = {deployed(each): each for each in ours(client)}
    found = ahead(spec, there, datetime.now(UTC))
    return Status(
        model=model,
        newest_window=_newest_window(model),
        champion=_champion(spec),
        candidates=_candidates(spec),
        last=last,
        pending_reviews=pending_reviews(model),
        verdict=_verdict(model),
        differs=_differs(model),
        schedules=found.schedules,
        next_30_days=found.upcoming,
    )


def coming() -> dict[str, Ahead]:
    """What will run of every model that is declared here, by its name.

    Raises:
        ConfigError: a declaration is wrong.
        BackendError: Prefect's server does not answer.
    """
    specs = [load_spec(name) for name in declared_models()]
    with reachable_prefect() as client:
        there = {deployed(each): each for each in ours(client)}
    now = datetime.now(UTC)
    return {spec.name: ahead(spec, there, now) for spec in specs if spec.schedules}


def _champion(spec: ModelSpec) -> ChampionStatus | None:
    found = in_charge(spec.name)
    if found is None:
        return None
    metric = spec.evaluation.metric
    return ChampionStatus(
        version=found.version,
        metric=metric,
        value=found.candidate.evaluation.metrics[metric],
        since=found.since,
        data_version=found.candidate.data_version,
        commit=found.candidate.commit,
        bento=found.bento.tag,
    )


def _newest_window(model: str) -> str | None:
    ingest = Ledger().last(model, Kind.INGEST)
    return None if ingest is None else str(ingest.payload["window"])


def _differs(model: str) -> tuple[str, ...]:
    """Asked only where there may be something: MLflow's client takes seconds to import."""
    if Ledger().last(model) is None:
        return ()
    try:
        return differences(model)
    except BackendError as error:  # the rest of the status is worth as much without MLflow
        return (f"Whether MLflow agrees is not known. {error.args[0]}",)


def _candidates(spec: ModelSpec) -> tuple[CandidateStatus, ...]:
    gates = reversed(Ledger().entries(spec.name, Kind.GATE, limit=_MOST))
    frozen = spec.frozen("promote", datetime.now(UTC))
    waiting = waiting_challenger(spec.name) if frozen else None
    return tuple(
        _candidate(gate, f"It waits: {frozen}." if _is_of(waiting, gate) else "") for gate in gates
    )


def _is_of(waiting: Evidence | None, gate: Recorded) -> bool:
    return waiting is not None and waiting.digest == gate.evidence


def _candidate(gate: Recorded, waits: str) -> CandidateStatus:
    comparison = Comparison.model_validate(gate.payload["comparison"])
    return CandidateStatus.model_validate(
        {
            "version": gate.payload["version"],
            "as_of": gate.as_of,
            "verdict": gate.payload["verdict"],
            "why": f"{gate.reason} {waits}".rstrip(),
            "metric": comparison.metric,
            "value": comparison.challenger,
            "gain": comparison.gain,
        }
    )


def _verdict(model: str) -> DriftStatus | None:
    newest = Ledger().last(model, Kind.DRIFT)
    if newest is None:
        return None
    known = TypeAdapter(tuple[VerdictCause, ...]).validate_python(newest.payload.get("causes", ()))
    return DriftStatus.model_validate(
        {
            "window": newest.payload["window"],
            "action": newest.payload["action"],
            "done": conclusion_of(newest).action,
            "as_of": newest.as_of,
            "reasons": newest.reason,
            "weights": weights_of(known),
            "unjudged": newest.payload.get("unjudged", ()),
        }
    )


def last_run(client: SyncPrefectClient, flow: str, model: str) -> LastRun | None:
    """The newest run of a model's flow that has started; what is only scheduled has not run."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    begun = [kind for kind in StateType if kind is not StateType.SCHEDULED]
    state_filter = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=begun))
    runs = client.read_flow_runs(
        flow_filter=filters.FlowFilter(name=filters.FlowFilterName(any_=[flow])),
        deployment_filter=filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=[model])),
        flow_run_filter=filters.FlowRunFilter(state=state_filter),
        sort=FlowRunSort.START_TIME_DESC,
        limit=1,
    )
    if not runs or runs[0].state is None:
        return None
    state = runs[0].state
    return LastRun(
        state=state.name or state.type.value.title(),
        at=state.timestamp,
        run_url=addresses().run(runs[0].id),
        failed=state.type in {StateType.FAILED, StateType.CRASHED},
        going_on=not state.is_final(),
    )

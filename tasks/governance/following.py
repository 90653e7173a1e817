"""What is done about a verdict: the declared policy, with what the ledger and Prefect know."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.schemas import filters

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from infra.steps import step
from tasks.governance.evidence import read_evidence
from tasks.governance.policy import (
    WEEK,
    Past,
    PersistSpec,
    PolicySpec,
    Training,
    conclude,
    seen_before,
)
from tasks.governance.recording import conclusion_of, is_refusal, verdict_of
from tasks.governance.reviews import pending_reviews, reachable_prefect
from tasks.governance.trainings import failed_before, going_on, started_by
from tasks.references import (
    Action,
    Candidate,
    Cause,
    Conclusion,
    DriftVerdict,
    Subject,
)


@step(moving=True)
def follow(
    verdict: DriftVerdict,
    since: datetime,
    predecessor: int | None,
    policy: PolicySpec,
    frozen: str | None = None,
) -> Conclusion:
    """What is done about a verdict; what the verdict itself has started does not count.

    Args:
        verdict: of a window.
        since: from when the champion is in charge.
        predecessor: the version that a rollback would put in charge.
        policy: what is declared.
        frozen: why no training may start on its day, if there is a reason.

    Raises:
        BackendError: the database or Prefect's server does not answer.
        DataError: the evidence of a decision is gone.
    """
    at_once = policy.model_copy(update={"persist": PersistSpec()})
    asked = conclude(verdict, Past(predecessor=predecessor), at_once)
    if asked.action.rank < Action.ASK.rank and policy.every is None:
        return asked  # nothing is started, whatever was before
    past = _past(verdict, since, predecessor, policy)
    return conclude(verdict, replace(past, frozen=frozen or ""), policy)


def _past(
    verdict: DriftVerdict, since: datetime, predecessor: int | None, policy: PolicySpec
) -> Past:
    model, before = verdict.model, verdict.as_of - timedelta(microseconds=1)
    said = Ledger().entries(model, (Kind.DRIFT, Kind.REVIEW, Kind.GATE), before)
    drifts = {each.evidence: each for each in said if each.kind == Kind.DRIFT}
    answers = [
        each
        for each in said
        if each.kind == Kind.REVIEW and each.payload["subject"] == Subject.DRIFT
    ]
    begun = [each.as_of for each in drifts.values() if conclusion_of(each).action is Action.RETRAIN]
    begun += [each.as_of for each in answers if each.payload["approved"] is True]
    hours = _gpu_hours(said, verdict.as_of) if policy.budget.gpu_hours else {}
    gates = [each.as_of for each in said if each.kind == Kind.GATE]
    return Past(
        trainings=tuple(Training(each, hours.get(each, 0.0)) for each in sorted(set(begun))),
        trained=max(gates, default=None),
        underway=_underway(verdict),
        asking=_asking(verdict),
        seen=seen_before(map(verdict_of, drifts.values()), verdict.window, policy.persist.of),
        declined=tuple(
            frozenset(conclusion_of(drifts[each.evidence]).kinds)
            for each in answers
            if each.as_of >= since and is_refusal(each) and each.evidence in drifts
        ),
        predecessor=predecessor,
        failed=tuple(each.name for each in failed_before(verdict)),
    )


def _gpu_hours(said: tuple[Recorded, ...], as_of: datetime) -> dict[datetime, float]:
    """What the trainings for drift of the last seven days took, by the time of each."""
    found: dict[datetime, float] = {}
    for gate in said:
        if gate.kind == Kind.GATE and as_of - gate.as_of < WEEK:
            place = store.uri("evidence", gate.model, f"{gate.evidence}.json")
            candidate = Candidate.model_validate(read_evidence.fn(place).payload["candidate"])
            if candidate.cause is Cause.DRIFT:
                found[gate.as_of] = found.get(gate.as_of, 0.0) + gpu_hours_of(candidate)
    return found


def gpu_hours_of(candidate: Candidate) -> float:
    """Hours of a whole GPU: the parts that were held, for as long as parameters were tried."""
    hardware = candidate.fitted.hardware
    held = sum(each.share for each in hardware.devices) if hardware else 0.0
    return held * sum(each.seconds for each in candidate.fitted.trials) / 3600


def _underway(verdict: DriftVerdict) -> str:
    """The name of a run that trains for drift, unless this very verdict has started it."""
    others = (
        each.name
        for each in going_on(verdict.model)
        if each.parameters.get("cause") == Cause.DRIFT.value
        and started_by(each) != (Cause.DRIFT, verdict.as_of)
    )
    return next(others, "")


def _asking(verdict: DriftVerdict) -> str:
    """The name of a run that asks about drift, unless this very verdict has started it."""
    waiting = pending_reviews(verdict.model)
    others = (
        each.run
        for each in waiting
        if each.subject is Subject.DRIFT and each.as_of != verdict.as_of and _is_there(each.run_id)
    )
    return next(others, "")


def _is_there(run: str) -> bool:
    with reachable_prefect() as client:
        wanted = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[UUID(run)]))
        return bool(client.read_flow_runs(flow_run_filter=wanted, limit=1))

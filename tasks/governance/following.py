"""What is done about a verdict: the declared policy, with what the ledger and Prefect know."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

from prefect.client.schemas.objects import StateType

from infra.ledger import Kind, Ledger, Recorded
from infra.steps import step
from tasks.governance.drifts import conclusion_of, verdict_of
from tasks.governance.past import (
    Beside,
    Past,
    Training,
    Tried,
    seen_before,
    still_declined,
    still_tried,
)
from tasks.governance.policy import conclude
from tasks.governance.policy_spec import WEEK, PersistSpec, PolicySpec
from tasks.governance.recording import is_refusal
from tasks.governance.reviews import pending_reviews
from tasks.governance.spending import spent_on, trained_by_itself
from tasks.governance.trainings import (
    FOR_VERDICTS,
    begun_for,
    failed_before,
    going_on,
    is_own,
    started_by,
)
from tasks.references import Action, Cause, Conclusion, DriftVerdict, Subject, WatchKind
from tasks.windows import first_day

_BEGIN_AGAIN = (StateType.FAILED, StateType.CRASHED)
"""States of a training that may be started again: one that was cut off goes on when asked for."""


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
    past = _past(verdict, _said(verdict, since), policy)
    return conclude(verdict, replace(past, predecessor=predecessor, frozen=frozen or ""), policy)


@dataclass(frozen=True)
class _Said:
    """What the ledger says of the time before a verdict.

    Attributes:
        drifts: what was concluded before, oldest first.
        answers: reviews of such conclusions.
        gates: the candidates that came before the gates.
        since: from when the champion is in charge.
        later: the same of the time after it, where a window is judged after a newer one.
        beside: what was concluded of older windows in the same run.
    """

    drifts: dict[str, Recorded]
    answers: tuple[Recorded, ...]
    gates: tuple[Recorded, ...]
    since: datetime
    later: "_Said | None" = None
    beside: tuple[Recorded, ...] = ()

    def refusals(self) -> Iterator[tuple[Recorded, Recorded]]:
        """The answers that wanted no training, each with what was concluded."""
        for each in self.answers:
            if each.as_of >= self.since and is_refusal(each) and each.evidence in self.drifts:
                yield each, self.drifts[each.evidence]

    def trained(self, as_of: datetime) -> Recorded | None:
        """The candidate that was trained for a conclusion of a time."""
        found = [each for each in self.gates if each.as_of == as_of and _for_verdict(each)]
        return found[-1] if found else None


def _said(verdict: DriftVerdict, since: datetime) -> _Said:
    now = verdict.as_of
    said = Ledger().entries(verdict.model, (Kind.DRIFT, Kind.REVIEW, Kind.GATE))
    beside = [each for each in said if each.as_of == now and each.kind == Kind.DRIFT]
    return replace(
        _sorted((each for each in said if each.as_of < now), since),
        later=_sorted((each for each in said if each.as_of > now), since),
        beside=tuple(each for each in beside if _is_older(each, verdict)),
    )


def _sorted(records: Iterable[Recorded], since: datetime) -> _Said:
    said = tuple(records)
    return _Said(
        drifts={each.evidence: each for each in said if each.kind == Kind.DRIFT},
        answers=tuple(
            each
            for each in said
            if each.kind == Kind.REVIEW and each.payload["subject"] == Subject.DRIFT
        ),
        gates=tuple(each for each in said if each.kind == Kind.GATE),
        since=since,
    )


def _is_older(drift: Recorded, verdict: DriftVerdict) -> bool:
    """Whether it is of an older window: of several that a run judges the oldest comes first."""
    return first_day(str(drift.payload["window"])) < first_day(verdict.window)


def _beside(said: _Said) -> Beside | None:
    done = [Beside(verdict_of(each).window, conclusion_of(each).action) for each in said.beside]
    return max(done, key=lambda each: each.action.rank, default=None)


def _past(verdict: DriftVerdict, said: _Said, policy: PolicySpec) -> Past:
    verdicts = map(verdict_of, (*said.drifts.values(), *said.beside))
    tried = _tried(verdict, said, policy)
    return Past(
        trainings=tuple(_trainings(verdict, said, policy)),
        others=_others(verdict, policy),
        trained=max((each.as_of for each in said.gates), default=None),
        underway=_underway(verdict),
        reviewing=_reviewing(verdict),
        asking=_asking(verdict),
        seen=seen_before(verdicts, verdict.window, policy.persist.of),
        tried=tried,
        declined=tuple(_declined(verdict, said, policy)),
        settled=_settled(verdict, said),
        repeated=_repeated(verdict, said),
        failed=tuple(each.name for each in failed_before(verdict)),
        beside=_beside(said),
    )


def _trainings(verdict: DriftVerdict, said: _Said, policy: PolicySpec) -> Iterator[Training]:
    """The trainings for verdicts that there were, as far as the policy looks, oldest first.

    One that was concluded and never started is none, as after a kill.
    """
    if said.later is not None:
        yield from _trainings(verdict, replace(said, later=None), policy)
        yield from _trainings(verdict, said.later, policy)
        return
    reach = max(policy.cooldown, WEEK)
    approved = {each.evidence for each in said.answers if each.payload["approved"] is True}
    begun = {
        each.as_of: each
        for each in said.drifts.values()
        if each.evidence in approved or conclusion_of(each).action is Action.RETRAIN
    }
    for as_of, each in sorted(begun.items(), key=lambda item: item[0]):
        if abs(verdict.as_of - as_of) > reach:
            continue
        gate = said.trained(as_of)
        if gate is not None:
            yield Training(as_of, spent_on(gate) if policy.budget.gpu_hours else 0.0)
        elif _was_started(each):
            yield Training(as_of)


def _was_started(drift: Recorded) -> bool:
    seen = verdict_of(drift)
    run = begun_for(seen)
    return run is not None and is_own(run, seen)


def _others(verdict: DriftVerdict, policy: PolicySpec) -> tuple[Training, ...]:
    if policy.budget.retrains is None and policy.budget.gpu_hours is None:
        return ()
    return trained_by_itself(verdict.model, verdict.as_of, policy.budget)


def _for_verdict(gate: Recorded) -> bool:
    return gate.payload.get("cause") in {each.value for each in FOR_VERDICTS}


def _tried(verdict: DriftVerdict, said: _Said, policy: PolicySpec) -> Tried | None:
    """The last training for drift under this champion, unless a person had wanted it.

    None too where a person said no since, and enough rows have come for another.
    """
    gate = next((g for g in reversed(said.gates) if g.payload.get("cause") == Cause.DRIFT), None)
    if gate is None:
        return None
    promoted = gate.payload["version"] == verdict.champion
    started = _started_at(said, gate.as_of)
    if not started or (gate.as_of < said.since and not promoted):
        return None
    tried = Tried(int(str(gate.payload["version"])), gate.as_of, promoted, started)
    after = (verdict_of(e) for e in said.drifts.values() if e.as_of > gate.as_of)
    asked = any(answer.as_of > gate.as_of for answer, _ in said.refusals())
    return still_tried(tried, after, verdict, asked=asked, min_growth=policy.min_growth)


def _started_at(said: _Said, as_of: datetime) -> frozenset[WatchKind]:
    """The kinds of causes for which verdicts of a time started a training by themselves."""
    done = [conclusion_of(each) for each in said.drifts.values() if each.as_of == as_of]
    return frozenset(kind for each in done if each.action is Action.RETRAIN for kind in each.kinds)


def _declined(
    verdict: DriftVerdict, said: _Said, policy: PolicySpec
) -> Iterator[frozenset[WatchKind]]:
    """What a person wanted no training for, since the last one, and as long as that counts."""
    last = max((each.as_of for each in said.gates if _for_verdict(each)), default=said.since)
    for answer, drift in said.refusals():
        seen = verdict_of(drift)
        if answer.as_of > last and still_declined(seen, verdict, policy.min_growth):
            yield frozenset(conclusion_of(drift).kinds)


def _settled(verdict: DriftVerdict, said: _Said) -> frozenset[WatchKind]:
    """The kinds that a person wanted no training for on this very window and these very data."""
    return frozenset(
        kind
        for _, drift in said.refusals()
        if _is_same(verdict_of(drift), verdict)
        for kind in conclusion_of(drift).kinds
    )


def _is_same(one: DriftVerdict, other: DriftVerdict) -> bool:
    same = (one.window, one.champion, one.data_version)
    return bool(one.data_version) and same == (other.window, other.champion, other.data_version)


def _repeated(verdict: DriftVerdict, said: _Said) -> str:
    """Why a training would start nothing: these very data were trained on for a verdict before."""
    run = begun_for(verdict)
    if run is None or is_own(run, verdict) or run.state_type in _BEGIN_AGAIN:
        return ""
    begun = started_by(run)
    gate = said.trained(begun[1]) if begun else None
    if gate is not None:
        return f"These data were trained on already, as version {gate.payload['version']}."
    return f"{run.name} was started for these data already: start another by hand."


def _underway(verdict: DriftVerdict) -> str:
    """The name of a run that trains for a verdict, unless this very one has started it."""
    others = (
        each.name
        for each in going_on(verdict.model)
        if (begun := started_by(each)) and begun[0] in FOR_VERDICTS and not is_own(each, verdict)
    )
    return next(others, "")


def _reviewing(verdict: DriftVerdict) -> str:
    """The name of a run that asks about a challenger for drift, unless this very one led to it."""
    waiting = _open(verdict, Subject.CANDIDATE)
    gates = Ledger().entries(verdict.model, Kind.GATE) if waiting else ()
    others = (
        waiting[gate.evidence]
        for gate in gates
        if gate.evidence in waiting
        and gate.as_of != verdict.as_of
        and gate.payload.get("cause") == Cause.DRIFT
    )
    return next(others, "")


def _asking(verdict: DriftVerdict) -> str:
    """The name of a run that asks about drift, unless this very verdict has started it."""
    waiting = _open(verdict, Subject.DRIFT)
    drifts = Ledger().entries(verdict.model, Kind.DRIFT) if waiting else ()
    own = {each.evidence for each in drifts if each.as_of == verdict.as_of}
    return next((name for evidence, name in waiting.items() if evidence not in own), "")


def _open(verdict: DriftVerdict, subject: Subject) -> dict[str, str]:
    """The names of the runs that ask about a subject, by the digest of the evidence they show.

    Those that wait for a worker count too: they have put nothing on record yet.
    """
    asked = {
        each.evidence: each.run
        for each in pending_reviews(verdict.model)
        if each.subject is subject and each.as_of != verdict.as_of and not each.is_cut_off
    }
    known = {
        each.evidence for each in Ledger().entries(verdict.model, (Kind.QUESTION, Kind.REVIEW))
    }
    begun = {
        PurePath(str(each.parameters.get("evidence"))).stem: each.name
        for each in going_on(verdict.model, "review")
        if each.parameters.get("subject") == subject
    }
    return asked | {digest: name for digest, name in begun.items() if digest not in known}

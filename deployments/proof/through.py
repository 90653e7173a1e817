"""What a verdict leads to, tried once: what `monitor` does of it, and the training behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from deployments.proof.receiving import receiver
from deployments.proof.result import Followed, Started
from deployments.proof.standins import Notebook, without_servers
from deployments.proof.trying import Trial
from deployments.proof.worlds import shifted
from deployments.shadow.champion import train_shadow
from tasks.evaluation import compare, judge
from tasks.governance import (
    alert,
    drift_notice,
    evidence_for_drift,
    follow,
    record_drift,
    request_review,
    request_training,
)
from tasks.governance.notices import AlertSpec, Occasion, channels
from tasks.references import Action, Cause, Conclusion, DriftVerdict
from tasks.verification.spec import ShiftKind

ASSUMED: Final = (
    AlertSpec(
        on=(Occasion.ALERT, Occasion.ASK, Occasion.RETRAIN, Occasion.ROLLBACK), to=("proof",)
    ),
)
"""Who is told where a model declares nobody, so that the way there is tried all the same."""


@dataclass(frozen=True)
class _Done:
    """A window that led to something, and what was done of it.

    Attributes:
        verdict: of the window.
        conclusion: what the policy made of it.
        told: title of the message that each channel got.
        came: the rows of all windows so far, by window.
    """

    verdict: DriftVerdict
    conclusion: Conclusion
    told: dict[str, str]
    came: dict[str, pd.DataFrame]


def followed(trial: Trial, kind: ShiftKind) -> Followed | None:
    """What the gross shift of a kind leads to; None where nothing follows.

    Every window is done with as `monitor` does: the policy with what is on record, the evidence,
    the record, the alert by the declared rules, and the run that it starts. The channels lead to a
    receiver on this machine; ledger and Prefect are stood in for. A training that was asked for
    learns from the windows so far, those of the moved world among them, the newest held out, and
    the gates compare it with the champion there; it is registered nowhere.

    Args:
        trial: a shadow.
        kind: of the world.
    """
    rules = trial.shadow.spec.alerts or ASSUMED
    with without_servers() as book:
        done = _until_something_follows(trial, kind, rules)
    if done is None:
        return None
    verdict, conclusion = done.verdict, done.conclusion
    notice = drift_notice(verdict, conclusion)
    found = Followed(
        kind=kind,
        verdict=verdict.reasons[0],
        as_of=verdict.as_of,
        conclusion=conclusion.action,
        declared=bool(trial.shadow.spec.alerts),
        wanted=tuple(channels(notice, rules)),
        told=tuple(done.told),
        message=next(iter(done.told.values()), ""),
        started=_started(book),
        metric=trial.shadow.spec.evaluation.metric,
    )
    if found.started is None or found.started.cause is None:
        return found
    return found.model_copy(update=_trained(trial, done, found.started.cause))


def _until_something_follows(
    trial: Trial, kind: ShiftKind, rules: Sequence[AlertSpec]
) -> _Done | None:
    """The first window that starts a training, or else the last one that led to anything."""
    came, rows_of, done = trial.dealt.learned(), dict[str, int](), None
    for window in trial.dealt.watched()[: trial.wanted.windows]:
        rows = shifted(
            kind,
            trial.wanted.kinds[kind][-1],
            trial.dealt.rows(window),
            trial.faults.ground,
            trial.shadow,
            trial.number,
        )
        came[window], rows_of[window] = trial.dealt.timed(window, rows), len(rows)
        table = trial.dealt.table(window, rows_of)
        verdict = trial.shadow.verdict(window, came[window], table)
        conclusion, told = _monitored(trial, verdict, tuple(rules))
        if conclusion.action is not Action.REST:
            done = _Done(verdict, conclusion, told, dict(came))
        if conclusion.action is Action.RETRAIN:
            break
    return done


def _monitored(
    trial: Trial, verdict: DriftVerdict, rules: tuple[AlertSpec, ...]
) -> tuple[Conclusion, dict[str, str]]:
    """What `monitor` does of a verdict, step by step."""
    policy = trial.shadow.spec.policy
    conclusion = follow.fn(verdict, trial.shadow.champion.since, None, policy)
    evidence = evidence_for_drift.fn(verdict, conclusion)
    record_drift.fn(evidence, verdict, conclusion)
    with receiver({name for rule in rules for name in rule.to}) as got:
        alert(drift_notice(verdict, conclusion), rules)
    match conclusion.action:
        case Action.RETRAIN:
            request_training(evidence)
        case Action.ASK:
            request_review(evidence)
    return conclusion, got


def _started(book: Notebook) -> Started | None:
    if not book.asked:
        return None
    run = book.asked[-1]
    cause, as_of = run.parameters.get("cause"), run.parameters.get("as_of")
    return Started(
        deployment=run.deployment, cause=Cause(cause) if cause else None, as_of=as_of, key=run.key
    )


def _trained(trial: Trial, done: _Done, cause: Cause) -> dict[str, object]:
    """What the training that was asked for comes to before the gates."""
    spec, champion = trial.shadow.spec, trial.shadow.champion
    trained = train_shadow(spec, done.came, done.verdict.as_of, trial.number).champion.candidate
    challenger = trained.model_copy(update={"cause": cause})
    gained = compare.fn(challenger, champion, spec.evaluation, spec.gates, spec.data.label)
    gates = judge.fn(challenger, gained, spec.gates, spec.approval)
    return {
        "trained_rows": challenger.fitted.rows,
        "champion": gained.incumbent,
        "challenger": gained.challenger,
        "gates": f"{gates.kind}: {gates.why}",
    }

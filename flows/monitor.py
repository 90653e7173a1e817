"""Compare what was predicted with what came, and do what the verdict asks."""

from datetime import datetime

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.data import read_history
from tasks.features import build_features
from tasks.governance import (
    alert,
    contest,
    drift_notice,
    evidence_for_drift,
    follow,
    record_drift,
    request_review,
    request_rollback,
    request_training,
)
from tasks.monitoring import report, watch
from tasks.packaging import find_predictions
from tasks.references import Action
from tasks.registry import fallback, require_champion
from tasks.spec import load_spec
from tasks.windows import WindowName, latest_window


@flow(name="monitor", flow_run_name=named("model", "window"))
def monitor(
    model: str, window: WindowName | None = None, as_of: datetime | None = None
) -> State[None]:
    """Judge a window whose labels have come, and do what the policy makes of the verdict.

    Args:
        model: name of the model.
        window: what to judge; by default the newest window that is over.
        as_of: the time that decides what is known; by default the run's scheduled start.
    """
    spec, as_of = load_spec(model), moment(as_of)
    window = window or latest_window(as_of, spec.data.grain, spec.data.timezone)

    table = build_features(read_history(model, as_of), spec.features, spec.data)
    predictions = find_predictions(model, window, as_of)
    champion = require_champion(model, as_of)
    rivals = contest(champion, as_of)
    verdict = watch(predictions, rivals, table, spec.monitoring, spec.data, spec.evaluation)
    frozen = spec.frozen("train", as_of)
    conclusion = follow(verdict, champion.since, fallback(champion), spec.policy, frozen)
    report(verdict, conclusion)
    evidence = evidence_for_drift(verdict, conclusion)
    record_drift(evidence, verdict, conclusion)
    review = request_review(evidence) if conclusion.action is Action.ASK else ""
    alert(drift_notice(verdict, conclusion, review), spec.alerts)

    match conclusion.action:
        case Action.RETRAIN if not conclusion.held:
            request_training(evidence)
        case Action.ROLLBACK:
            request_rollback(evidence, conclusion)
    said = (*conclusion.why, *verdict.reasons, *verdict.remarks)
    return ended(conclusion.state, " ".join(said))

"""Compare what was predicted with what came, and do what the verdict asks."""

from datetime import datetime

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.data import read_history
from tasks.features import build_features
from tasks.governance import (
    alert,
    contest,
    deciding,
    drift_notice,
    follow,
    settle,
)
from tasks.monitoring import report, watch
from tasks.packaging import find_predictions
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
    with deciding(model):
        conclusion = follow(verdict, champion.since, fallback(champion), spec.policy, frozen)
        report(verdict, conclusion)
        review = settle(verdict, conclusion)

    alert(drift_notice(verdict, conclusion, review), spec.alerts)
    said = (*conclusion.why, *verdict.reasons, *verdict.remarks)
    return ended(conclusion.state, " ".join(said))

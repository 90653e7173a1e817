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
    labels_due,
    outcome,
    settle,
)
from tasks.monitoring import report, watch
from tasks.packaging import find_predictions, scored_among
from tasks.references import Conclusion, DriftVerdict
from tasks.registry import fallback, require_champion
from tasks.spec import load_spec
from tasks.windows import WindowName, latest_window


@flow(name="monitor", flow_run_name=named("model", "window"))
def monitor(
    model: str, window: WindowName | None = None, as_of: datetime | None = None
) -> State[None]:
    """Judge windows, and do what the policy makes of each verdict.

    Args:
        model: name of the model.
        window: what to judge; by default the newest window that is over, and before it the newest
            whose labels have become due since it was judged.
        as_of: the time that decides what is known; by default the run's scheduled start.
    """
    spec, as_of = load_spec(model), moment(as_of)
    newest = window or latest_window(as_of, spec.data.grain, spec.data.timezone)
    due = () if window else scored_among(model, labels_due(model, spec.data, as_of), as_of)

    table = build_features(read_history(model, as_of), spec.features, spec.data)
    champion = require_champion(model, as_of)
    rivals, before = contest(champion, as_of), fallback(champion)
    frozen = spec.frozen("train", as_of)

    def judge(each: WindowName) -> tuple[DriftVerdict, Conclusion]:
        predictions = find_predictions(champion, each, as_of, spec.data)
        verdict = watch(predictions, rivals, table, spec.monitoring, spec.data, spec.evaluation)
        policy = spec.policy if each == newest else spec.policy.by_verdict_alone()
        with deciding(model):
            conclusion = follow(verdict, champion.since, before, policy, frozen)
            report(verdict, conclusion)
            review = settle(verdict, conclusion)
        alert(drift_notice(verdict, conclusion, review), spec.alerts)
        return verdict, conclusion

    return ended(*outcome([judge(each) for each in (*due, newest)]))

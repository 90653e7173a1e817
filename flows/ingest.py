"""Bring one window of a feed in: received, held to its contract, committed or not at all."""

from datetime import datetime

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.data import commit, inspect, read_history, receive, refusal
from tasks.governance import (
    alert,
    batch_notice,
    evidence_for_batch,
    record_batch,
    request_review,
    train_on_new_data,
)
from tasks.references import Ending
from tasks.spec import load_spec
from tasks.windows import WindowName, latest_window


@flow(name="ingest", flow_run_name=named("model", "window"))
def ingest(
    model: str,
    window: WindowName | None = None,
    files: dict[str, str] | None = None,
    as_of: datetime | None = None,
) -> State[None]:
    """Ingest a window of a model's feed.

    Args:
        model: name of the model.
        window: what to ingest, as in 2013-07; by default the newest window that is over.
        files: deliveries that take the place of the declared source, table to path or URI.
        as_of: the time that decides what is known; by default the run's scheduled start.
    """
    spec, as_of = load_spec(model), moment(as_of)
    data = spec.data
    window = window or latest_window(as_of, data.grain, data.timezone)

    delivery = receive(model, data, window, as_of, files or {})
    inspection = inspect(delivery, read_history(model, as_of).before(window), data)
    record_batch(inspection)

    match inspection.ending:
        case Ending.REJECT:
            alert(batch_notice(inspection), spec.alerts)
            raise refusal(inspection)
        case Ending.HOLD:
            review = request_review(evidence_for_batch(inspection))
            alert(batch_notice(inspection, review), spec.alerts)
            return ended("Held", f"{window} waits for a person: {inspection.report_url}")
        case _:
            manifest = commit(inspection)
            if spec.triggers.data and not spec.frozen("train", as_of):
                history = read_history(model, as_of)
                train_on_new_data(history, spec.triggers.data, budget=spec.policy.budget)
            return ended(manifest.ending.state, f"{window}: {inspection.report_url}")

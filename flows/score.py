"""Predict a window with the champion of the time."""

from datetime import datetime

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.data import read_history
from tasks.features import build_features
from tasks.packaging import predict
from tasks.registry import predecessors, require_champion
from tasks.spec import load_spec
from tasks.windows import WindowName, latest_window


@flow(name="score", flow_run_name=named("model", "window"))
def score(
    model: str, window: WindowName | None = None, as_of: datetime | None = None
) -> State[None]:
    """Predict every row of a window as it would have been predicted at its own time.

    Args:
        model: name of the model.
        window: what to predict; by default the newest window that is over.
        as_of: the time that decides which champion and which data; by default the run's
            scheduled start.
    """
    spec, as_of = load_spec(model), moment(as_of)
    window = window or latest_window(as_of, spec.data.grain, spec.data.timezone)

    table = build_features(read_history(model, as_of), spec.features, spec.data)
    champion = require_champion(model, as_of)
    before = predecessors(champion, window)
    predictions = predict(champion, table, window, as_of, spec.data.label, before)
    return ended(
        "Scored", f"{predictions.rows} rows of {window} by version {predictions.model_version}"
    )

"""Predictions as rows: what was predicted, when, by which version."""

import json
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from infra.models import classes_of, predict_scores
from tasks.frames import PREDICTION_TIME

PREDICTION, PROBABILITIES = "prediction", "probabilities"


def predicted_rows(
    model: Any,  # noqa: ANN401 - any estimator
    frame: pd.DataFrame,
    key: tuple[str, ...],
    features: tuple[str, ...],
    kind: str,
) -> pd.DataFrame:
    """Key, prediction time and prediction of each row.

    Args:
        model: a fitted estimator.
        frame: feature rows, shape (n_rows, n_columns).
        key: columns that name a row.
        features: what the model sees, in its order.
        kind: of the label.

    Returns:
        Shape (n_rows, n_columns). ``prediction`` is the probability of the positive class, the
        value, or the most likely class as text; for classes, ``probabilities`` has all of them as
        a JSON object.
    """
    scores = predict_scores(model, frame[list(features)], kind)
    rows = frame[[*key, PREDICTION_TIME]].reset_index(drop=True)
    if kind != "multiclass":
        return rows.assign(**{PREDICTION: scores})
    names = classes_of(model)
    best = np.array(names, dtype="object")[scores.argmax(axis=1)] if len(rows) else []
    texts = [json.dumps(dict(zip(names, map(float, chances), strict=True))) for chances in scores]
    return rows.assign(**{PREDICTION: best, PROBABILITIES: texts})


def signed(rows: pd.DataFrame, version: int, as_of: datetime) -> pd.DataFrame:
    """The rows with the version that predicted them, and when."""
    return rows.assign(model_version=version, scored_at=pd.Timestamp(as_of).tz_convert("UTC"))

"""Predictions as rows: what was predicted, when, by which version."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from infra.models import classes_of, predict_scores
from tasks.frames import PREDICTION_TIME
from tasks.references import Champion

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
    rows = frame[[*key, PREDICTION_TIME]]
    if kind != "multiclass":
        return rows.assign(**{PREDICTION: scores})
    names = classes_of(model)
    best = np.array(names, dtype="object")[scores.argmax(axis=1)] if len(rows) else []
    texts = [json.dumps(dict(zip(names, map(float, chances), strict=True))) for chances in scores]
    return rows.assign(**{PREDICTION: best, PROBABILITIES: texts})


def by_champion(
    frame: pd.DataFrame, reigns: Sequence[Champion]
) -> Iterator[tuple[Champion, pd.DataFrame]]:
    """The rows that each champion predicts: those of its time; the last one those of none's, too.

    Args:
        frame: feature rows, shape (n_rows, n_columns).
        reigns: champions, oldest first, each in charge from its own time to the next one's.
    """
    begins = pd.to_datetime([each.since for each in reigns], utc=True).as_unit("ns").asi8
    times = pd.DatetimeIndex(frame[PREDICTION_TIME]).as_unit("ns").asi8
    newest = np.searchsorted(begins, times, side="left") - 1  # in charge after its very time
    newest[newest < 0] = len(reigns) - 1
    for place, champion in enumerate(reigns):
        rows = frame[newest == place]
        if len(rows) or (frame.empty and champion is reigns[-1]):
            yield champion, rows


def in_order(parts: Iterable[tuple[int, pd.DataFrame]]) -> pd.DataFrame:
    """What each version predicted as the rows of one frame, in the order that they had."""
    named = [rows.assign(model_version=version) for version, rows in parts]
    return pd.concat(named).sort_index().reset_index(drop=True)


def signed(rows: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The rows with the time as of which they were predicted."""
    return rows.assign(scored_at=pd.Timestamp(as_of).tz_convert("UTC"))

"""Small trained models on real tables, for what comes after training."""

import io
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from infra import store
from infra.models import MODEL_FILE, SAMPLE_FILE, dump_model
from tasks.frames import feature_rows
from tasks.references import Evaluation, FeaturePart, FeatureTable, Fitted, Split

Kind = Literal["binary", "multiclass", "regression"]

KEY, NUMERIC, CATEGORICAL = ("ride",), ("distance", "hour"), ("origin",)
FEATURES = (*NUMERIC, *CATEGORICAL)
WINDOWS = ("2013-01", "2013-02", "2013-03")
AS_OF = datetime(2013, 4, 1, tzinfo=UTC)


def feature_frame(window: str, kind: Kind, rows: int = 120) -> pd.DataFrame:
    """Rows of a window, the same each time, some of their values missing."""
    draw = np.random.default_rng(int(window[-2:]))
    start = pd.Timestamp(f"{window}-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "ride": [f"{window}/{number:04d}" for number in range(rows)],
            "event_time": start + pd.to_timedelta(np.arange(rows), unit="h"),
            "distance": draw.gamma(2.0, 300.0, rows),
            "hour": draw.integers(0, 24, rows).astype("float64"),
            "origin": draw.choice(["EWR", "JFK", "LGA"], rows),
        }
    )
    frame["prediction_time"] = frame["event_time"] - pd.Timedelta(hours=2)
    frame["label_time"] = frame["event_time"] + pd.Timedelta(hours=3)
    frame["late"] = _labels(frame, kind)
    frame.loc[frame.index[::7], "distance"] = np.nan
    frame["origin"] = frame["origin"].astype("object").where(frame.index % 11 != 0, None)
    return frame


def _labels(frame: pd.DataFrame, kind: Kind) -> "pd.Series[Any]":
    raw = frame["hour"] / 24 + (frame["origin"] == "EWR") * 0.4
    if kind == "regression":
        return raw * 10
    if kind == "binary":
        return (raw > 0.6).astype("int64")
    return pd.Series(np.select([raw < 0.4, raw < 0.8], ["early", "on time"], "late"))


def feature_table(model: str, kind: Kind) -> FeatureTable:
    """The Delta table of the windows, in the store of this process's home."""
    place, parts, version = store.uri(model, "features"), [], 0
    for window in WINDOWS:
        frame = feature_frame(window, kind)
        digest = store.content_digest(frame, KEY)
        version = store.write_window(place, frame, window, digest)
        parts.append(
            FeaturePart(window=window, digest=digest, rows=len(frame), labelled=len(frame))
        )
    return FeatureTable(
        model=model,
        uri=place,
        version=version,
        parts=tuple(parts),
        key=KEY,
        label="late",
        features=FEATURES,
        categorical=CATEGORICAL,
        as_of=AS_OF,
        history=store.digest_of(model, "history"),
        digest=store.digest_of([part.digest for part in parts]),
    )


def trained(model: str, kind: Kind = "binary", seed: int = 1) -> tuple[Fitted, Evaluation]:
    """A model that was fitted on the first two windows and judged on the third."""
    table = feature_table(model, kind)
    rows = feature_rows(table, WINDOWS[:2])
    estimator = _estimator(kind, seed).fit(rows[list(FEATURES)], rows["late"])
    data, trusted = dump_model(estimator)
    digest = store.digest_of(data.hex())
    folder = store.uri(model, "models", digest)
    store.put_bytes(f"{folder}/{MODEL_FILE}", data)
    sample = io.BytesIO()
    rows[list(FEATURES)].head(100).to_parquet(sample)
    store.put_bytes(f"{folder}/{SAMPLE_FILE}", sample.getvalue())
    fitted = Fitted(
        uri=folder,
        digest=store.file_digest(f"{folder}/{MODEL_FILE}"),
        trainer="trainer:build",
        parameters={"max_iter": 5 + seed},
        seed=seed,
        trials=(),
        rows=len(rows),
        split=Split(table=table, train=WINDOWS[:2], holdout=WINDOWS[2:], digest=table.digest),
        trusted_types=trusted,
    )
    metric = "rmse" if kind == "regression" else "log_loss"
    evaluation = Evaluation(
        metrics={metric: 0.25 + seed / 100},
        baseline={metric: 0.5},
        slices={"origin=EWR": {metric: 0.3, "n": 40.0}},
        importances={"hour": 0.6},
        predictions_uri=f"{folder}/{SAMPLE_FILE}",
        picture_url="http://127.0.0.1:1/picture.png",
        holdout=WINDOWS[2:],
        rows=120,
        digest=store.digest_of(model, kind, seed),
    )
    return fitted, evaluation


def _estimator(kind: Kind, seed: int) -> Any:  # noqa: ANN401 - any estimator
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    sort = HistGradientBoostingRegressor if kind == "regression" else HistGradientBoostingClassifier
    coded = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepared = make_column_transformer((coded, list(CATEGORICAL)), ("passthrough", list(NUMERIC)))
    return make_pipeline(prepared, sort(max_iter=5 + seed, random_state=seed))

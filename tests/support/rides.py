"""A feed of rides over four windows, with a champion and what it predicted."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra import store
from infra.models import MODEL_FILE, dump_model
from tasks.data.spec import DataSpec, LabelSpec, TableSpec
from tasks.evaluation.spec import EvaluationSpec
from tasks.metrics import Array, measure
from tasks.monitoring import profile, watch
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import (
    Bento,
    Candidate,
    Cause,
    Champion,
    Contest,
    DriftVerdict,
    Evaluation,
    FeaturePart,
    FeatureTable,
    Fitted,
    Predictions,
    Split,
)

Kind = Literal["binary", "multiclass", "regression"]
Edit = Callable[[pd.DataFrame], pd.DataFrame]

CLASSES = ("early", "late", "on time")
METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
WINDOWS = ("2013-01", "2013-02", "2013-03", "2013-04")
AS_OF = datetime(2013, 6, 1, tzinfo=UTC)
ROWS = 1500
SPEC = MonitoringSpec(report_rows=300)


class World:
    """A feed of four windows, a champion that learned the first two, and what it predicted."""

    def __init__(
        self,
        kind: Kind = "binary",
        rows: int = ROWS,
        edit: Edit = pd.DataFrame.copy,
        **last: float,
    ) -> None:
        self.kind = kind
        self.label = LabelSpec(name="late", kind=kind)
        feed = TableSpec(path="rides.parquet", key=("ride",), columns={"ride": "string"})
        self.data = DataSpec(tables={"rides": feed}, label=self.label)
        self.frames = {name: self._window(name, ROWS) for name in WINDOWS[:3]}
        self.frames[WINDOWS[3]] = edit(self._window(WINDOWS[3], rows, **last))
        self.table = self._written()
        self.champion = self._champion()
        self.profiled()

    def _window(
        self, name: str, rows: int, *, shift: float = 0.0, lost: float = 0.0, turned: float = 0.0
    ) -> pd.DataFrame:
        draws = np.random.default_rng(int(name[-2:]))
        hour = draws.normal(shift, 1.0, rows)
        when = pd.Timestamp(f"{name}-02", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="min")
        cause = -hour if turned else hour
        return pd.DataFrame(
            {
                "ride": [f"{name}/{number}" for number in range(rows)],
                "event_time": when,
                "prediction_time": when - pd.Timedelta(hours=2),
                "label_time": when + pd.Timedelta(days=1),
                "late": self._labels(cause, draws),
                "hour": np.where(draws.random(rows) < lost, np.nan, hour),
                "origin": draws.choice(np.array(["EWR", "JFK"], dtype=object), rows),
            }
        )

    def _labels(self, cause: Array, draws: np.random.Generator) -> npt.NDArray[Any]:
        if self.kind == "binary":
            return (draws.random(len(cause)) < _chance(cause)).astype("int64")
        if self.kind == "regression":
            return 10 * cause + draws.normal(0, 2, len(cause))
        return np.array(CLASSES, dtype=object)[_drawn(_matrix(cause), draws)]

    def _written(self) -> FeatureTable:
        place, version, parts = store.uri("rides", "features"), 0, []
        for name, frame in self.frames.items():
            digest = store.content_digest(frame, ["ride"])
            version = store.write_window(place, frame, name, digest)
            parts.append(
                FeaturePart(window=name, digest=digest, rows=len(frame), labelled=len(frame))
            )
        return FeatureTable(
            model="rides",
            uri=place,
            version=version,
            parts=tuple(parts),
            key=("ride",),
            label="late",
            features=("hour", "origin"),
            categorical=("origin",),
            as_of=AS_OF,
            history="h",
            digest=store.digest_of(parts),
        )

    def predicted(self, window: str) -> pd.DataFrame:
        """What the champion says: the truth's own probabilities, by the hour it was given."""
        frame = self.frames[window]
        hour = frame["hour"].fillna(0.0).to_numpy()
        rows = frame[["ride"]].copy()
        if self.kind == "multiclass":
            chances = _matrix(hour)
            rows["prediction"] = np.array(CLASSES, dtype=object)[chances.argmax(axis=1)]
            named = pd.DataFrame(chances, columns=CLASSES, index=rows.index)
            rows["probabilities"] = [row.to_json() for _, row in named.iterrows()]
        else:
            rows["prediction"] = _chance(hour) if self.kind == "binary" else 10 * hour
        return rows

    def predictions(
        self, window: str = WINDOWS[3], version: int = 1, edit: Edit = pd.DataFrame.copy
    ) -> Predictions:
        """The predictions of a window, written as the scoring flow writes them.

        An edit may say which version made which of them.
        """
        rows = edit(self.predicted(window))
        rows = rows.assign(model_version=rows.get("model_version", version))
        digest, place = store.content_digest(rows, ["ride"]), store.uri("rides", "predictions")
        return Predictions(
            uri=place,
            version=store.write_window(place, rows, window, digest, beside=True),
            window=window,
            rows=len(rows),
            model="rides",
            model_version=version,
            digest=digest,
        )

    def _champion(self) -> Champion:
        split = Split(table=self.table, train=WINDOWS[:2], holdout=(WINDOWS[2],), digest="5f" * 32)
        fitted = Fitted(
            uri="",
            digest="f",
            trainer="trainer:build",
            parameters={},
            seed=1,
            trials=(),
            rows=2 * ROWS,
            split=split,
            trusted_types=(),
        )
        candidate = Candidate(
            model="rides",
            version=1,
            run_id="r",
            run_url="",
            uri="models:/rides/1",
            cause=Cause.PERSON,
            as_of=AS_OF,
            fitted=fitted,
            evaluation=self._evaluation(),
            data_version="d",
            commit="c",
            lock="l",
            digest="e",
        )
        bento = Bento(tag="rides:1", uri="", digest="b", version=1)
        return Champion(
            model="rides", version=1, since=AS_OF, candidate=candidate, bento=bento, entry="e" * 64
        )

    def profiled(self, *, kept: bool = True) -> None:
        """Draw the champion's profile as a training does, or take it away."""
        candidate = self.champion.candidate
        drawn = profile.fn(candidate.fitted, candidate.evaluation, SPEC, self.label)
        candidate = candidate.model_copy(update={"profiled": drawn if kept else None})
        self.champion = self.champion.model_copy(update={"candidate": candidate})

    def stores(self, estimator: Any) -> None:  # noqa: ANN401 - any estimator
        """Fit an estimator on the first two windows and make it the champion's model."""
        rows = pd.concat([self.frames[name] for name in WINDOWS[:2]], ignore_index=True)
        data, trusted = dump_model(estimator.fit(rows[["hour", "origin"]], rows["late"]))
        place = store.uri("rides", "models")
        store.put_bytes(f"{place}/{MODEL_FILE}", data)
        named = {"uri": place, "digest": sha256(data).hexdigest(), "trusted_types": trusted}
        candidate = self.champion.candidate
        fitted = candidate.fitted.model_copy(update=named)
        candidate = candidate.model_copy(update={"fitted": fitted})
        self.champion = self.champion.model_copy(update={"candidate": candidate})

    def _evaluation(self) -> Evaluation:
        frame = self.frames[WINDOWS[2]]
        rows = self.predicted(WINDOWS[2]).merge(frame[["ride", "late"]], on="ride")
        said = frame["hour"].to_numpy()
        scores = {"binary": _chance, "regression": lambda hour: 10 * hour, "multiclass": _matrix}
        labels = frame["late"]
        if self.kind == "multiclass":
            labels = labels.map(CLASSES.index)
            chances = pd.DataFrame(_matrix(said)).set_axis(
                [f"prediction:{name}" for name in CLASSES], axis=1
            )
            rows = pd.concat([rows.drop(columns="probabilities"), chances], axis=1)
        place, sink = store.uri("rides", "holdout.parquet"), io.BytesIO()
        rows.to_parquet(sink)
        store.put_bytes(place, sink.getvalue())
        return Evaluation(
            metrics=measure(self.kind, labels.to_numpy(float), scores[self.kind](said)),
            baseline={},
            importances={"hour": 0.9, "origin": 0.1},
            predictions_uri=place,
            holdout=(WINDOWS[2],),
            rows=len(rows),
            digest="v",
        )

    def verdict(
        self,
        predictions: Predictions | None = None,
        table: FeatureTable | None = None,
        metric: str | None = None,
        turned_down: Candidate | None = None,
        declared: MonitoringSpec = SPEC,
    ) -> DriftVerdict:
        """What watching concludes of the last window."""
        said = predictions or self.predictions()
        spec = EvaluationSpec(metric=metric or METRICS[self.kind])
        rivals = Contest(champion=self.champion, turned_down=turned_down)
        return watch.fn(said, rivals, table or self.table, declared, self.data, spec)


def _chance(hour: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-hour))
    return found


def _matrix(hour: Array) -> Array:
    raw = np.exp(np.column_stack([-2 * hour, 2 * hour, np.zeros(len(hour))]))
    found: Array = raw / raw.sum(axis=1, keepdims=True)
    return found


def _drawn(chances: Array, draws: np.random.Generator) -> npt.NDArray[np.int64]:
    steps = np.cumsum(chances, axis=1)[:, :-1]
    found: npt.NDArray[np.int64] = (draws.random((len(chances), 1)) > steps).sum(axis=1)
    return found

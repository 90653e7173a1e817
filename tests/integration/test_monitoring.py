"""Watching on real tables: predictions from Delta, reports on disk, artifacts on a run's page."""

import importlib
import io
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.client.schemas.objects import Artifact as Shown
from prefect.testing.utilities import prefect_test_harness

from infra import store
from infra.errors import DataError
from infra.settings import settings
from tasks.data.spec import LabelSpec
from tasks.evaluation.spec import EvaluationSpec
from tasks.metrics import Array, measure, metric_names
from tasks.monitoring import watch
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import (
    Action,
    Bento,
    Candidate,
    Cause,
    Champion,
    DriftVerdict,
    Evaluation,
    FeaturePart,
    FeatureTable,
    Fitted,
    Predictions,
    Split,
)

Kind = Literal["binary", "multiclass", "regression"]

CLASSES = ("early", "late", "on time")
METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
WINDOWS = ("2013-01", "2013-02", "2013-03", "2013-04")
AS_OF = datetime(2013, 6, 1, tzinfo=UTC)
ROWS = 1500
SPEC = MonitoringSpec(report_rows=300)


@pytest.fixture(autouse=True, scope="module")
def evidently() -> None:
    """Evidently imported once: what numpy, litestar and others say of it is none of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("tasks.monitoring.comparison")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of the test's own, whose servers are only named."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("PERENNIAL_PAGES_URL", "http://127.0.0.1:2")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:3/api")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


class World:
    """A feed of four windows, a champion that learned the first two, and what it predicted."""

    def __init__(self, kind: Kind = "binary", rows: int = ROWS, **last: float) -> None:
        self.kind = kind
        self.label = LabelSpec(name="late", kind=kind)
        self.frames = {name: self._window(name, ROWS) for name in WINDOWS[:3]}
        self.frames[WINDOWS[3]] = self._window(WINDOWS[3], rows, **last)
        self.table = self._written()
        self.champion = self._champion()

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

    def predictions(self, window: str = WINDOWS[3], version: int = 1) -> Predictions:
        """The predictions of a window, written as the scoring flow writes them."""
        rows = self.predicted(window).assign(model_version=version)
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
    ) -> DriftVerdict:
        """What watching concludes of the last window."""
        said = predictions or self.predictions()
        spec = EvaluationSpec(metric=metric or METRICS[self.kind])
        return watch.fn(said, self.champion, table or self.table, SPEC, self.label, spec)


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


def _report(verdict: DriftVerdict) -> str:
    return (_folder(verdict) / "index.html").read_text()


def _folder(verdict: DriftVerdict) -> Path:
    return settings().home / "reports" / "rides" / "monitor" / verdict.window


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_world_that_stands_still_rests_for_every_kind_of_label(kind: Kind) -> None:
    """The same code judges classes, probabilities and values."""
    verdict = World(kind).verdict()

    assert verdict.action is Action.REST
    assert set(metric_names(kind)) <= set(verdict.metrics)
    assert verdict.rows == ROWS
    assert max(verdict.drift.values()) < 0.1


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_cause_that_turned_asks_for_a_training_for_every_kind_of_label(kind: Kind) -> None:
    """The inputs look as ever, so only the labels can tell that what was learned is wrong."""
    verdict = World(kind, turned=1.0).verdict()

    assert verdict.action is Action.RETRAIN
    assert max(verdict.drift.values()) < 0.1
    assert "worse than then" in verdict.reasons[0]


def test_a_window_beyond_the_training_data_asks_for_a_training() -> None:
    """Everything lies five deviations away; the reason says where."""
    verdict = World(shift=5.0).verdict()

    assert verdict.action is Action.RETRAIN
    assert any("lie beyond what the champion learned from (hour" in r for r in verdict.reasons)


def test_a_feature_that_went_missing_while_performance_fell_asks_a_person() -> None:
    """A training would learn from the broken feature."""
    verdict = World(lost=0.7, turned=1.0).verdict()

    assert verdict.action is Action.ASK
    assert any(
        reason.startswith("Missing values rose by more than 20%: hour 0%")
        for reason in verdict.reasons
    )


def test_labels_that_are_not_known_yet_do_not_count() -> None:
    """As of the day after the window begins no label has come: that alerts, and judges nothing."""
    world = World()
    early = world.table.model_copy(update={"as_of": datetime(2013, 4, 2, tzinfo=UTC)})

    verdict = world.verdict(table=early)

    assert verdict.action is Action.ALERT
    assert verdict.reasons[0] == f"None of the {ROWS:,} predictions has a label yet."
    assert "roc_auc" not in verdict.metrics


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [(0, "The window has no rows."), (40, "The window has 40 rows; fewer than 200")],
)
def test_a_window_of_too_few_rows_alerts_with_a_page(rows: int, sentence: str) -> None:
    """Nothing to compare is a finding with a report, not an exception."""
    verdict = World(rows=rows).verdict()

    assert verdict.action is Action.ALERT
    assert verdict.reasons[0].startswith(sentence)
    assert "evidently.html" not in _report(verdict)


def test_predictions_of_another_version_say_nothing_about_the_champion() -> None:
    """They are shown, but nobody is judged by them."""
    world = World(turned=1.0)

    verdict = world.verdict(world.predictions(version=2))

    assert verdict.action is Action.ALERT
    assert "of version 2, but version 1 is in charge" in verdict.reasons[0]


def test_later_windows_change_nothing() -> None:
    """The verdict of March is the same whether April, which is broken, is there or not."""
    world = World(shift=9.0, lost=0.9)
    march = world.predictions(WINDOWS[2])
    without = world.table.model_copy(update={"parts": world.table.parts[:3]})

    alone = world.verdict(march, without)
    world.predictions(WINDOWS[3])
    beside = world.verdict(march, world.table)

    assert (alone.action, alone.reasons) == (beside.action, beside.reasons)
    assert (alone.drift, alone.metrics) == (beside.drift, beside.metrics)


def test_the_same_window_twice_gives_the_same_verdict() -> None:
    """Samples and draws are seeded by digests."""
    world = World(shift=0.3)
    said = world.predictions()

    assert world.verdict(said) == world.verdict(said)


def test_a_metric_that_the_champion_was_never_measured_by_is_an_error() -> None:
    """The declaration changed after the training: the message says what to do."""
    world = World("regression")
    evaluation = world.champion.candidate.evaluation.model_copy(update={"metrics": {"mae": 1.0}})
    candidate = world.champion.candidate.model_copy(update={"evaluation": evaluation})
    world.champion = world.champion.model_copy(update={"candidate": candidate})

    with pytest.raises(DataError, match=r"never measured by rmse\. Train again"):
        world.verdict()


def test_the_report_shows_badge_reasons_picture_and_comparison() -> None:
    """All files lie beside the page, and what the data held is text."""
    verdict = World(turned=1.0).verdict()

    page, folder = _report(verdict), _folder(verdict)

    assert verdict.report_url == "http://127.0.0.1:2/rides/monitor/2013-04/index.html"
    assert '<span class="badge">retrain</span>' in page
    assert all(reason.replace("'", "&#39;") in page for reason in verdict.reasons)
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    comparison = (folder / "evidently.html").read_text()
    assert all(name in comparison for name in ("hour", "origin"))


def test_the_page_escapes_what_names_hold() -> None:
    """A feature called like a script is text."""
    from tasks.monitoring.page import Contents, render

    verdict = World().verdict().model_copy(update={"reasons": ("<script>alert(1)</script>",)})

    page = render(Contents(verdict, None, 0.2, "roc_auc", has_comparison=False)).decode()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_watching_in_a_run_leaves_artifacts_that_show_the_picture() -> None:
    """Reasons, link and picture stand on the run's page; the address is that of our pages."""
    world = World()

    @flow(persist_result=False)
    def watching(model: str) -> DriftVerdict:
        spec = EvaluationSpec(metric="roc_auc")
        return watch(world.predictions(), world.champion, world.table, SPEC, world.label, spec)

    with prefect_test_harness(server_startup_timeout=120):
        verdict = watching("rides")
        shown, image = Artifact.get("monitor-rides"), Artifact.get("monitor-rides-picture")

    assert isinstance(shown, Shown)
    assert verdict.reasons[0] in str(shown.data)
    assert f"]({verdict.report_url})" in str(shown.data)
    assert isinstance(image, Shown)
    assert image.data == "http://127.0.0.1:2/rides/monitor/2013-04/picture.png"

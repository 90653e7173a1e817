"""Watching on real tables: predictions from Delta, reports on disk, artifacts on a run's page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.client.schemas.objects import Artifact as Shown

from infra.errors import DataError
from infra.settings import settings
from tasks.evaluation.spec import EvaluationSpec
from tasks.metrics import metric_names
from tasks.monitoring import report, watch
from tasks.monitoring.reporting import folder_of
from tasks.monitoring.spec import AttributionSpec
from tasks.references import (
    Action,
    Conclusion,
    Contest,
    DriftVerdict,
    WatchKind,
)
from tasks.training.estimators import hist_gradient_boosting
from tests.support.rides import ROWS, SPEC, WINDOWS, Kind, World

pytestmark = pytest.mark.usefixtures("evidently")


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


def _report(verdict: DriftVerdict, conclusion: Conclusion | None = None) -> str:
    report.fn(verdict, conclusion or Conclusion(action=verdict.action))
    return (_folder(verdict) / "index.html").read_text()


def _folder(verdict: DriftVerdict) -> Path:
    return folder_of("rides", verdict.window, verdict.digest)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_world_that_stands_still_rests_for_every_kind_of_label(kind: Kind) -> None:
    """The same code judges classes, probabilities and values."""
    verdict = World(kind).verdict()

    assert verdict.action is Action.REST
    assert set(metric_names(kind)) <= set(verdict.metrics)
    assert verdict.rows == ROWS
    assert max(verdict.drift.values()) < 0.1
    assert verdict.moved == ()


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
    assert "hour" in (verdict.moved or ())


def test_a_feature_that_went_missing_while_performance_fell_asks_a_person() -> None:
    """A training would learn from the broken feature."""
    verdict = World(lost=0.7, turned=1.0).verdict()

    assert verdict.action is Action.ASK
    assert any(
        reason.startswith("Missing values rose by more than 20%: hour 0%")
        for reason in verdict.reasons
    )


def test_labels_that_are_not_known_yet_do_not_count() -> None:
    """As of the day after the window begins none is due: that is told, and judges nothing."""
    world = World()
    early = world.table.model_copy(update={"as_of": datetime(2013, 4, 2, tzinfo=UTC)})

    verdict = world.verdict(table=early)

    due = f"None of the {ROWS:,} predictions has a label yet; the last are due on 2013-05-01."
    assert due in verdict.reasons
    assert WatchKind.COVERAGE not in verdict.weights
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


def taken_over(rows: pd.DataFrame) -> pd.DataFrame:
    """Most of what a predecessor said was wrong, and then the champion took its place."""
    before = rows.index < 1000
    said = rows["prediction"].mask(before, 1 - rows["prediction"])
    return rows.assign(prediction=said, model_version=np.where(before, 7, 1))


def test_a_champion_that_took_over_within_the_window_is_judged_by_its_own_rows() -> None:
    """What its predecessor said is counted, and held against nobody."""
    world = World()
    whole = world.verdict()

    verdict = world.verdict(world.predictions(edit=taken_over))

    assert verdict.action is Action.REST
    assert any("on 500 labels" in each for each in verdict.reasons)
    assert (
        "1,000 of 1,500 predictions are of another version than 1, which is in charge: it is "
        "judged by its own."
    ) in verdict.reasons
    assert verdict.metrics["roc_auc"] == pytest.approx(whole.metrics["roc_auc"], abs=0.06)
    assert verdict.unjudged == whole.unjudged


def test_a_champion_with_few_rows_of_its_own_is_not_judged_yet() -> None:
    """A hundred labels are its own: the others say nothing about it."""
    world = World(turned=1.0)

    verdict = world.verdict(
        world.predictions(
            edit=lambda rows: rows.assign(model_version=np.where(rows.index < 1400, 7, 1))
        )
    )

    assert verdict.action is Action.REST
    assert (
        "Predictions: the window has 100 of the champion's, and it takes 200." in verdict.unjudged
    )
    assert (
        "Performance, calibration: of its labels 100 of the 200 that it takes are the champion's."
    ) in verdict.unjudged


@pytest.mark.parametrize("said", [0.0, 1.0, 100.0])
def test_predictions_of_which_nothing_can_be_expected_are_not_judged(said: float) -> None:
    """A chance of 0 for all is no AUC, and what is not a number is in no sentence."""
    world = World()

    verdict = world.verdict(world.predictions(edit=lambda rows: rows.assign(prediction=said)))

    told = "Performance: the metric cannot be told of these labels and predictions."
    assert told in verdict.unjudged
    assert "nan" not in " ".join(verdict.reasons)


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

    named = verdict.digest[:12]
    assert verdict.report_url == f"http://127.0.0.1:2/rides/monitor/2013-04/{named}/index.html"
    assert '<span class="badge">retrain</span>' in page
    assert all(reason.replace("'", "&#39;") in page for reason in verdict.reasons)
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    comparison = (folder / "evidently.html").read_text()
    assert all(name in comparison for name in ("hour", "origin"))


@pytest.mark.parametrize(
    ("conclusion", "badge", "sentences"),
    [
        (
            Conclusion(action=Action.ALERT, why=("The policy allows no more than alert.",)),
            "alert",
            ("The champion goes on; somebody should look.", "The verdict asks for retrain."),
        ),
        (
            Conclusion(action=Action.RETRAIN, held="A freeze lasts until 2 January."),
            "waiting",
            ("A freeze lasts until 2 January.",),
        ),
        (
            Conclusion(action=Action.ROLLBACK, version=1),
            "rolling back",
            ("The version before the champion is put in charge again.",),
        ),
    ],
)
def test_the_page_says_what_is_done_and_not_what_was_asked_for(
    conclusion: Conclusion, badge: str, sentences: tuple[str, ...]
) -> None:
    """No reader is told of a training that the policy did not start."""
    page = _report(World(turned=1.0).verdict(), conclusion)

    assert f'<span class="badge">{badge}</span>' in page
    assert f"<title>rides 2013-04: {badge}</title>" in page
    assert all(each in page for each in (*sentences, *conclusion.why))
    assert "A training with cause drift is started" not in page


def test_a_window_that_is_judged_again_leaves_the_first_report_as_it_was() -> None:
    """What led to a decision stays to be read, whatever is said of the window later."""
    world = World(turned=1.0)
    first = world.verdict()
    before = _report(first)
    later = world.table.model_copy(update={"as_of": world.table.as_of + timedelta(days=1)})

    second = world.verdict(table=later)

    assert _report(second) != before
    assert second.report_url != first.report_url
    assert (_folder(first) / "index.html").read_text() == before


def test_the_page_escapes_what_names_hold() -> None:
    """A feature called like a script is text."""
    from tasks.monitoring.page import Contents, render

    verdict = World().verdict().model_copy(update={"reasons": ("<script>alert(1)</script>",)})

    contents = Contents(verdict, None, 0.2, "roc_auc", has_comparison=False)
    page = render(contents, Conclusion(action=verdict.action)).decode()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_features_contribute_is_asked_of_the_champion_itself(home: Path) -> None:
    """Its model is opened once, and told on the page feature by feature."""
    world = World(shift=0.1)
    world.stores(hist_gradient_boosting("binary", {"max_iter": 20}, ["origin"], 1))
    declared = SPEC.model_copy(update={"attribution": AttributionSpec(rows=200)})

    verdict = world.verdict(declared=declared)

    assert set(verdict.attribution) == {"hour", "origin"}
    assert verdict.attribution["hour"] > 0.8
    assert verdict.metrics["attribution_change"] < 0.25
    assert any("of what features contribute to the predictions" in each for each in verdict.reasons)
    assert "<th>contributes</th>" in _report(verdict)


def test_watching_in_a_run_leaves_artifacts_that_show_the_picture(api: str) -> None:
    """Reasons, link and picture stand on the run's page; the address is that of our pages."""
    world = World()

    @flow(persist_result=False)
    def watching(model: str) -> DriftVerdict:
        spec = EvaluationSpec(metric="roc_auc")
        rivals = Contest(champion=world.champion)
        verdict = watch(world.predictions(), rivals, world.table, SPEC, world.data, spec)
        report(verdict, Conclusion(action=verdict.action, why=("It was looked at.",)))
        return verdict

    assert api
    verdict = watching("rides")
    shown, image = Artifact.get("monitor-rides"), Artifact.get("monitor-rides-picture")

    assert isinstance(shown, Shown)
    assert verdict.reasons[0] in str(shown.data)
    assert "It was looked at." in str(shown.data)
    assert f"]({verdict.report_url})" in str(shown.data)
    assert isinstance(image, Shown)
    assert image.data == verdict.picture_url

"""Fit, evaluate and compare on real tables, clusters and models, without servers."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra import store
from infra.errors import ConfigError, DataError, IntegrityError
from infra.models import MODEL_FILE, SAMPLE_FILE, load_model, predict_scores
from tasks.data.spec import LabelSpec
from tasks.evaluation import compare, evaluate, judge
from tasks.evaluation.spec import EvaluationSpec, GateSpec
from tasks.features.spec import FeatureSpec
from tasks.governance.spec import ApprovalSpec
from tasks.references import Bento, Candidate, Champion, Comparison, Evaluation, Fitted, Split
from tasks.training import fit
from tasks.training.spec import TrainingSpec
from tests.support.feature_tables import AS_OF, bare_home, candidate_of, feature_table, split_of

WINDOWS = ("2013-01", "2013-02", "2013-03", "2013-04")
FEATURES = FeatureSpec(key=("id",), columns=("x", "noise", "place"), categorical=("place",))
STUMP = {"max_iter": 1, "max_leaf_nodes": 2}
TRAINER = """
from tasks.training.estimators import hist_gradient_boosting

def build(parameters, categorical, seed):
    return hist_gradient_boosting("{kind}", parameters, categorical, seed)
"""


def rows(window: str, kind: str = "binary", count: int = 400) -> pd.DataFrame:
    """Rows of a window: `x` and the place make the label."""
    month = int(window[-2:])
    draws = np.random.default_rng(month)
    x, noise, place = draws.random(count), draws.random(count), draws.integers(0, 2, count)
    pull = x + 0.3 * place + 0.3 * draws.random(count)
    label: Any = (pull > 0.9).astype(float)
    if kind == "multiclass":
        label = np.array(["low", "mid", "top"])[np.digitize(pull, [0.6, 1.0])]
    if kind == "regression":
        label = pull
    when = pd.Timestamp(f"{window}-10", tz="UTC")
    return pd.DataFrame(
        {
            "id": np.arange(count) + 10_000 * month,
            "event_time": when,
            "prediction_time": when,
            "label_time": when,
            "y": label,
            "x": x,
            "noise": noise,
            "place": pd.Series(np.where(place, "south", "north"), dtype="str"),
        }
    )


class Toy:
    """A model's folder and its feature table, with the steps called as a flow would call them."""

    def __init__(self, home: Path, kind: str = "binary", metric: str = "roc_auc") -> None:
        self.folder = home / "models" / "toy"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write("trainer.py", TRAINER.format(kind=kind))
        self.label = LabelSpec.model_validate({"name": "y", "kind": kind})
        self.evaluation = EvaluationSpec(metric=metric, slices=("place",), min_group=50)
        self.training = TrainingSpec(parameters={"max_iter": 20})
        self.windows = {window: rows(window, kind) for window in WINDOWS}

    def write(self, name: str, text: str) -> None:
        """A file of the folder."""
        (self.folder / name).write_text(text)

    def split(self, train: Sequence[str] = WINDOWS[:3], holdout: str = WINDOWS[3]) -> Split:
        """The table split by time."""
        table = feature_table(
            "toy",
            self.windows,
            key=FEATURES.key,
            label="y",
            features=FEATURES.columns,
            categorical=FEATURES.categorical,
        )
        return split_of(table, train, holdout)

    def fit(self, split: Split | None = None, **changes: Any) -> Fitted:  # noqa: ANN401 - of a section
        """The step, with changes to the training section."""
        training = TrainingSpec.model_validate({**self.training.model_dump(), **changes})
        return fit.fn(split or self.split(), training, self.evaluation, FEATURES, self.label)

    def evaluate(self, fitted: Fitted, **changes: Any) -> Evaluation:  # noqa: ANN401 - of a section
        """The step, with changes to the evaluation section."""
        spec = EvaluationSpec.model_validate({**self.evaluation.model_dump(), **changes})
        return evaluate.fn(fitted, spec, self.label)

    def candidate(self, fitted: Fitted, version: int) -> Candidate:
        """The fitted model, evaluated and named."""
        return candidate_of(fitted, self.evaluate(fitted), version)

    def compare(self, candidate: Candidate, champion: Candidate | None) -> Comparison:
        """The step, against a champion or the baseline."""
        gates = GateSpec(rounds=100)
        return compare.fn(candidate, _crowned(champion), self.evaluation, gates, self.label)


def _crowned(candidate: Candidate | None) -> Champion | None:
    if candidate is None:
        return None
    return Champion(
        model="toy",
        version=candidate.version,
        since=AS_OF,
        candidate=candidate,
        bento=Bento(tag="toy:1", uri="/bento", digest="b", version=candidate.version),
        entry="entry",
    )


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """A binary model in a home of its own."""
    with bare_home(tmp_path):
        yield Toy(tmp_path)


def test_candidates_are_tried_on_the_cluster_and_the_best_is_fitted(toy: Toy) -> None:
    """Each over the declared parameters, on the newest training window."""
    candidates = ({"max_iter": 1, "max_leaf_nodes": 2}, {"max_leaf_nodes": 8})

    fitted = toy.fit(candidates=candidates, resources={"cpus": 2, "memory": "2GiB"})

    assert [trial.parameters for trial in fitted.trials] == [
        {"max_iter": 1, "max_leaf_nodes": 2},
        {"max_iter": 20, "max_leaf_nodes": 8},
    ]
    assert fitted.parameters == max(fitted.trials, key=lambda trial: trial.score).parameters
    assert fitted.rows == 1200


def test_the_cluster_changes_no_number(toy: Toy) -> None:
    """Two workers and the debug twin make the same model, to the byte."""
    candidates = ({"max_leaf_nodes": 4}, {"max_leaf_nodes": 8})
    here = toy.fit(candidates=candidates)
    (Path(here.uri) / "fitted.json").unlink()

    there = toy.fit(candidates=candidates, resources={"cpus": 2, "memory": "2GiB"})

    assert there.digest == here.digest
    assert [trial.score for trial in there.trials] == [trial.score for trial in here.trials]


@pytest.mark.parametrize("cpus", [1, 2], ids=["in the run", "in a worker"])
def test_a_process_that_does_not_see_its_lease_trains_nothing(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, cpus: int
) -> None:
    """It would train on a device that is not its own, or on none and take a day."""
    monkeypatch.setenv("PERENNIAL_LEASE", "7")
    monkeypatch.setenv("PERENNIAL_LEASE_DEVICES", "GPU-8932f937-d72c-4106-c12f-20bd9faed900")
    candidates = ({"max_leaf_nodes": 4}, {"max_leaf_nodes": 8})

    with pytest.raises(IntegrityError, match="Lease 7 is of GPU-8932f937"):
        toy.fit(candidates=candidates, resources={"cpus": cpus, "memory": "2GiB"})


def test_of_equal_candidates_the_first_declared_wins(toy: Toy) -> None:
    """A tie is not decided by which worker was faster."""
    fitted = toy.fit(candidates=({"verbose": 0}, {"warm_start": False}))

    assert fitted.trials[0].score == fitted.trials[1].score
    assert fitted.parameters == {"max_iter": 20, "verbose": 0}


def test_where_less_is_better_the_least_wins(toy: Toy) -> None:
    """The direction is the metric's, not the largest number's."""
    toy.evaluation = EvaluationSpec(metric="log_loss")

    fitted = toy.fit(candidates=({"max_iter": 1}, {"max_iter": 30}))

    assert fitted.parameters == {"max_iter": 30}


def test_without_a_second_window_a_share_by_key_is_tried_on(toy: Toy) -> None:
    """The same rows in every run, none of them trained on."""
    candidates = ({"max_iter": 1}, {"max_iter": 30})

    fitted = toy.fit(toy.split(WINDOWS[:1]), candidates=candidates)

    assert fitted.parameters == {"max_iter": 30}
    assert fitted.rows == 400


def test_a_stored_model_is_a_folder_of_model_and_sample(toy: Toy) -> None:
    """The sample holds a hundred rows of the features in order, and the model predicts them."""
    fitted = toy.fit()

    sample = pd.read_parquet(io.BytesIO(store.get_bytes(f"{fitted.uri}/{SAMPLE_FILE}")))
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    assert list(sample) == ["x", "noise", "place"]
    assert len(predict_scores(model, sample, "binary")) == 100


def test_the_same_fit_again_is_found_and_not_made(toy: Toy) -> None:
    """Content-addressed: what is there whole is not touched."""
    first = toy.fit()
    before = (Path(first.uri) / MODEL_FILE).stat().st_mtime_ns

    again = toy.fit()

    assert again == first
    assert (Path(first.uri) / MODEL_FILE).stat().st_mtime_ns == before


def test_a_fit_that_was_killed_half_way_is_finished(toy: Toy) -> None:
    """Without its record, written last, a folder counts for nothing; the bytes come out equal."""
    first = toy.fit()
    (Path(first.uri) / "fitted.json").unlink()
    (Path(first.uri) / MODEL_FILE).write_bytes(b"half")

    again = toy.fit()

    assert again == first


def test_a_stored_model_that_was_changed_stops_the_run(toy: Toy) -> None:
    """It is neither used nor quietly replaced."""
    first = toy.fit()
    (Path(first.uri) / MODEL_FILE).write_bytes(b"other")

    with pytest.raises(IntegrityError, match="was recorded"):
        toy.fit()


@pytest.mark.parametrize(
    "change", [{"seed": 5}, {"parameters": {"max_iter": 21}}, {"trainer": "other:build"}]
)
def test_what_makes_the_model_names_its_folder(toy: Toy, change: dict[str, Any]) -> None:
    """Another seed, parameter or trainer is another model."""
    toy.write("other.py", TRAINER.format(kind="binary"))

    assert toy.fit(**change).uri != toy.fit().uri


def test_more_cores_make_no_other_model(toy: Toy) -> None:
    """Resources say how fast, not what."""
    assert toy.fit(resources={"cpus": 2, "memory": "1GiB"}) == toy.fit()


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("import nothing_like_this", "fails while it is imported: ModuleNotFoundError"),
        ("def make(): ...", "has no 'build'"),
        ("def build(parameters): ...", "raises TypeError"),
        ("def build(p, c, s): return {}", "returns a dict, no estimator with predict_proba"),
        ("from sklearn.svm import LinearSVC\ndef build(p, c, s): return LinearSVC()", "LinearSVC"),
        (
            "import sklearn.linear_model as m\ndef build(p, c, s): return m.LogisticRegression()",
            "fails on 1200 rows: ValueError: could not convert string",
        ),
    ],
)
def test_a_wrong_trainer_is_a_mistake_in_the_folder(toy: Toy, trainer: str, message: str) -> None:
    """One sentence and where to look, whatever it does wrong."""
    toy.write("trainer.py", trainer)

    with pytest.raises(ConfigError, match=message):
        toy.fit()


def test_a_parameter_that_the_estimator_does_not_take_is_named(toy: Toy) -> None:
    """From inside a worker as from here."""
    candidates = ({"max_leafs": 3}, {"max_leaf_nodes": 3})

    with pytest.raises(ConfigError, match="max_leafs"):
        toy.fit(candidates=candidates, resources={"cpus": 2, "memory": "1GiB"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(y=1.0), "is 1 in all 1200 rows"),
        (lambda frame: frame.assign(y=frame["y"].where(frame.index > 3)), "12 of 1200 rows"),
        (lambda frame: frame.iloc[:10], "30 labelled rows are too few"),
    ],
)
def test_labels_that_teach_nothing_are_a_data_error(toy: Toy, change: Any, message: str) -> None:  # noqa: ANN401 - a lambda
    """The owner of the data is told what is missing."""
    toy.windows = {window: change(frame) for window, frame in toy.windows.items()}

    with pytest.raises(DataError, match=message):
        toy.fit()


def test_an_evaluation_tells_metrics_slices_and_a_picture(toy: Toy, tmp_path: Path) -> None:
    """Beside the best constant, with every prediction kept, and what slices it."""
    fitted = toy.fit()

    found = toy.evaluate(fitted)

    kept = pd.read_parquet(io.BytesIO(store.get_bytes(found.predictions_uri)))
    assert list(kept) == ["id", "y", "place", "prediction", "baseline"]
    assert len(kept) == found.rows == 400
    assert found.metrics["roc_auc"] > 0.85 > found.baseline["roc_auc"] == 0.5
    assert set(found.slices) == {"place=north", "place=south"}
    assert next(iter(found.importances)) == "x"
    picture = tmp_path / "reports" / found.picture_url.removeprefix("http://127.0.0.1:3/")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_same_evaluation_again_is_the_same(toy: Toy) -> None:
    """Every draw is seeded by what is drawn from."""
    fitted = toy.fit()

    assert toy.evaluate(fitted) == toy.evaluate(fitted)


def test_a_declared_rule_is_the_baseline(toy: Toy) -> None:
    """Resolved from the model's folder, judged on the same rows."""
    toy.write("rule.py", "def predict(train, holdout):\n    return holdout['x']\n")

    found = toy.evaluate(toy.fit(), baseline="rule:predict")

    assert 0.8 < found.baseline["roc_auc"] < found.metrics["roc_auc"]


def test_the_first_candidate_is_compared_with_the_baseline(toy: Toy) -> None:
    """There is no champion yet, so the rule holds the place."""
    candidate = toy.candidate(toy.fit(), 1)

    found = toy.compare(candidate, None)

    assert found.against == "baseline"
    assert found.incumbent == 0.5
    assert 0 < found.lower < found.gain < found.upper


def test_challenger_and_champion_meet_on_the_same_rows(toy: Toy) -> None:
    """The champion predicts the challenger's holdout anew; the better one is promoted."""
    champion = toy.candidate(toy.fit(toy.split(WINDOWS[:1], WINDOWS[1]), parameters=STUMP), 1)
    challenger = toy.candidate(toy.fit(), 2)

    found = toy.compare(challenger, champion)

    verdict = judge.fn(challenger, found, GateSpec(min_gain=0.005), ApprovalSpec())
    assert found.against == "1"
    assert found.rows == 400
    assert found.challenger == pytest.approx(challenger.evaluation.metrics["roc_auc"])
    assert verdict.kind == "promote"


def test_a_champion_against_itself_gains_nothing(toy: Toy) -> None:
    """Loaded from disk, it says what was stored of it."""
    candidate = toy.candidate(toy.fit(), 1)

    found = toy.compare(candidate, candidate)

    assert (found.gain, found.lower, found.upper) == (0, 0, 0)


def test_a_champion_whose_features_are_gone_cannot_be_compared(toy: Toy) -> None:
    """The message names them."""
    champion = toy.candidate(toy.fit(), 1)
    table = toy.split().table.model_copy(update={"features": ("x", "place"), "digest": "less"})
    challenger = toy.candidate(toy.fit(split_of(table, WINDOWS[:3], WINDOWS[3])), 2)

    with pytest.raises(DataError, match="The champion needs noise, which the features no longer"):
        toy.compare(challenger, champion)


@pytest.mark.parametrize(
    ("kind", "metric"),
    [("multiclass", "roc_auc_ovr"), ("multiclass", "log_loss"), ("regression", "rmse")],
)
def test_other_kinds_of_labels_go_the_whole_way(tmp_path: Path, kind: str, metric: str) -> None:
    """Fit, evaluate and compare with the baseline and with a champion."""
    with bare_home(tmp_path):
        toy = Toy(tmp_path, kind, metric)
        weak = toy.candidate(toy.fit(parameters=STUMP), 1)
        strong = toy.candidate(toy.fit(candidates=({"max_iter": 5}, {"max_iter": 40})), 2)

        first, second = toy.compare(weak, None), toy.compare(strong, weak)

    assert first.lower > 0
    assert second.lower > 0
    assert metric in strong.evaluation.metrics

"""Our metrics against scikit-learn's, and what they say where a metric is undefined."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from infra.errors import ConfigError
from tasks import metrics as ours

Reference = Callable[[ours.Array, ours.Array], float]


def binary(seed: int = 3, rows: int = 500) -> tuple[ours.Array, ours.Array]:
    """Labels and coarse probabilities: ties included."""
    draws = np.random.default_rng(seed)
    labels = (draws.random(rows) < 0.3).astype(float)
    return labels, np.clip(labels * 0.2 + draws.random(rows), 0.01, 0.99).round(1)


def multiclass(seed: int = 3, rows: int = 400) -> tuple[ours.Array, ours.Array]:
    """Class indexes and probabilities that lean towards them."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 4, rows).astype(float)
    weights = draws.random((rows, 4)) + np.eye(4)[labels.astype(int)] * 0.4
    return labels, weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("roc_auc", theirs.roc_auc_score),
        ("log_loss", theirs.log_loss),
        ("brier", theirs.brier_score_loss),
        ("average_precision", theirs.average_precision_score),
        ("accuracy", lambda labels, scores: theirs.accuracy_score(labels, scores >= 0.5)),
    ],
)
def test_binary_metrics_agree_with_scikit_learn(name: str, reference: Reference) -> None:
    """Ties included, each is the library's number to twelve digits."""
    labels, scores = binary()

    value = ours.score(name, "binary", labels, scores)

    assert value == pytest.approx(reference(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("accuracy", lambda y, p: theirs.accuracy_score(y, p.argmax(axis=1))),
        ("macro_f1", lambda y, p: theirs.f1_score(y, p.argmax(axis=1), average="macro")),
        ("log_loss", theirs.log_loss),
        ("roc_auc_ovr", lambda y, p: theirs.roc_auc_score(y, p, multi_class="ovr")),
    ],
)
def test_multiclass_metrics_agree_with_scikit_learn(name: str, reference: Reference) -> None:
    """Each is the library's number to twelve digits."""
    labels, probabilities = multiclass()

    value = ours.score(name, "multiclass", labels, probabilities)

    assert value == pytest.approx(reference(labels, probabilities), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("rmse", theirs.root_mean_squared_error),
        ("mae", theirs.mean_absolute_error),
        ("r2", theirs.r2_score),
    ],
)
def test_regression_metrics_agree_with_scikit_learn(name: str, reference: Reference) -> None:
    """Each is the library's number to twelve digits."""
    draws = np.random.default_rng(5)
    labels = draws.normal(size=300)
    predictions = labels + draws.normal(scale=0.5, size=300)

    value = ours.score(name, "regression", labels, predictions)

    assert value == pytest.approx(reference(labels, predictions), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60))
def test_roc_auc_of_turned_scores_is_the_complement(rows: list[tuple[bool, int]]) -> None:
    """Turning the order of the scores turns the AUC around one half."""
    labels = np.array([float(label) for label, _ in rows])
    scores = np.array([float(score) for _, score in rows])

    straight, turned = ours.roc_auc(labels, scores), ours.roc_auc(labels, -scores)

    assert math.isnan(straight) == math.isnan(turned)
    assert math.isnan(straight) or straight + turned == pytest.approx(1)


def test_measure_leaves_out_what_one_class_alone_cannot_tell() -> None:
    """A window in which nothing happened has a log loss and a gap, but no AUC."""
    found = ours.measure("binary", np.zeros(5), np.full(5, 0.1))

    assert "roc_auc" not in found
    assert found["calibration_gap"] == pytest.approx(0.1)


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_measure_of_no_rows_is_empty(kind: str) -> None:
    """No rows, no metrics, no warning and no exception."""
    predictions = np.zeros((0, 3)) if kind == "multiclass" else np.zeros(0)

    assert ours.measure(kind, np.zeros(0), predictions) == {}


def test_calibration_gap_is_positive_for_a_model_that_says_too_much() -> None:
    """The sign tells on which side the mean prediction stands."""
    labels = np.array([0.0, 1.0, 0.0, 0.0])

    assert ours.calibration_gap(labels, np.full(4, 0.4)) == pytest.approx(0.15)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_predictions_that_stay_are_scored_under_other_labels_as_if_anew(kind: str) -> None:
    """Every metric, to the last bit; where one class alone is there, neither can tell."""
    labels, predictions = binary() if kind == "binary" else multiclass()
    others = [labels, np.flip(labels), np.ones_like(labels)]

    for name in ours.metric_names(kind):
        scored = ours.scoring(name, kind, predictions)
        anew = [ours.score(name, kind, each, predictions) for each in others]
        assert [scored(each) for each in others] == pytest.approx(anew, abs=0, nan_ok=True)


def test_direction_names_the_closest_metric_when_there_is_none() -> None:
    """A typo in a declaration is answered with what was meant."""
    with pytest.raises(ConfigError, match=r"Did you mean roc_auc\?"):
        ours.direction("roc_acu")


def test_score_refuses_a_metric_of_another_kind() -> None:
    """An RMSE of classes means nothing."""
    with pytest.raises(ConfigError, match="rmse is no metric for binary labels"):
        ours.score("rmse", "binary", np.zeros(2), np.zeros(2))


def test_directions_tell_gains_from_losses() -> None:
    """Up is good for an AUC and bad for a loss; a gap has no direction."""
    assert [ours.direction(n) for n in ("roc_auc", "rmse", "calibration_gap")] == [1, -1, 0]

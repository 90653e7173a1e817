"""What is told of a holdout: groups, fairness, importances and the rule beside the model."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra.errors import ConfigError, DataError
from tasks.data.spec import LabelSpec
from tasks.evaluation.holdout import by_slice, constant, finite_metrics, importances, rule_scores
from tasks.evaluation.spec import EvaluationSpec
from tasks.training.estimators import hist_gradient_boosting

LABEL = LabelSpec(name="late", kind="binary")
NAMES = LabelSpec(name="late", kind="multiclass")
NUMBER = LabelSpec(name="late", kind="regression")


def rows(count: int = 900) -> pd.DataFrame:
    """Rows in three places of which one is tiny; `x` makes the label, `noise` does not."""
    draws = np.random.default_rng(5)
    x, noise = draws.random(count), draws.random(count)
    place = pd.Series(["north", "south"] * (count // 2), dtype="str")
    place[:10] = "tiny"
    late = (x + 0.2 * draws.random(count) > 0.6).astype(float)
    return pd.DataFrame({"x": x, "noise": noise, "place": place, "late": late})


def spec(**fields: Any) -> EvaluationSpec:  # noqa: ANN401 - fields of a declaration
    """An evaluation by ROC AUC that shows groups of at least 50."""
    return EvaluationSpec.model_validate({"metric": "roc_auc", "min_group": 50, **fields})


def test_small_groups_are_not_shown() -> None:
    """Ten rows tell nothing, and may tell who they are."""
    frame = rows()
    labels, scores = frame["late"].to_numpy(), frame["x"].to_numpy()

    found = by_slice(frame, labels, scores, spec(slices=("place",)), "binary")

    assert list(found) == ["place=north", "place=south"]
    assert found["place=north"]["n"] == 445
    assert 0.9 < found["place=north"]["roc_auc"] <= 1


def test_a_group_without_value_is_shown_as_missing() -> None:
    """What nobody filled in is a group too."""
    frame = rows()
    frame.loc[100:299, "place"] = None
    labels, scores = frame["late"].to_numpy(), frame["x"].to_numpy()

    found = by_slice(frame, labels, scores, spec(slices=("place",)), "binary")

    assert found["place=missing"]["n"] == 200


def test_sensitive_groups_are_compared_with_the_best_treated() -> None:
    """Half as many selected is a ratio of one half; the gap is that of the true positive rates."""
    frame = pd.DataFrame({"sex": ["f"] * 100 + ["m"] * 100})
    labels = np.tile([1.0, 0.0], 100)
    scores = np.where(labels > 0, 0.9, 0.1)
    scores[:50] = 0.1

    found = by_slice(frame, labels, scores, spec(sensitive=("sex",)), "binary")

    assert found["sex=f"]["selection_ratio"] == pytest.approx(0.5)
    assert found["sex=f"]["tpr_gap"] == pytest.approx(0.5)
    assert found["sex=m"]["selection_ratio"] == 1
    assert found["sex=m"]["tpr_gap"] == 0
    assert found["sex=f"]["fpr_gap"] == 0


def test_a_column_that_is_not_there_is_named() -> None:
    """A typo in the declaration is found where it stands."""
    with pytest.raises(ConfigError, match="names plaec, which the features do not hold"):
        by_slice(rows(), np.zeros(900), np.zeros(900), spec(slices=("plaec",)), "binary")


def test_importances_find_what_makes_the_label() -> None:
    """The feature that the label is made of has nearly all of the weight."""
    frame = rows()
    names = ["x", "noise", "place"]
    model = hist_gradient_boosting("binary", {"max_iter": 20}, ["place"], 1).fit(
        frame[names], frame["late"]
    )

    found = importances(model, frame[[*names, "late"]], LABEL, (), "log_loss", 3)

    assert next(iter(found)) == "x"
    assert found["x"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert found == importances(model, frame[[*names, "late"]], LABEL, (), "log_loss", 3)


@pytest.mark.parametrize(
    ("label", "metric", "labels", "expected"),
    [
        (LABEL, "roc_auc", [0, 0, 0, 1], 0.25),
        (NUMBER, "rmse", [0, 0, 0, 8], 2.0),
        (NUMBER, "mae", [0, 0, 0, 8], 0.0),
    ],
)
def test_the_best_constant_depends_on_what_counts(
    label: LabelSpec, metric: str, labels: list[float], expected: float
) -> None:
    """Base rate and mean, and the median where absolute errors count."""
    train = pd.DataFrame({"late": labels})

    scores = constant(label, metric)(train, train.iloc[:2])

    assert scores == pytest.approx([expected, expected])


def test_the_constant_of_classes_is_their_shares() -> None:
    """In the sorted order of the classes."""
    train = pd.DataFrame({"late": ["b", "a", "b", "b"]})

    scores = constant(NAMES, "accuracy")(train, train.iloc[:1])

    assert scores.tolist() == [[0.25, 0.75]]


def test_a_rule_does_not_see_the_labels_of_the_holdout() -> None:
    """Neither the label nor when it was known."""
    seen: list[str] = []
    frame = rows().assign(label_time=pd.Timestamp("2013-01-01", tz="UTC"))

    def rule(train: pd.DataFrame, holdout: pd.DataFrame) -> Any:  # noqa: ANN401 - any array
        seen.extend(holdout.columns)
        return np.full(len(holdout), train["late"].mean())

    rule_scores(rule, frame, frame, LABEL)

    assert seen == ["x", "noise", "place"]


def test_a_rule_that_raises_is_a_mistake_in_the_folder() -> None:
    """With what it said."""

    def rule(train: pd.DataFrame, holdout: pd.DataFrame) -> Any:  # noqa: ANN401 - any array
        return holdout["hour"]

    with pytest.raises(ConfigError, match=r"evaluation\.baseline raises KeyError: 'hour'"):
        rule_scores(rule, rows(), rows(), LABEL)


@pytest.mark.parametrize("said", [np.zeros(3), np.full(900, np.nan)])
def test_a_rule_must_say_one_finite_score_for_each_row(said: Any) -> None:  # noqa: ANN401 - any array
    """Too few, or none at all, is no baseline."""
    with pytest.raises(ConfigError, match=r"expected \(900,\)"):
        rule_scores(lambda _train, _holdout: said, rows(), rows(), LABEL)


def test_a_holdout_of_one_class_cannot_be_judged() -> None:
    """Not a NaN in a record."""
    with pytest.raises(DataError, match="roc_auc cannot be told of the 5 rows"):
        finite_metrics("binary", "roc_auc", np.zeros(5), np.full(5, 0.1))


def test_a_metric_without_direction_judges_nothing() -> None:
    """More of a calibration gap is neither better nor worse."""
    with pytest.raises(ConfigError, match="calibration_gap cannot be compared"):
        finite_metrics("binary", "calibration_gap", np.zeros(5), np.full(5, 0.1))

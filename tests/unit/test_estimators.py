"""The gradient boosting that models share."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from infra.errors import ConfigError
from infra.models import MODEL_FILE, dump_model, load_model, predict_scores
from infra.store import file_digest
from tasks.training.estimators import hist_gradient_boosting

Kind = Literal["binary", "multiclass", "regression"]


def rows(n_rows: int = 400) -> pd.DataFrame:
    """A number and a category, both of which decide and both of which are sometimes missing."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "amount": draw.normal(size=n_rows),
            "city": pd.Series(draw.choice(["a", "b", "c"], n_rows), dtype="str"),
        }
    )
    frame.loc[::10, "amount"] = np.nan
    frame.loc[::7, "city"] = None
    return frame


def answers(frame: pd.DataFrame, kind: Kind) -> pd.Series:
    """What the rows of each kind say."""
    score = frame["amount"].fillna(0) + (frame["city"] == "b") * 2
    if kind == "regression":
        return score
    if kind == "binary":
        return (score > 1).astype("int64")
    return pd.cut(score, [-99, 0, 1, 99], labels=["low", "middle", "high"]).astype("str")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_learns_from_numbers_and_categories_and_can_be_stored(
    kind: Kind, tmp_path: Path
) -> None:
    """Missing values on both sides are no hindrance; what is loaded predicts as what was stored."""
    frame = rows()
    model = hist_gradient_boosting(kind, {"max_iter": 20}, ["city"], 1)

    model.fit(frame, answers(frame, kind))

    assert model.score(frame, answers(frame, kind)) > 0.9
    data, trusted = dump_model(model)
    (tmp_path / MODEL_FILE).write_bytes(data)
    loaded = load_model(str(tmp_path), file_digest(tmp_path / MODEL_FILE), trusted)
    assert loaded.predict(frame).tolist() == model.predict(frame).tolist()


def test_a_new_category_is_taken_as_a_missing_one() -> None:
    """A carrier that training never saw must not stop a prediction."""
    frame = rows()
    model = hist_gradient_boosting("binary", {"max_iter": 5}, ["city"], 1)
    model.fit(frame, answers(frame, "binary"))

    new = predict_scores(model, frame.assign(city="z"), "binary")
    missing = predict_scores(
        model, frame.assign(city=pd.Series([None] * len(frame), dtype="str")), "binary"
    )

    assert new.tolist() == missing.tolist()


def test_the_same_seed_gives_the_same_trees() -> None:
    """Early stopping draws rows, and by the seed."""
    frame = rows()
    parameters = {"max_iter": 40, "early_stopping": True}

    one, other = (
        hist_gradient_boosting("binary", parameters, ["city"], 3).fit(
            frame, answers(frame, "binary")
        )
        for _ in range(2)
    )

    assert one.predict_proba(frame).tolist() == other.predict_proba(frame).tolist()


def test_more_categories_than_bins_share_one() -> None:
    """Gradient boosting has 255 bins; a column of 300 values still trains."""
    frame = pd.DataFrame({"name": pd.Series([f"n{i % 300}" for i in range(1200)], dtype="str")})
    frame["odd"] = [i % 2 for i in range(1200)]

    model = hist_gradient_boosting("binary", {"max_iter": 5}, ["name"], 1)

    assert len(model.fit(frame[["name"]], frame["odd"]).predict(frame[["name"]])) == 1200


def test_without_categories_numbers_are_enough() -> None:
    """A model may declare no categorical feature."""
    frame = rows()[["amount"]].fillna(0)

    model = hist_gradient_boosting("regression", {"max_iter": 5}, [], 1).fit(frame, frame["amount"])

    assert model.predict(frame).shape == (400,)


def test_an_unknown_parameter_is_named() -> None:
    """A typo in model.yaml is the file's fault."""
    with pytest.raises(ConfigError, match="max_itre"):
        hist_gradient_boosting("binary", {"max_itre": 5}, [], 1)

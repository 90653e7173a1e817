"""The control: a model whose world does not move."""

from typing import Any

import pandas as pd
import pytest

from infra.plugins import resolve
from infra.settings import PROJECT
from tasks.metrics import roc_auc
from tasks.spec import ModelSpec, load_spec
from tests.support.feeds import declared_frames

FOLDER = PROJECT / "deployments" / "employment"
YEARS = ["2015", "2016", "2017", "2018"]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    """The declaration."""
    return load_spec("employment", PROJECT / "deployments")


@pytest.fixture(scope="module")
def surveys(spec: ModelSpec) -> dict[str, pd.DataFrame]:
    """The features of each survey year."""
    build = resolve(FOLDER, spec.features.builder)
    tables = declared_frames("employment", spec.data)
    return {year: build(tables, year) for year in YEARS}


@pytest.fixture(scope="module")
def static(spec: ModelSpec, surveys: dict[str, pd.DataFrame]) -> Any:  # noqa: ANN401 - any estimator
    """The model of 2015."""
    return fitted(spec, surveys["2015"])


def fitted(spec: ModelSpec, rows: pd.DataFrame) -> Any:  # noqa: ANN401 - any estimator
    """The declared trainer, fitted."""
    trainer = resolve(FOLDER, spec.training.trainer)
    model = trainer(spec.training.parameters, spec.features.categorical, spec.training.seed)
    return model.fit(rows[list(spec.features.columns)], rows["employed"])


def auc(spec: ModelSpec, model: Any, rows: pd.DataFrame) -> float:  # noqa: ANN401 - any estimator
    """ROC AUC of a model on rows."""
    scores = model.predict_proba(rows[list(spec.features.columns)])[:, 1]
    return roc_auc(rows["employed"].to_numpy(), scores)


def test_a_label_is_known_a_year_after_its_survey(surveys: dict[str, pd.DataFrame]) -> None:
    """The survey of 2015 can be trained on from the last day of 2016 on."""
    assert sum(len(rows) for rows in surveys.values()) == 277_677
    assert surveys["2015"]["label_time"].unique() == pd.Timestamp("2016-12-31", tz="UTC")


def test_the_model_of_2015_scores_as_published_in_every_later_year(
    spec: ModelSpec,
    surveys: dict[str, pd.DataFrame],
    static: Any,  # noqa: ANN401 - any estimator
) -> None:
    """All ages: 0.903, 0.906 and 0.906; of 16 to 90: 0.859."""
    adults = surveys["2018"].query("16 <= AGEP <= 90")

    found = [auc(spec, static, surveys[year]) for year in YEARS[1:]]

    assert found == pytest.approx([0.903, 0.906, 0.906], abs=0.003)
    assert auc(spec, static, adults) == pytest.approx(0.859, abs=0.003)


def test_a_retrain_gains_less_than_the_gate_asks_for(
    spec: ModelSpec,
    surveys: dict[str, pd.DataFrame],
    static: Any,  # noqa: ANN401 - any estimator
) -> None:
    """At most 0.002: whoever promotes it promotes noise."""
    earlier = pd.concat([surveys["2015"], surveys["2016"]])

    gain = auc(spec, fitted(spec, earlier), surveys["2017"]) - auc(spec, static, surveys["2017"])

    assert gain < spec.gates.min_gain


def test_the_sensitive_columns_are_features_with_groups_too_small_to_show(
    spec: ModelSpec, surveys: dict[str, pd.DataFrame]
) -> None:
    """Without a smallest group, one person's answer would be a rate."""
    sizes = {column: surveys["2018"].groupby(column).size() for column in spec.evaluation.sensitive}

    assert set(sizes) == {"SEX", "RAC1P", "DIS", "NATIVITY"} <= set(spec.features.columns)
    assert sizes["RAC1P"].min() < 84 < spec.evaluation.min_group
    assert sizes["SEX"].min() > spec.evaluation.min_group

"""Estimators that a model's trainer can hand out as they are."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import JsonValue
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from infra.errors import ConfigError, few

_MOST_CATEGORIES = 254
"""Gradient boosting bins into 255, one of which is for what is missing."""


def hist_gradient_boosting(
    kind: Literal["binary", "multiclass", "regression"],
    parameters: Mapping[str, JsonValue],
    categorical: Sequence[str],
    seed: int,
) -> Pipeline:
    """Gradient boosted trees on a frame of numbers and strings, either of which may be missing.

    A category that training did not see is treated as missing; of more than 254 the rarest share
    one. The same rows, parameters and seed give the same trees: nothing is held out at random
    unless `parameters` switch ``early_stopping`` on, and then `seed` draws it.

    Args:
        kind: what is predicted.
        parameters: of scikit-learn's HistGradientBoosting, by name.
        categorical: the columns that hold strings; all others are numbers.
        seed: of everything that is drawn.

    Raises:
        ConfigError: a parameter is not one of HistGradientBoosting's.
    """
    chosen = (
        HistGradientBoostingRegressor if kind == "regression" else HistGradientBoostingClassifier
    )
    settled = {
        "early_stopping": False,
        **parameters,
        "categorical_features": list(range(len(categorical))),
        "random_state": seed,
    }
    unknown = sorted(set(settled) - set(chosen().get_params()))
    if unknown:
        raise ConfigError(
            f"training.parameters: {chosen.__name__} takes no {few(unknown)}.", parameters=unknown
        )
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=_MOST_CATEGORIES,
    )
    # The encoded columns come first, which is what `categorical_features` counts on.
    columns = make_column_transformer((encoder, list(categorical)), remainder="passthrough")
    return make_pipeline(columns, chosen(**settled))

"""How a model of employment is made."""

from pydantic import JsonValue
from sklearn.pipeline import Pipeline

from tasks.training.estimators import hist_gradient_boosting


def build(parameters: dict[str, JsonValue], categorical: list[str], seed: int) -> Pipeline:
    """An unfitted classifier of employed people."""
    return hist_gradient_boosting("binary", parameters, categorical, seed)

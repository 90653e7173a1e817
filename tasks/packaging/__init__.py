"""How a version answers: packaged, tested as packaged, and asked for a window."""

from tasks.packaging.bundling import package, smoke_test
from tasks.packaging.scoring import find_predictions, predict, scored_among

__all__ = ["find_predictions", "package", "predict", "scored_among", "smoke_test"]

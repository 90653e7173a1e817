"""What a model sees."""

from tasks.features.steps import build_features, split_by_time

__all__ = ["build_features", "split_by_time"]

"""The steps of this stage: features from tables, and the split of their windows by time."""

from infra.steps import step
from tasks.data.spec import DataSpec
from tasks.features.spec import FeatureSpec
from tasks.references import FeatureTable, History, Split
from tasks.training.spec import TrainingSpec


@step
def build_features(history: History, features: FeatureSpec, data: DataSpec) -> FeatureTable:
    """The features of every window of a history; only windows that are new or changed are built."""
    from tasks.features.partitions import build

    return build(history, features, data)


@step
def split_by_time(
    table: FeatureTable, training: TrainingSpec, window: str | int | None = None
) -> Split:
    """The newest labelled windows to judge on, and those before them to train on."""
    from tasks.features.splitting import split

    return split(table, training, window)

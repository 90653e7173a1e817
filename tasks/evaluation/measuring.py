"""Everything that is measured of a model on its holdout, in one value."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from infra.models import classes_of, predict_scores
from tasks.data.spec import LabelSpec
from tasks.evaluation.holdout import Baseline, by_slice, finite_metrics, importances, rule_scores
from tasks.evaluation.pairs import BASELINE, PREDICTION, predictions_file
from tasks.evaluation.spec import EvaluationSpec
from tasks.labels import comparable, targets
from tasks.metrics import Array
from tasks.references import FeatureTable


@dataclass(frozen=True)
class Asked:
    """What is to be measured: the sections of the declaration, and the seed of what is drawn."""

    table: FeatureTable
    evaluation: EvaluationSpec
    label: LabelSpec
    seed: int


@dataclass(frozen=True)
class Measured:
    """A model on its holdout, beside the baseline."""

    metrics: dict[str, float]
    baseline: dict[str, float]
    slices: dict[str, dict[str, float]]
    importances: dict[str, float]
    predictions: bytes
    kind: str
    classes: tuple[str, ...]
    labels: Array
    scores: Array
    ruled: Array


def measured(
    model: Any,  # noqa: ANN401 - any estimator
    rule: Baseline,
    train: pd.DataFrame,
    rows: pd.DataFrame,
    asked: Asked,
) -> Measured:
    """What a model and a simple rule are worth on rows that neither has seen.

    Args:
        model: fitted on `train`.
        rule: ``predict(train, holdout)``.
        train: key, times, label and features of the training rows.
        rows: the same of the holdout.
        asked: what is measured.

    Raises:
        ConfigError: the metric, the baseline or a slice is not what it should be.
        DataError: the holdout cannot tell the metric.
    """
    label, evaluation, metric = asked.label, asked.evaluation, asked.evaluation.metric
    multiclass = label.kind == "multiclass"
    features = list(asked.table.features)
    said = predict_scores(model, rows[features], label.kind)
    ruled = rule_scores(rule, train, rows, label)
    classes = classes_of(model) if multiclass else ()
    known = tuple(sorted(set(targets(train, label)))) if multiclass else ()
    labels, scores = comparable(rows, label, classes, said)
    ruled_labels, ruled_scores = comparable(rows, label, known, ruled)
    return Measured(
        metrics=finite_metrics(label.kind, metric, labels, scores),
        baseline=finite_metrics(label.kind, metric, ruled_labels, ruled_scores),
        slices=by_slice(rows, labels, scores, evaluation, label.kind),
        importances=importances(
            model, rows[[*features, label.name]], label, classes, metric, asked.seed
        ),
        predictions=predictions_file(
            rows[list(dict.fromkeys((*asked.table.key, label.name, *evaluation.slices)))],
            label,
            {PREDICTION: said, BASELINE: ruled},
            {PREDICTION: classes, BASELINE: known},
        ),
        kind=label.kind,
        classes=classes,
        labels=labels,
        scores=scores,
        ruled=ruled_scores,
    )

"""What a prediction is worth: the metrics that evaluation, gates and monitoring share.

Labels and predictions are arrays. Binary: labels 0 or 1, predictions the probability of 1.
Multiclass: labels the index of the class (`encode`), predictions a matrix of probabilities,
shape (n_rows, n_classes). Regression: numbers. A metric that the rows cannot tell (an AUC of one
class) is NaN, never an exception: a quiet month is no fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from infra.errors import ConfigError, few

Array = npt.NDArray[np.float64]

Scoring = Callable[[Array], float]
"""What labels make of predictions that stay the same."""

_SMALLEST: Final = float(np.finfo(np.float64).eps)


def encode(labels: Sequence[Any] | npt.NDArray[Any], classes: Sequence[Any]) -> Array:
    """The index of each label among the classes; NaN for a label that is none of them.

    >>> encode(["b", "a", "z"], ["a", "b"])
    array([ 1.,  0., nan])
    """
    index = {str(name): float(position) for position, name in enumerate(classes)}
    return np.array([index.get(str(label), np.nan) for label in labels], dtype=np.float64)


def roc_auc(labels: Array, scores: Array) -> float:
    """Chance that a positive row scores above a negative one, ties counted half: 0 to 1.

    Source:
        Mann and Whitney (1947): the U statistic over its largest value.
    """
    return _roc_auc_of(scores)(labels)


def _roc_auc_of(scores: Array) -> Scoring:
    """The same of one row of scores and any labels: the scores are ranked once."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]

    def of(labels: Array) -> float:
        positive = np.asarray(labels) > 0
        n_positive = int(np.count_nonzero(positive))
        n_negative = len(positive) - n_positive
        if not n_positive or not n_negative:
            return float("nan")
        above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
        return float(above / (n_positive * n_negative))

    return of


def average_precision(labels: Array, scores: Array) -> float:
    """Mean precision over the recalls of the positive class: 0 to 1."""
    return _average_precision_of(scores)(labels)


def _average_precision_of(scores: Array) -> Scoring:
    order = np.argsort(-np.asarray(scores), kind="stable")
    ends = np.append(np.flatnonzero(np.diff(np.asarray(scores)[order])), len(order) - 1)

    def of(labels: Array) -> float:
        hits = np.cumsum(np.asarray(labels)[order] > 0)
        if not len(hits) or not hits[-1]:
            return float("nan")
        precision = hits[ends] / (ends + 1)
        recall = hits[ends] / hits[-1]
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))

    return of


def log_loss(labels: Array, predictions: Array) -> float:
    """Mean negative log-likelihood in nats; 0 is certain and right."""
    if not len(labels):
        return float("nan")
    clipped = np.clip(np.asarray(predictions, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
    if clipped.ndim == 1:
        likelihood = np.where(np.asarray(labels) > 0, clipped, 1 - clipped)
    else:
        rows = np.arange(len(labels))
        clipped = clipped / clipped.sum(axis=1, keepdims=True)
        likelihood = clipped[rows, np.asarray(labels, dtype=np.intp)]
    return float(-np.mean(np.log(likelihood)))


def brier(labels: Array, scores: Array) -> float:
    """Mean squared distance of probability and outcome: 0 to 1."""
    return _mean((np.asarray(scores) - (np.asarray(labels) > 0)) ** 2)


def calibration_gap(labels: Array, scores: Array) -> float:
    """Mean prediction minus base rate (regression: minus mean label); 0 is honest on average."""
    return _mean(np.asarray(scores)) - _mean(np.asarray(labels))


def accuracy(labels: Array, predictions: Array) -> float:
    """Share of rows whose likeliest class (binary: at one half) is the right one."""
    return _mean(_classes(predictions) == np.asarray(labels))


def macro_f1(labels: Array, predictions: Array) -> float:
    """F1 of each class that is there or was predicted, averaged without weights: 0 to 1."""
    said, truth = _classes(predictions), np.asarray(labels, dtype=np.intp)
    scores = []
    for one in np.union1d(said, truth):
        right = np.sum((said == one) & (truth == one))
        scores.append(2 * right / (np.sum(said == one) + np.sum(truth == one)))
    return float(np.mean(scores)) if scores else float("nan")


def roc_auc_ovr(labels: Array, predictions: Array) -> float:
    """ROC AUC of each class against the others, averaged over the classes that are there."""
    return _roc_auc_ovr_of(predictions)(labels)


def _roc_auc_ovr_of(predictions: Array) -> Scoring:
    columns = [_roc_auc_of(column) for column in np.asarray(predictions).T]

    def of(labels: Array) -> float:
        found = [column((labels == k).astype(float)) for k, column in enumerate(columns)]
        known = [value for value in found if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    return of


def rmse(labels: Array, predictions: Array) -> float:
    """Root of the mean squared error, in the label's unit."""
    return float(np.sqrt(_mean((np.asarray(predictions) - np.asarray(labels)) ** 2)))


def mae(labels: Array, predictions: Array) -> float:
    """Mean absolute error, in the label's unit."""
    return _mean(np.abs(np.asarray(predictions) - np.asarray(labels)))


def r2(labels: Array, predictions: Array) -> float:
    """Share of the label's variance that is explained; 1 is perfect, 0 is the mean."""
    spread = _mean((np.asarray(labels) - _mean(np.asarray(labels))) ** 2)
    return 1 - rmse(labels, predictions) ** 2 / spread if spread > 0 else float("nan")


def direction(name: str) -> int:
    """1 where a larger value of the metric is better, -1 where a smaller one is, 0 for a gap.

    Raises:
        ConfigError: there is no such metric.
    """
    for metrics in _METRICS.values():
        if name in metrics:
            return metrics[name].direction
    known = sorted({each for metrics in _METRICS.values() for each in metrics})
    close = get_close_matches(name, known, n=1)
    raise ConfigError(
        f"There is no metric {name!r}.",
        hint=f"Did you mean {close[0]}?" if close else f"Known: {few(known, most=len(known))}.",
    )


def metric_names(kind: str) -> tuple[str, ...]:
    """Names of the metrics of a kind of label: binary, multiclass or regression."""
    return tuple(_METRICS[kind])


def score(name: str, kind: str, labels: Array, predictions: Array) -> float:
    """One metric of the rows.

    Raises:
        ConfigError: labels of this kind have no such metric.
    """
    return _metric(name, kind).of(labels, predictions)


def scoring(name: str, kind: str, predictions: Array) -> Scoring:
    """One metric of the same predictions under any labels, as `score` tells it.

    What takes long, sorting the predictions, is done once.

    Raises:
        ConfigError: labels of this kind have no such metric.
    """
    metric = _metric(name, kind)
    if metric.scoring is not None:
        return metric.scoring(predictions)
    return lambda labels: metric.of(labels, predictions)


def measure(kind: str, labels: Array, predictions: Array) -> dict[str, float]:
    """Every metric of a kind of label by name; those that the rows cannot tell are left out."""
    found = {name: metric.of(labels, predictions) for name, metric in _METRICS[kind].items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _metric(name: str, kind: str) -> "_Metric":
    direction(name)
    if name not in _METRICS[kind]:
        raise ConfigError(
            f"{name} is no metric for {kind} labels.",
            hint=f"These are: {few(list(_METRICS[kind]))}.",
        )
    return _METRICS[kind][name]


@dataclass(frozen=True)
class _Metric:
    of: Callable[[Array, Array], float]
    direction: int
    scoring: Callable[[Array], Scoring] | None = None


_METRICS: Final[dict[str, dict[str, _Metric]]] = {
    "binary": {
        "roc_auc": _Metric(roc_auc, 1, _roc_auc_of),
        "log_loss": _Metric(log_loss, -1),
        "brier": _Metric(brier, -1),
        "calibration_gap": _Metric(calibration_gap, 0),
        "average_precision": _Metric(average_precision, 1, _average_precision_of),
        "accuracy": _Metric(accuracy, 1),
    },
    "multiclass": {
        "accuracy": _Metric(accuracy, 1),
        "macro_f1": _Metric(macro_f1, 1),
        "log_loss": _Metric(log_loss, -1),
        "roc_auc_ovr": _Metric(roc_auc_ovr, 1, _roc_auc_ovr_of),
    },
    "regression": {
        "rmse": _Metric(rmse, -1),
        "mae": _Metric(mae, -1),
        "r2": _Metric(r2, 1),
        "calibration_gap": _Metric(calibration_gap, 0),
    },
}


def _classes(predictions: Array) -> npt.NDArray[np.intp]:
    values = np.asarray(predictions)
    chosen = values.argmax(axis=1) if values.ndim > 1 else values >= 0.5  # noqa: PLR2004 - one half
    return chosen.astype(np.intp)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")

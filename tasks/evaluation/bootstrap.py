"""How sure a gain is: the paired bootstrap of two models on the same rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from infra.errors import ConfigError, DataError
from tasks.metrics import Array, direction, score

Weights = npt.NDArray[np.int64]
Loss = Callable[[Array, Array], Array]
Finish = Callable[[Array], Array]

SLOW_ROWS: Final = 5_000
"""Rows that a metric without a fast path is resampled on: fewer rows widen the interval."""

_BLOCK: Final = 2_000_000
"""Weights held at a time: 16 MB."""


@dataclass(frozen=True)
class Paired:
    """Two models on the same rows: labels as `tasks.metrics` wants them, and what each said."""

    kind: str
    labels: Array
    challenger: Array
    incumbent: Array


@dataclass(frozen=True)
class Gain:
    """How much better the challenger is, in units of the metric, with its interval."""

    challenger: float
    incumbent: float
    gain: float
    lower: float
    upper: float


def paired_bootstrap(
    rows: Paired, metric: str, *, rounds: int, confidence: float, seed: int
) -> Gain:
    """The challenger's gain and its percentile interval over resampled rows.

    Both models are measured on the same resample in each round, so what the rows have in common
    cancels out. The gain is positive when the challenger is better, whatever the metric.

    Args:
        rows: labels and predictions of both.
        metric: name of a metric that has a direction.
        rounds: resamples.
        confidence: of the interval, such as 0.95.
        seed: of the resamples.

    Raises:
        ConfigError: the metric has no direction.
        DataError: there are no rows, or the metric cannot be told of them.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16.
    """
    sign = direction(metric)
    if sign == 0:
        raise ConfigError(
            f"{metric} cannot be the metric that gates compare: neither more nor less is better.",
            hint="Set evaluation.metric to one with a direction, such as roc_auc or log_loss.",
        )
    challenger = score(metric, rows.kind, rows.labels, rows.challenger)
    incumbent = score(metric, rows.kind, rows.labels, rows.incumbent)
    if not np.isfinite(challenger) or not np.isfinite(incumbent):
        raise DataError(
            f"{metric} cannot be told of these {len(rows.labels)} rows.",
            hint="The holdout must hold rows of every class; wait for more labels.",
        )
    gains = sign * np.concatenate(list(_differences(rows, metric, rounds, seed)))
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(gains[np.isfinite(gains)], [tail, 1 - tail])
    return Gain(
        challenger=challenger,
        incumbent=incumbent,
        gain=sign * (challenger - incumbent),
        lower=float(lower),
        upper=float(upper),
    )


def _differences(rows: Paired, metric: str, rounds: int, seed: int) -> Iterator[Array]:
    """Challenger minus incumbent in each round, some rounds at a time."""
    draws = np.random.default_rng(seed)
    if metric == "roc_auc":
        one, other = (
            _WeightedAUC(rows.labels, rows.challenger),
            _WeightedAUC(rows.labels, rows.incumbent),
        )
        for weights in _resamples(draws, len(rows.labels), rounds):
            yield one(weights) - other(weights)
    elif (rows.kind, metric) in _LOSSES:
        loss, finish = _LOSSES[rows.kind, metric]
        each = np.stack([loss(rows.labels, said) for said in (rows.challenger, rows.incumbent)])
        for weights in _resamples(draws, len(rows.labels), rounds):
            means = finish(weights @ each.T / len(rows.labels))
            yield means[:, 0] - means[:, 1]
    else:
        yield _slowly(rows, metric, rounds, draws)


def _slowly(rows: Paired, metric: str, rounds: int, draws: np.random.Generator) -> Array:
    """Any metric, measured anew on each resample of at most `SLOW_ROWS` rows."""
    size = len(rows.labels)
    pool = np.arange(size) if size <= SLOW_ROWS else draws.choice(size, SLOW_ROWS, replace=False)
    found = np.empty(rounds)
    for place in range(rounds):
        picked = draws.choice(pool, len(pool))
        labels = rows.labels[picked]
        found[place] = score(metric, rows.kind, labels, rows.challenger[picked]) - score(
            metric, rows.kind, labels, rows.incumbent[picked]
        )
    return found


def _resamples(draws: np.random.Generator, size: int, rounds: int) -> Iterator[Weights]:
    """How often each row is drawn in each round, shape (n_rounds_of_block, size)."""
    block = max(1, _BLOCK // size)
    for start in range(0, rounds, block):
        count = min(block, rounds - start)
        picked = draws.integers(0, size, (count, size), dtype=np.int64)
        picked += np.arange(count)[:, None] * size
        yield np.bincount(picked.ravel(), minlength=count * size).reshape(count, size)


class _WeightedAUC:
    """ROC AUC of one model under many weightings of its rows; scores are sorted once.

    The AUC is the weighted share of (positive, negative) pairs in the right order, ties counted
    half: for each positive row the weight of the negatives below it, from one running sum.
    """

    def __init__(self, labels: Array, scores: Array) -> None:
        positive = labels > 0
        self.positives, self.negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
        self.negatives = self.negatives[np.argsort(scores[self.negatives], kind="stable")]
        below = scores[self.negatives]
        self.first = np.searchsorted(below, scores[self.positives], side="left")
        self.last = np.searchsorted(below, scores[self.positives], side="right")
        self.tied = bool((self.first != self.last).any())

    def __call__(self, weights: Weights) -> Array:
        """AUC of each weighting, shape (n_rounds,); NaN where a class was not drawn."""
        running = np.zeros((len(weights), len(self.negatives) + 1))
        np.cumsum(weights[:, self.negatives], axis=1, out=running[:, 1:])
        below = running[:, self.first]
        if self.tied:
            below = (below + running[:, self.last]) / 2
        drawn = weights[:, self.positives]
        pairs = drawn.sum(axis=1) * running[:, -1]
        right = np.einsum("ij,ij->i", below, drawn)
        with np.errstate(invalid="ignore"):  # 0/0 where a class was not drawn: NaN is meant
            found: Array = right / pairs
        return found


def _square(labels: Array, said: Array) -> Array:
    found: Array = (said - labels) ** 2
    return found


def _absolute(labels: Array, said: Array) -> Array:
    return np.abs(said - labels)


def _likelihood(labels: Array, said: Array) -> Array:
    eps = np.finfo(np.float64).eps
    if said.ndim == 1:
        said = np.stack([1 - said, said], axis=1)
    clipped = np.clip(said, eps, 1 - eps)
    clipped = clipped / clipped.sum(axis=1, keepdims=True)
    found: Array = -np.log(clipped[np.arange(len(labels)), labels.astype(np.intp)])
    return found


def _hit(labels: Array, said: Array) -> Array:
    chosen = said.argmax(axis=1) if said.ndim > 1 else said >= 0.5  # noqa: PLR2004 - one half
    hits: Array = (chosen == labels).astype(np.float64)
    return hits


def _as_it_is(means: Array) -> Array:
    return means


def _root(means: Array) -> Array:
    found: Array = np.sqrt(means)
    return found


_LOSSES: Final[dict[tuple[str, str], tuple[Loss, Finish]]] = {
    ("binary", "log_loss"): (_likelihood, _as_it_is),
    ("binary", "brier"): (_square, _as_it_is),
    ("binary", "accuracy"): (_hit, _as_it_is),
    ("multiclass", "log_loss"): (_likelihood, _as_it_is),
    ("multiclass", "accuracy"): (_hit, _as_it_is),
    ("regression", "rmse"): (_square, _root),
    ("regression", "mae"): (_absolute, _as_it_is),
}
"""Metrics that are a function of a mean over rows: the loss of a row, and that function."""

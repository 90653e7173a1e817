"""What predictions were worth, against what the model's own confidence said they would be.

An AUC falls in a hard month and rises in an easy one, so last month's value is no yardstick. A
probability says how sure the model was of each row: labels drawn from the probabilities tell what
it would score on these very rows if it were honest, and how much chance moves that. Values have no
such confidence: there the holdout is what is expected.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.metrics import Array, direction, measure, score, scoring

ROUNDS: Final = 40
"""Draws of labels, or resamples of rows: a spread told to about a tenth of itself."""

DRAWN_ROWS: Final = 30_000
"""Rows that are drawn at most, so that a window of millions takes no longer."""


@dataclass(frozen=True)
class Scored:
    """Labelled rows with their predictions, as `tasks.metrics` wants them.

    Attributes:
        kind: of the label: binary, multiclass or regression.
        labels: shape (n_rows,).
        predictions: shape (n_rows,), or (n_rows, n_classes) for multiclass.
        confident: the predictions are probabilities.
    """

    kind: str
    labels: Array
    predictions: Array
    confident: bool = True

    def take(self, rows: npt.NDArray[np.intp]) -> "Scored":
        """Some of the rows, in the order asked for."""
        return Scored(self.kind, self.labels[rows], self.predictions[rows], self.confident)


@dataclass(frozen=True)
class Performance:
    """One metric of some rows.

    Attributes:
        metric: its name.
        value: what came out.
        expected: what the champion's confidence, or else its holdout, let expect.
        noise: standard deviation of the value by chance alone.
        rows: how many were labelled.
    """

    metric: str
    value: float
    expected: float
    noise: float
    rows: int

    @property
    def fall(self) -> float:
        """How much worse than expected: of a score the difference, of an error its growth."""
        if direction(self.metric) > 0:
            return self.expected - self.value
        return self.value / self.expected - 1 if self.expected else 0.0

    @property
    def fall_noise(self) -> float:
        """Standard deviation of `fall` by chance alone."""
        if direction(self.metric) > 0:
            return self.noise
        return self.noise / self.expected if self.expected else 0.0


@dataclass(frozen=True)
class Gap:
    """Mean prediction minus mean label.

    Attributes:
        value: for binary in shares, for multiclass that of the class where it is largest, for
            regression in standard deviations of the label.
        predicted: the mean prediction.
        happened: the mean label.
        noise: standard error of the value.
    """

    value: float
    predicted: float
    happened: float
    noise: float


def perform(rows: Scored, metric: str, holdout: float, seed: int) -> Performance | None:
    """How the rows did, or None where the metric cannot be told of them.

    Args:
        rows: labelled rows with predictions.
        metric: one with a direction.
        holdout: the champion's value on its holdout: what is expected of a model of values.
        seed: of the draws.
    """
    value = score(metric, rows.kind, rows.labels, rows.predictions)
    if not np.isfinite(value):
        return None
    draws = np.random.default_rng(seed)
    if rows.kind == "regression" or not rows.confident:
        tried = _resampled(rows, metric, draws)
        expected = holdout
    else:
        tried = _if_honest(rows, metric, draws)
        expected = _mean(tried)
    if not (np.isfinite(expected) and np.isfinite(tried).any()):
        return None
    return Performance(
        metric=metric,
        value=value,
        expected=expected,
        noise=float(np.nanstd(tried)),
        rows=len(rows.labels),
    )


def estimated(rows: Scored, holdout: Scored, metric: str, seed: int) -> Performance | None:
    """What the rows would show if their chances are honest, beside the same of a holdout.

    None for values, which carry no such confidence, and where the metric cannot be told.

    Args:
        rows: with predictions; their labels are not looked at.
        holdout: likewise, of the champion's holdout.
        metric: one with a direction.
        seed: of the draws.

    Source:
        Confidence-based estimation, as NannyML's CBPE: J. Kivimaki et al., Confidence-based
        Estimators for Predictive Performance in Model Monitoring, JAIR 82 (2025).
    """
    if rows.kind == "regression" or not rows.confident or not len(rows.labels):
        return None
    draws = np.random.default_rng(seed)
    now, then = (_if_honest(each, metric, draws) for each in (rows, holdout))
    value, expected = _mean(now), _mean(then)
    if not (np.isfinite(value) and np.isfinite(expected)):
        return None
    noise = float(np.hypot(np.nanstd(now), np.nanstd(then)))
    return Performance(metric, value, expected, noise, len(rows.labels))


def lower_bound(now: Performance, promotion: Performance, confidence: float) -> float:
    """The least by which the champion falls further than at its promotion, with that confidence."""
    spread = float(np.hypot(now.fall_noise, promotion.fall_noise))
    return now.fall - promotion.fall - NormalDist().inv_cdf(confidence) * spread


def calibration(rows: Scored) -> Gap:
    """The gap between what was predicted and what happened, on average; at least one row."""
    if rows.kind != "multiclass":
        said, came = rows.predictions, rows.labels
        unit = float(came.std()) or 1.0 if rows.kind == "regression" else 1.0
        return _gap(said, came, unit)
    classes = range(rows.predictions.shape[1])
    gaps = [_gap(rows.predictions[:, k], (rows.labels == k).astype(float), 1.0) for k in classes]
    return max(gaps, key=lambda gap: abs(gap.value))


def metrics_of(rows: Scored) -> dict[str, float]:
    """Every metric that the rows can tell, by name."""
    found = measure(rows.kind, rows.labels, rows.predictions)
    if rows.kind == "multiclass" and not rows.confident:
        return {name: found[name] for name in ("accuracy", "macro_f1") if name in found}
    return found


def _if_honest(rows: Scored, metric: str, draws: np.random.Generator) -> Array:
    """The metric under labels that are drawn from the predictions, shape (ROUNDS,).

    Source:
        Parametric bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap (1993), 6.5.
    """
    size = len(rows.labels)
    said = rows.predictions
    if size > DRAWN_ROWS:
        said = said[draws.choice(size, DRAWN_ROWS, replace=False)]
    scored = scoring(metric, rows.kind, said)
    found = np.array([scored(_drawn(said, draws)) for _ in range(ROUNDS)])
    # Fewer rows are drawn than there are: the metric of all of them would move less.
    centre = _mean(found)
    shrunk: Array = centre + (found - centre) * np.sqrt(len(said) / size)
    return shrunk


def _mean(tried: Array) -> float:
    """The mean of those draws of which the metric could be told; NaN where it was of none."""
    known = tried[np.isfinite(tried)]
    return float(known.mean()) if len(known) else np.nan


def _drawn(said: Array, draws: np.random.Generator) -> Array:
    if said.ndim == 1:
        return (draws.random(len(said)) < said).astype(np.float64)
    steps = np.cumsum(said / said.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    found: Array = (draws.random((len(said), 1)) > steps).sum(axis=1).astype(np.float64)
    return found


def _resampled(rows: Scored, metric: str, draws: np.random.Generator) -> Array:
    size = len(rows.labels)
    count = min(size, DRAWN_ROWS)
    found = np.empty(ROUNDS)
    for place in range(ROUNDS):
        picked = rows.take(draws.integers(0, size, count))
        found[place] = score(metric, rows.kind, picked.labels, picked.predictions)
    centre = _mean(found)
    shrunk: Array = centre + (found - centre) * np.sqrt(count / size)
    return shrunk


def _gap(said: Array, came: Array, unit: float) -> Gap:
    return Gap(
        value=float(said.mean() - came.mean()) / unit,
        predicted=float(said.mean()),
        happened=float(came.mean()),
        noise=float((said - came).std() / np.sqrt(len(came))) / unit,
    )

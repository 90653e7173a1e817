"""The paired bootstrap: right by other means, seeded, and honest about noise."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from infra.errors import ConfigError, DataError
from tasks.evaluation.bootstrap import Paired, _resamples, _slowly, _WeightedAUC, paired_bootstrap
from tasks.metrics import Array, direction, metric_names


def binary(rows: int = 800, lift: float = 0.1, digits: int = 8) -> Paired:
    """Two models of which the challenger sees `lift` more of the label."""
    draws = np.random.default_rng(11)
    labels = (draws.random(rows) < 0.3).astype(float)
    noise = draws.random(rows) * 0.7
    challenger, incumbent = (
        (noise + labels * weight).clip(0.01, 0.99).round(digits) for weight in (0.1 + lift, 0.1)
    )
    return Paired("binary", labels, challenger, incumbent)


def multiclass(rows: int = 300) -> Paired:
    """Two models of three classes."""
    draws = np.random.default_rng(11)
    labels = draws.integers(0, 3, rows).astype(float)

    def said(weight: float) -> Array:
        raw = draws.random((rows, 3)) + weight * np.eye(3)[labels.astype(int)]
        shares: Array = raw / raw.sum(axis=1, keepdims=True)
        return shares

    return Paired("multiclass", labels, said(0.5), said(0.2))


def regression(rows: int = 400) -> Paired:
    """Two models of a number."""
    draws = np.random.default_rng(11)
    labels = draws.normal(size=rows)
    near, far = (labels + draws.normal(scale=scale, size=rows) for scale in (0.3, 0.5))
    return Paired("regression", labels, near, far)


PAIRS = {"binary": binary(), "multiclass": multiclass(), "regression": regression()}
CASES = [(k, name) for k in PAIRS for name in metric_names(k) if direction(name) != 0]


@pytest.mark.parametrize("digits", [8, 1])
def test_the_weighted_auc_is_scikit_learns(digits: int) -> None:
    """Many weightings at once give what the library gives one by one, ties included."""
    rows = binary(digits=digits)
    weights = next(_resamples(np.random.default_rng(3), len(rows.labels), 5))

    found = _WeightedAUC(rows.labels, rows.challenger)(weights)

    expected = [roc_auc_score(rows.labels, rows.challenger, sample_weight=w) for w in weights]
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_resample_draws_as_many_rows_as_there_are() -> None:
    """Every round is a bootstrap sample of the full size."""
    weights = np.concatenate(list(_resamples(np.random.default_rng(3), 999, 30)))

    assert weights.shape == (30, 999)
    assert (weights.sum(axis=1) == 999).all()


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_the_better_model_gains_whatever_the_metric(kind: str, metric: str) -> None:
    """Up or down, better is positive, and the interval holds the gain."""
    found = paired_bootstrap(PAIRS[kind], metric, rounds=200, confidence=0.95, seed=7)

    assert found.gain > 0
    assert found.lower <= found.gain <= found.upper


@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_the_fast_ways_spread_like_the_slow_one(kind: str, metric: str) -> None:
    """Weights instead of copied rows change the arithmetic, not the answer."""
    fast = paired_bootstrap(PAIRS[kind], metric, rounds=400, confidence=0.9, seed=7)

    slow = direction(metric) * _slowly(PAIRS[kind], metric, 400, np.random.default_rng(8))

    width = fast.upper - fast.lower
    assert np.quantile(slow, [0.05, 0.95]) == pytest.approx(
        [fast.lower, fast.upper], abs=0.25 * width
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    """A verdict can be made again from its record."""
    first, again = (
        paired_bootstrap(PAIRS["binary"], "roc_auc", rounds=100, confidence=0.95, seed=3)
        for _ in range(2)
    )

    assert first == again


def test_turning_the_pair_turns_the_interval() -> None:
    """What one gains the other loses."""
    rows = PAIRS["binary"]
    turned = Paired("binary", rows.labels, rows.incumbent, rows.challenger)

    one, other = (
        paired_bootstrap(each, "log_loss", rounds=100, confidence=0.95, seed=3)
        for each in (rows, turned)
    )

    assert (one.lower, one.gain, one.upper) == pytest.approx(
        (-other.upper, -other.gain, -other.lower)
    )


def test_a_model_against_itself_gains_nothing_for_certain() -> None:
    """Pairing cancels what the rows have in common: here everything."""
    rows = PAIRS["binary"]
    same = Paired("binary", rows.labels, rows.challenger, rows.challenger)

    found = paired_bootstrap(same, "roc_auc", rounds=100, confidence=0.95, seed=3)

    assert (found.lower, found.gain, found.upper) == (0.0, 0.0, 0.0)


def test_rows_of_one_class_cannot_be_compared() -> None:
    """An AUC of one class is nothing, and a verdict on it would be made up."""
    rows = Paired("binary", np.zeros(100), np.full(100, 0.2), np.full(100, 0.3))

    with pytest.raises(DataError, match="roc_auc cannot be told of these 100 rows"):
        paired_bootstrap(rows, "roc_auc", rounds=100, confidence=0.95, seed=3)


def test_a_gap_is_no_metric_for_gates() -> None:
    """Neither more nor less of it is better."""
    with pytest.raises(ConfigError, match="neither more nor less"):
        paired_bootstrap(PAIRS["binary"], "calibration_gap", rounds=100, confidence=0.95, seed=3)

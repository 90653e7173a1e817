"""What a fitted model says of the rows that it has never seen, beside a simple rule."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.errors import ConfigError, DataError, PerennialError, few
from infra.models import predict_scores
from tasks.data.spec import LabelSpec
from tasks.evaluation.spec import EvaluationSpec
from tasks.labels import comparable, targets
from tasks.metrics import Array, direction, measure, score

IMPORTANCE_ROWS: Final = 4_000
"""Rows on which importances are told: noise of 0.01 in an AUC is enough to rank features."""

_MOST_GROUPS: Final = 50
_SELECTED: Final = 0.5
_FUTURE: Final = "label_time"

Baseline = Callable[[pd.DataFrame, pd.DataFrame], Any]


def constant(label: LabelSpec, metric: str) -> Baseline:
    """The best that can be said without looking at a row.

    That is the base rate, the share of each class, or the mean (the median where ``mae`` counts).
    """

    def predict(train: pd.DataFrame, holdout: pd.DataFrame) -> Array:
        known = targets(train, label)
        if label.kind == "multiclass":
            shares = np.unique(known, return_counts=True)[1] / len(known)
            return np.tile(shares, (len(holdout), 1))
        middle = np.median(known) if metric == "mae" else known.mean()
        return np.full(len(holdout), float(middle))

    return predict


def rule_scores(
    rule: Baseline, train: pd.DataFrame, holdout: pd.DataFrame, label: LabelSpec
) -> Array:
    """What a simple rule says of the holdout, whose labels it does not see.

    Args:
        rule: ``predict(train, holdout)``; multiclass: probabilities of the sorted classes.
        train: training rows with their labels.
        holdout: the rows to predict.
        label: what is predicted.

    Raises:
        ConfigError: the rule raises, or returns something else than one finite score a row.
    """
    hidden = holdout.drop(columns=[label.name, _FUTURE], errors="ignore")
    try:
        scores: Array = np.asarray(rule(train, hidden), dtype=np.float64)
    except PerennialError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300].rstrip('.')}"
        raise ConfigError(f"evaluation.baseline raises {said}.") from error
    wanted: tuple[int, ...] = (len(holdout),)
    if label.kind == "multiclass":
        wanted = (len(holdout), train[label.name].nunique())
    if scores.shape != wanted or not np.isfinite(scores).all():
        raise ConfigError(
            f"evaluation.baseline returns shape {scores.shape}, "
            f"{int((~np.isfinite(scores)).sum())} of them not finite; expected {wanted}.",
            hint="It is predict(train, holdout) and returns one score for each row of holdout.",
        )
    return scores


def by_slice(
    rows: pd.DataFrame, labels: Array, scores: Array, evaluation: EvaluationSpec, kind: str
) -> dict[str, dict[str, float]]:
    """Metrics of each large enough group, by ``column=value``, with its size ``n``.

    Groups of a sensitive column of a binary label also get their share of predictions of at least
    one half over the largest share of a group (``selection_ratio``: below 0.8 is a warning), and
    how far their true and false positive rates are from the extreme group's.

    Raises:
        ConfigError: a declared column is not there.

    Source:
        Four-fifths rule: US Uniform Guidelines on Employee Selection Procedures (1978), 29 CFR
        1607.4; Hardt, Price and Srebro, Equality of Opportunity (2016).
    """
    declared = list(dict.fromkeys((*evaluation.slices, *evaluation.sensitive)))
    missing = [column for column in declared if column not in rows]
    if missing:
        raise ConfigError(
            f"evaluation names {few(missing)}, which the features do not hold.",
            hint="Name features or key columns under slices and sensitive.",
        )
    found: dict[str, dict[str, float]] = {}
    for column in declared:
        groups = _groups(rows[column], evaluation.min_group)
        told = {
            name: {"n": float(len(place)), **measure(kind, labels[place], scores[place])}
            for name, place in groups.items()
        }
        if kind == "binary" and column in evaluation.sensitive:
            for name, gaps in _fairness(groups, labels, scores).items():
                told[name].update(gaps)
        found.update(told)
    return found


def importances(
    model: Any,  # noqa: ANN401 - any estimator
    rows: pd.DataFrame,
    label: LabelSpec,
    classes: tuple[str, ...],
    metric: str,
    seed: int,
) -> dict[str, float]:
    """Share of each feature in what the metric loses when the feature is shuffled.

    Args:
        model: a fitted estimator.
        rows: features in order and the label, shape (n_rows, n_features + 1); at most
            `IMPORTANCE_ROWS` of them are used.
        label: what is predicted.
        classes: of the model; empty unless multiclass.
        metric: one with a direction.
        seed: of the sample and the shuffling.

    Returns:
        Feature to share, largest first; they add up to 1, or are all 0 where nothing matters.

    Source:
        Breiman, Random Forests (2001): permutation importance, here on unseen rows.
    """
    draws = np.random.default_rng(seed)
    size = min(len(rows), IMPORTANCE_ROWS)
    sample = rows.iloc[np.sort(draws.choice(len(rows), size, replace=False))]
    sample = sample.reset_index(drop=True)
    features = sample.drop(columns=label.name)

    def told(frame: pd.DataFrame) -> float:
        said = predict_scores(model, frame, label.kind)
        return score(metric, label.kind, *comparable(sample, label, classes, said))

    whole, losses = told(features), {}
    for name in features.columns:
        mixed = features[name].iloc[draws.permutation(size)].reset_index(drop=True)
        losses[name] = max(
            0.0, direction(metric) * (whole - told(features.assign(**{name: mixed})))
        )
    total = sum(losses.values())
    shares = {name: loss / total if total > 0 else 0.0 for name, loss in losses.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def finite_metrics(kind: str, metric: str, labels: Array, scores: Array) -> dict[str, float]:
    """Every metric of the rows, among them the one that gates compare.

    Raises:
        ConfigError: there is no such metric for this kind of label, or it has no direction.
        DataError: the metric cannot be told of these rows.
    """
    value = score(metric, kind, labels, scores)
    if direction(metric) == 0:
        raise ConfigError(f"{metric} cannot be compared: neither more nor less of it is better.")
    if not np.isfinite(value):
        raise DataError(
            f"{metric} cannot be told of the {len(labels)} rows held out.",
            hint="The holdout must hold rows of every class; wait for more labels.",
        )
    return measure(kind, labels, scores)


def _groups(column: "pd.Series[Any]", fewest: int) -> dict[str, npt.NDArray[np.intp]]:
    sizes = column.value_counts(dropna=False)
    shown = sizes[sizes >= fewest].head(_MOST_GROUPS).index
    found = {}
    for value in shown:
        members = column.isna() if pd.isna(value) else column == value
        name = "missing" if pd.isna(value) else str(value)
        found[f"{column.name}={name}"] = np.flatnonzero(members.to_numpy())
    return dict(sorted(found.items()))


def _fairness(
    groups: dict[str, npt.NDArray[np.intp]], labels: Array, scores: Array
) -> dict[str, dict[str, float]]:
    chosen = scores >= _SELECTED
    rates = {
        "selected": {name: float(chosen[place].mean()) for name, place in groups.items()},
        "tpr": _rates(groups, chosen, labels > 0),
        "fpr": _rates(groups, chosen, labels <= 0),
    }
    found: dict[str, dict[str, float]] = {name: {} for name in groups}
    most = max(rates["selected"].values(), default=0.0)
    for name, share in rates["selected"].items():
        if most > 0:
            found[name]["selection_ratio"] = share / most
    for name, rate in rates["tpr"].items():
        found[name]["tpr_gap"] = max(rates["tpr"].values()) - rate
    for name, rate in rates["fpr"].items():
        found[name]["fpr_gap"] = rate - min(rates["fpr"].values())
    return found


def _rates(
    groups: dict[str, npt.NDArray[np.intp]],
    chosen: npt.NDArray[np.bool_],
    among: npt.NDArray[np.bool_],
) -> dict[str, float]:
    return {
        name: float(chosen[place][among[place]].mean())
        for name, place in groups.items()
        if among[place].any()
    }

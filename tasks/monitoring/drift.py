"""How a window's features differ from those that the champion learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.monitoring.statistics import (
    Array,
    beyond,
    categorical_psi,
    ks,
    missing_share,
    new_category,
    psi,
)


@dataclass(frozen=True)
class FeatureDrift:
    """One feature against its reference."""

    psi: float
    ks: float | None
    new: float
    missing: float
    missing_before: float
    importance: float


@dataclass(frozen=True)
class Drift:
    """All features against their reference.

    Attributes:
        features: by name, in the table's order.
        severity: mean PSI, each capped at 1, weighted by importance: 0 to 1.
        novelty: share of rows with a value that lies beyond the reference: 0 to 1.
    """

    features: dict[str, FeatureDrift]
    severity: float
    novelty: float

    def moved(self, threshold: float) -> dict[str, float]:
        """Features whose PSI exceeds the threshold, the largest first."""
        found = {name: each.psi for name, each in self.features.items() if each.psi > threshold}
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    categorical: Sequence[str],
    importances: Mapping[str, float],
) -> Drift:
    """Every feature of two frames compared.

    Args:
        reference: features of a sample of the champion's training rows, at least one row.
        current: features of the window, at least one row, same columns.
        categorical: names of the columns that hold categories.
        importances: by feature; negative ones count as 0, and if none is positive all are alike.
    """
    weights = _weights(list(reference.columns), importances)
    numeric = [name for name in reference.columns if name not in set(categorical)]
    # Together the numeric tails hold 2 % of the reference at most, however many features there are.
    tail = 0.01 / max(len(numeric), 1)
    anywhere = np.zeros(len(current), dtype=bool)
    found: dict[str, FeatureDrift] = {}
    for name in reference.columns:
        before, after = reference[name], current[name]
        if name in numeric:
            old, recent = _numbers(before), _numbers(after)
            new = beyond(old, recent, tail=tail)
            index, distance = psi(old, recent), _distance(old, recent)
        else:
            new = new_category(before, after)
            index, distance = categorical_psi(before, after), None
        anywhere |= new
        found[name] = FeatureDrift(
            psi=index,
            ks=distance,
            new=float(new.mean()),
            missing=missing_share(after),
            missing_before=missing_share(before),
            importance=weights[name],
        )
    severity = sum(weights[name] * min(each.psi, 1.0) for name, each in found.items())
    return Drift(features=found, severity=severity, novelty=float(anywhere.mean()))


def sample(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """At most so many rows of a frame, the same ones for the same seed."""
    if len(frame) <= rows:
        return frame
    chosen = np.random.default_rng(seed).choice(len(frame), rows, replace=False)
    return frame.iloc[np.sort(chosen)]


def _weights(names: list[str], importances: Mapping[str, float]) -> dict[str, float]:
    positive = {name: max(importances.get(name, 0.0), 0.0) for name in names}
    total = sum(positive.values())
    if not total > 0:
        return dict.fromkeys(names, 1 / len(names))
    return {name: value / total for name, value in positive.items()}


def _numbers(values: "pd.Series[float]") -> Array:
    return np.asarray(values, dtype=np.float64)


def _distance(before: Array, after: Array) -> float | None:
    if np.isnan(before).all() or np.isnan(after).all():
        return None
    return ks(before, after)

"""Statistics of two samples: how far one has moved from the other, and how much of it is new."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra.errors import DataError

Array = npt.NDArray[np.float64]

SMALLEST_SHARE: Final = 1e-4
"""Share that stands for an empty bin: without it one row in a new bin makes the index infinite."""


def psi(reference: Array, current: Array, *, bins: int = 10) -> float:
    """Population stability index between two samples of one numeric feature.

    Args:
        reference: training-time values, shape (n_reference,); NaN is a bin of its own.
        current: recent values, shape (n_current,), same unit.
        bins: number of reference-quantile bins, at least 2; ties make them fewer.

    Returns:
        Index in nats; 0 for identical histograms. Below 0.1 stable, above 0.25 moved.

    Raises:
        DataError: either sample is empty.

    Source:
        Siddiqi, Credit Risk Scorecards (2006): symmetrised Kullback-Leibler divergence.
    """
    _require_rows(reference, current)
    known = reference[~np.isnan(reference)]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
    return _index(_histogram(reference, edges), _histogram(current, edges))


def categorical_psi(reference: "pd.Series[Any]", current: "pd.Series[Any]") -> float:
    """Population stability index of a categorical feature; a new category is a bin of its own.

    Missing values are a category too.

    Raises:
        DataError: either sample is empty.
    """
    _require_rows(reference, current)
    names = pd.concat([_as_text(reference), _as_text(current)], ignore_index=True)
    codes, found = pd.factorize(names)
    split, bins = len(reference), len(found)
    before = np.bincount(codes[:split], minlength=bins) / split
    after = np.bincount(codes[split:], minlength=bins) / len(current)
    return _index(before, after)


def ks(reference: Array, current: Array) -> float:
    """Largest distance between two empirical distribution functions, NaN left out: 0 to 1.

    The distance, not its p-value: with many rows every p-value is small.

    Raises:
        DataError: either sample holds no number.

    Source:
        Kolmogorov (1933), Smirnov (1939).
    """
    one, other = (np.sort(sample[~np.isnan(sample)]) for sample in (reference, current))
    _require_rows(one, other)
    values = np.concatenate([one, other])
    below_one = np.searchsorted(one, values, side="right") / len(one)
    below_other = np.searchsorted(other, values, side="right") / len(other)
    return float(np.max(np.abs(below_one - below_other)))


def beyond(reference: Array, current: Array, *, tail: float) -> npt.NDArray[np.bool_]:
    """Which of the current values lie outside what the reference covers, shape (n_current,).

    Args:
        reference: training-time values, shape (n_reference,).
        current: recent values; a missing one is never beyond, the data's quality tells of it.
        tail: share of the reference cut off at either end, so that one outlier hides nothing.
    """
    known = reference[~np.isnan(reference)]
    if not len(known):
        return ~np.isnan(current)
    lowest, highest = np.quantile(known, [tail, 1 - tail])
    outside: npt.NDArray[np.bool_] = (current < lowest) | (current > highest)
    return outside


def new_category(reference: "pd.Series[Any]", current: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """Which of the current values are categories that the reference never held."""
    found = ~_as_text(current).isin(_as_text(reference).unique()) & current.notna()
    return found.to_numpy(dtype=bool)


def missing_share(values: "pd.Series[Any]") -> float:
    """Share of values that are missing; 0 for no values."""
    return float(values.isna().mean()) if len(values) else 0.0


def _histogram(values: Array, edges: Array) -> Array:
    """Share of each bin between the edges, the last for missing values; they sum to 1."""
    known = values[~np.isnan(values)]
    inside = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    found: Array = np.append(inside, len(values) - len(known)) / len(values)
    return found


def _index(before: Array, after: Array) -> float:
    floored_before, floored_after = (np.maximum(each, SMALLEST_SHARE) for each in (before, after))
    terms = (floored_after - floored_before) * np.log(floored_after / floored_before)
    return float(terms.sum())


def _as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    return values.astype("string").fillna("\0missing")


def _require_rows(reference: Any, current: Any) -> None:  # noqa: ANN401 - anything that has a length
    if not len(reference) or not len(current):
        raise DataError(
            f"Two samples are compared, but they hold {len(reference)} and {len(current)} values.",
            hint="Widen the window or check what was ingested.",
        )

"""How far one sketch has moved from another that was counted on the same grid."""

from typing import Final

import numpy as np

from infra.errors import DataError
from tasks.monitoring.sketches.categories import Names
from tasks.monitoring.sketches.grid import Array, NumberGrid
from tasks.monitoring.sketches.numeric import Counts, Numbers

SMALLEST_SHARE: Final = 1e-4
"""Share that stands for an empty bin: without it one row in a new bin makes the index infinite."""

_TOLD_ROWS: Final = 5
"""Rows from which on the share of a name is told from nothing, where there are many rows."""


def number_shares(grid: NumberGrid, numbers: Numbers) -> Array:
    """Share of each part of the reference, the last for missing values; they sum to 1.

    Raises:
        DataError: there are no rows.
    """
    _require_rows(numbers.rows)
    return number_counts(grid, numbers) / numbers.rows


def number_counts(grid: NumberGrid, numbers: Numbers) -> Counts:
    """Rows in each part of the reference, the last for missing values."""
    below = np.cumsum(numbers.counts)[np.searchsorted(grid.edges, grid.cuts)]
    known = np.diff(below, prepend=0, append=numbers.known)
    found: Counts = np.append(known, numbers.missing)
    return found


def name_counts(names: Names) -> Counts:
    """Rows of each name, then of those beyond the bound and of missing values."""
    return np.array([*names.counts.values(), names.rest, names.missing], dtype=np.int64)


def name_shares(reference: Names, current: Names) -> tuple[Array, Array]:
    """Shares of the categories of either, then of those beyond the bound and of missing values.

    Raises:
        DataError: one of them has no rows.
    """
    _require_rows(reference.rows)
    _require_rows(current.rows)
    names = [*reference.counts, *(each for each in current.counts if each not in reference.counts)]
    one, other = (
        np.array([*(sketch.counts.get(name, 0) for name in names), sketch.rest, sketch.missing])
        / sketch.rows
        for sketch in (reference, current)
    )
    return one, other


def name_floors(names: int, rows: int) -> Array:
    """The least share that each of so many names is held to, then the rest and missing values.

    Args:
        names: how many there are.
        rows: of the smaller of both sides.

    Source:
        Cochran, Some Methods for Strengthening the Common Chi-squared Tests (1954): five rows are
        what a share can be told from.
    """
    least = min(SMALLEST_SHARE, _TOLD_ROWS / max(rows, 1))
    return np.append(np.full(names, least), [SMALLEST_SHARE, SMALLEST_SHARE])


def psi(before: Array, after: Array, floors: Array | float = SMALLEST_SHARE) -> float:
    """Population stability index between two lists of shares, in nats.

    Args:
        before: shape (n_bins,).
        after: likewise.
        floors: least share that each bin counts as, on either side.

    Returns:
        0 for identical ones. Below 0.1 stable, above 0.25 moved.

    Source:
        Siddiqi, Credit Risk Scorecards (2006): symmetrised Kullback-Leibler divergence.
    """
    return float(psi_of(before, after, floors))


def psi_of(before: Array, after: Array, floors: Array | float = SMALLEST_SHARE) -> Array:
    """The same of several lists at once, shape (..., n_bins), as shape (...)."""
    old, new = (np.maximum(each, floors) for each in (before, after))
    found: Array = ((new - old) * np.log(new / old)).sum(axis=-1)
    return found


def jensen_shannon(before: Array, after: Array) -> float:
    """Jensen-Shannon distance between two lists of shares: 0 for identical ones to 0.83.

    Source:
        Endres and Schindelin (2003): the root of the divergence, in nats as SciPy and Evidently
        give it, so that it is at most the root of ln 2.
    """
    middle = (before + after) / 2
    terms = [
        (each[each > 0] * np.log(each[each > 0] / middle[each > 0])).sum()
        for each in (before, after)
    ]
    return float(np.sqrt(max(sum(terms) / 2, 0.0)))


def ks(reference: Numbers, current: Numbers) -> float:
    """Largest distance between two distribution functions, missing values left out: 0 to 1.

    The distance, not its p-value: with many rows every p-value is small. It is never more than
    the exact one, and less by no more than the grid allows.

    Raises:
        DataError: one of them has no value.

    Source:
        Kolmogorov (1933), Smirnov (1939).
    """
    _require_rows(reference.known)
    _require_rows(current.known)
    return float(np.abs(reference.below - current.below).max())


def wasserstein(grid: NumberGrid, reference: Numbers, current: Numbers) -> float:
    """Area between two distribution functions, in the column's unit; finite values alone count.

    Within a bin the signed area is known from its sum. It is the area wherever the two functions
    do not cross between the smallest and the largest value there, so in all bins but a few, and
    beyond the ends of the reference.

    Returns:
        Infinity where the area is more than a float holds.

    Raises:
        DataError: one of them has no finite value.

    Source:
        Vallender (1974): the distance of order 1 is the area.
    """
    _require_rows(reference.finite)
    _require_rows(current.finite)
    with np.errstate(over="ignore", invalid="ignore"):
        edges = grid.edges[1:-1] - grid.center
        one, other = (_areas(each, edges) for each in (reference, current))
        signed, outside = (one - other)[1:-1], abs(one[0] - other[0]) + abs(one[-1] - other[-1])
        gaps = _gaps(reference, current)
        left, right = _flat(grid, reference, current)
        certain = left * gaps[:-1], right * gaps[1:]
        widths = np.maximum(np.diff(edges) - left - right, 0.0)
        shares = [each.counts[2:-2] / each.finite for each in (reference, current)]
        inside = _unsigned(widths, gaps, signed - sum(certain), shares)
        area = float(outside + np.abs(certain).sum() + inside.sum())
    return area if np.isfinite(area) else float("inf")


def _flat(grid: NumberGrid, reference: Numbers, current: Numbers) -> tuple[Array, Array]:
    """How much of each inner bin lies below and above all values that either has in it."""
    edges = grid.edges[1:-1]
    least = np.minimum(reference.least, current.least)[1:-1]
    most = np.maximum(reference.most, current.most)[1:-1]
    filled = least <= most
    below = np.where(filled, least - edges[:-1], np.diff(edges))
    above = np.where(filled, edges[1:] - most, 0.0)
    return below, above


def _gaps(reference: Numbers, current: Numbers) -> Array:
    """By how much the shares of finite values below each edge but the first and the last differ."""
    one, other = (np.cumsum(each.counts[1:-1])[:-1] / each.finite for each in (reference, current))
    found: Array = one - other
    return found


def _areas(numbers: Numbers, edges: Array) -> Array:
    """Area below the distribution function in each bin, and above it in the last."""
    counts = numbers.counts[1:-1]
    right = counts[:-1] * edges - numbers.sums[:-1]
    before = np.cumsum(counts)[:-2] * np.diff(edges)
    last = numbers.sums[-1] - counts[-1] * edges[-1]
    right[1:] += before
    return np.append(right, last) / numbers.finite


def _unsigned(widths: Array, gaps: Array, signed: Array, shares: list[Array]) -> Array:
    """Area between the functions where a bin has values, from the signed one and what bounds it.

    The share that either has in a bin says how far they can go to the other side of each other
    there. Where they can, the difference is taken to go straight to the bin's middle, through the
    value there that gives the signed area, and on to its end; what comes of it is held to the
    bounds: no less than the signed area, and no more than where the difference has its extremes
    alone.
    """
    left, right = gaps[:-1], gaps[1:]
    least = np.maximum(left - shares[1], right - shares[0])
    most = np.minimum(left + shares[0], right + shares[1])
    room = 2 * widths * np.minimum(np.maximum(most, 0.0), np.maximum(-least, 0.0))
    area: Array = np.abs(signed)
    open_ = room > np.finfo(np.float64).tiny
    width, one, two = widths[open_], left[open_], right[open_]
    middle = 2 * signed[open_] / width - (one + two) / 2
    guess = width / 2 * (_straight(one, middle) + _straight(middle, two))
    low, high = least[open_], most[open_]
    furthest = ((high + low) * signed[open_] - 2 * high * low * width) / (high - low)
    area[open_] = np.clip(guess, area[open_], np.maximum(furthest, area[open_]))
    return area


def _straight(start: Array, end: Array) -> Array:
    """Mean distance from zero of what goes straight from one value to the other."""
    size = np.abs(start) + np.abs(end)
    crossed = (start**2 + end**2) / np.where(size > 0, size, 1.0)
    found: Array = np.where(start * end >= 0, size, crossed) / 2
    return found


def _require_rows(rows: int) -> None:
    if not rows:
        raise DataError(
            "Two sketches are compared, but one of them holds no value.",
            hint="Widen the window or check what was ingested.",
        )

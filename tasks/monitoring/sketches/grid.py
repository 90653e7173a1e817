"""Where a number's values are counted: edges that are chosen once, on what a model learned from.

Between two edges lies a small share of the reference, or one single value. So two samples that are
counted on the same edges can be compared to a known bound, whatever the second one looks like: see
`NumberGrid.edges`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FINE: Final = 3072
"""Bins of equal share: where none holds more than 1/FINE, KS is told to 1/FINE."""

ENDS: Final = 512
"""Values at either end of which the order is known exactly, however many rows there are."""

_GAPS: Final = 256
"""Widest gaps between neighbours that are bins of their own: width is what Wasserstein weighs."""

_PARTS: Final = 1536
"""Parts of what the wide bins weigh: where two functions cross in one, their area is told to it."""

_PER_OCTAVE: Final = 16
"""Edges each time the share of a tail halves."""

_DECILES: Final = np.linspace(0, 1, 11)[1:-1]

_BY_VALUE: Final = 20
"""Up to so many distinct values each is compared by itself, as Evidently does it too."""

_TENTH: Final = 0.1
"""Share from which on one value is a part of its own: it fills a tenth, whatever lies above it."""


@dataclass(frozen=True)
class NumberGrid:
    """The edges of one column.

    Attributes:
        edges: increasing, from the smallest float to infinity, shape (n_edges,). A bin holds
            the values from its edge up to the next. KS between the reference and any sample is
            too small by at most the largest share that a bin of several values has in both.
        cuts: those of the edges that part the reference into tenths. A value that has a tenth of
            the rows, or is one of few, is a part of its own.
        low: below it a value lies beyond what the reference covers.
        high: above it likewise.
        center: what sums are taken of is the distance to it, which loses no digits.
    """

    edges: Array
    cuts: Array
    low: float
    high: float
    center: float


@dataclass(frozen=True)
class Known:
    """What is known of a column before it is counted: its finite values, or a sample of them.

    Attributes:
        sample: shape (n_sample,); perhaps none.
        rows: how many finite values there are in all.
        lowest: the smallest of all of them, sorted, at most `ENDS`.
        highest: the largest likewise.
    """

    sample: Array
    rows: int
    lowest: Array
    highest: Array


def number_grid(known: Known, tail: float) -> NumberGrid:
    """The edges for a column.

    Args:
        known: its values.
        tail: share of them at either end beyond which a value counts as new.
    """
    floor, values = np.finfo(np.float64).min, np.sort(known.sample)
    if not len(values):
        return NumberGrid(np.array([floor, np.inf]), np.zeros(0), np.inf, -np.inf, 0.0)
    steps = _geometric(len(known.lowest))
    with np.errstate(over="ignore", invalid="ignore"):  # the ends of what a float holds
        points, singles = _points(values)
        cuts = _cuts(values)
        low, high = _limits(known, values, tail)
        after = np.nextafter(np.concatenate([singles, known.highest[-1:]]), np.inf)
    ends = (known.lowest[steps], known.highest[::-1][steps], np.array([low, high, floor, np.inf]))
    cuts = cuts[np.isfinite(cuts)]
    edges = _evened(np.unique(np.concatenate([points, after, cuts, *ends])), known, values)
    return NumberGrid(edges, cuts, low, high, float(values[len(values) // 2]))


def _cuts(values: Array) -> Array:
    """Where sorted values part into tenths, with each value apart that ties make as large."""
    distinct, times = np.unique(values, return_counts=True)
    if len(distinct) <= _BY_VALUE:
        return np.unique(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    large = distinct[times >= _TENTH * len(values)]
    tenths = np.quantile(values, _DECILES)
    return np.unique(np.concatenate([tenths, large, np.nextafter(large, np.inf)]))


def _limits(known: Known, values: Array, tail: float) -> tuple[float, float]:
    """Below and above which a share of all values lies; of sorted values where it is not known."""
    place = tail * (known.rows - 1)
    if place <= len(known.lowest) - 1:  # so far from either end every value is known
        ranks = np.arange(len(known.lowest))
        found = [np.interp(place, ranks, each) for each in (known.lowest, known.highest[::-1])]
    else:
        found = list(np.quantile(values, [tail, 1 - tail]))
    ends = float(known.lowest[0]), float(known.highest[-1])
    low, high = (
        float(each) if np.isfinite(each) else end for each, end in zip(found, ends, strict=True)
    )
    return low, high


def _points(values: Array) -> tuple[Array, Array]:
    """Edges from sorted values, and those of the values that need a bin of their own."""
    rows = len(values)
    distinct, times = np.unique(values, return_counts=True)
    if len(distinct) <= FINE:
        return distinct, distinct
    even = values[np.arange(1, FINE) * rows // FINE]
    ties = distinct[times > rows / (2 * FINE)]
    steps = _geometric(rows // FINE)
    ends = np.concatenate([values[steps], values[::-1][steps]])
    gaps = np.argpartition(np.diff(distinct), -_GAPS)[-_GAPS:]
    before, behind = distinct[gaps], distinct[gaps + 1]
    return np.concatenate([even, ties, ends, behind]), np.concatenate([ties, before])


def _evened(edges: Array, known: Known, values: Array) -> Array:
    """The same edges, and others that part each wide bin evenly.

    Within a bin only the mean difference of two distribution functions is known. Where F of the
    reference is flat and another's crosses it, the area between them lies in a range of at most
    2 F (1 - F) times the bin's width. Over all of the line F (1 - F) holds no more than 0.58
    standard deviations. So the bins are parted by what they hold of it, into no more than `_PARTS`
    on top, and each keeps a range of at most 0.8e-3 standard deviations.

    Source:
        Glasser, Variance of the Mean Difference (1962): the integral of F (1 - F) is half of
        Gini's mean difference, of which no distribution has more than the uniform one.
    """
    inner = edges[1:-1]
    below = _below(inner, known, values)
    spread = below * (1 - below)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        widths = np.diff(inner)
        weights = widths * np.maximum(spread[:-1], spread[1:])
        shares = np.nan_to_num(weights / weights.sum(), nan=0.0)  # beyond what a float holds
    parts = np.maximum(np.ceil(shares * _PARTS), 1).astype(np.intp)
    places = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    steps = np.repeat(widths / parts, parts) * places
    return np.unique(np.concatenate([edges, np.repeat(inner[:-1], parts) + steps]))


def _below(edges: Array, known: Known, values: Array) -> Array:
    """Share of the reference below each edge: exact near its ends, else told from values."""
    below = np.searchsorted(values, edges) / len(values)
    low = np.searchsorted(known.lowest, edges) / known.rows
    high = 1 - (len(known.highest) - np.searchsorted(known.highest, edges)) / known.rows
    near = [edges <= known.lowest[-1], edges > known.highest[0]]
    found: Array = np.select(near, [low, high], below)
    return found


def _geometric(rows: int) -> npt.NDArray[np.intp]:
    """Ranks from 0 that thin out: all of the first few, then so many each time they double."""
    octaves = np.log2(max(rows, 1))
    ranks = np.exp2(np.arange(0, octaves * _PER_OCTAVE + 1) / _PER_OCTAVE).astype(np.intp) - 1
    return np.unique(ranks[ranks < rows])

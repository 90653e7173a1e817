"""Samples of many shapes, and what SciPy says of two of them with every row at hand."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from tasks.monitoring.sketches.distances import SMALLEST_SHARE
from tasks.monitoring.sketches.profiles import Profile, Sketch, draw_profile

Array = npt.NDArray[np.float64]
Draws = np.random.Generator

SHAPES: Mapping[str, Callable[[Draws, int], Array]] = {
    "normal": lambda draws, rows: draws.normal(0, 1, rows),
    "far from zero": lambda draws, rows: draws.normal(1e9, 1e-2, rows),
    "uniform": lambda draws, rows: draws.uniform(0, 1, rows),
    "two hills": lambda draws, rows: draws.normal(0, 1, rows) + 50 * (draws.random(rows) < 0.3),
    "three hills": lambda draws, rows: draws.normal(0, 1, rows) + 50 * draws.integers(0, 3, rows),
    "hill and outpost": lambda draws, rows: (
        draws.normal(0, 1, rows) + 1000 * (draws.random(rows) < 2e-4)
    ),
    "heavy tail": lambda draws, rows: draws.standard_cauchy(rows),
    "long tail": lambda draws, rows: draws.lognormal(0, 3, rows),
    "one outlier": lambda draws, rows: np.append(draws.normal(0, 1, rows - 1), 1e12),
    "rounded": lambda draws, rows: draws.gamma(2, 2, rows).round(1),
    "whole numbers": lambda draws, rows: draws.integers(0, 1440, rows).astype(float),
    "mostly zero": lambda draws, rows: draws.normal(0, 1, rows) * (draws.random(rows) < 0.1),
    "ties among others": lambda draws, rows: np.where(
        draws.random(rows) < 0.2, draws.integers(-3, 3, rows), draws.normal(0, 1, rows)
    ),
    "many ties": lambda draws, rows: draws.zipf(1.3, rows).clip(max=1e7).astype(float),
    "constant": lambda draws, rows: np.full(rows, 7.0),
    "two values": lambda draws, rows: (draws.random(rows) < 0.27).astype(float),
    "with gaps": lambda draws, rows: np.where(
        draws.random(rows) < 0.3, np.nan, draws.normal(0, 1, rows)
    ),
    "mostly missing": lambda draws, rows: np.where(
        draws.random(rows) < 0.9, np.nan, draws.gamma(2, 2, rows)
    ),
}
"""By name; each draws so many values."""


def in_the_gap(values: Array, draws: Draws) -> Array:
    """As many values in the middle of the gap that holds most of the area: where no value was."""
    known = np.sort(values[~np.isnan(values)])
    below = np.arange(1, len(known)) / len(known)
    gap = int(np.argmax(np.diff(known) * below * (1 - below)))
    low, width = known[gap], known[gap + 1] - known[gap]
    filled: Array = low + width * draws.normal(0.5, 0.01, len(values)).clip(0.2, 0.8)
    return filled


CHANGES: Mapping[str, Callable[[Array, Draws], Array]] = {
    "nothing": lambda values, draws: values,
    "a little": lambda values, draws: values + 0.05 * np.nanstd(values),
    "far": lambda values, draws: values + 20 * np.nanstd(values) + 1,
    "wider": lambda values, draws: values * 1.3,
    "turned": lambda values, draws: -values,
    "stuck": lambda values, draws: np.full(len(values), np.nanquantile(values, 0.618)),
    "in a gap": in_the_gap,
    "halfway": lambda values, draws: (values + draws.permutation(values)) / 2,
    "some lost": lambda values, draws: np.where(draws.random(len(values)) < 0.2, np.nan, values),
    "some in meters": lambda values, draws: np.where(
        draws.random(len(values)) < 0.01, values * 1609.344, values
    ),
}
"""What happens to a second sample of the same shape."""


def parted(reference: Array, values: Array) -> "Counter[object]":
    """How many values lie in each part of a reference, told value by value.

    Few distinct values are a part each, and so is one that has a tenth of the rows. What lies
    between is parted by the deciles; None is what is missing.
    """
    known = reference[~np.isnan(reference)]
    rows = Counter(known.tolist())
    apart = {each for each, times in rows.items() if len(rows) <= 20 or times >= len(known) / 10}
    marks = apart if len(rows) <= 20 else {*np.quantile(known, np.linspace(0, 1, 11)[1:-1])} | apart
    ordered = sorted(float(each) for each in marks)

    def part(value: float) -> object:
        if np.isnan(value):
            return None
        return (value,) if value in apart else bisect_right(ordered, value)

    return Counter(map(part, values.tolist()))


def _between(cuts: Array, known: Array, missing: int) -> "Counter[object]":
    """How many values lie between the cuts."""
    found: Counter[object] = Counter(np.searchsorted(cuts, known, side="right").tolist())
    found[None] = missing
    return found


@dataclass(frozen=True)
class Exact:
    """What SciPy says of two samples."""

    psi: float
    jensen_shannon: float
    ks: float
    wasserstein: float
    deviation: float


def exact(reference: Array, current: Array, cuts: Array | None = None) -> Exact:
    """By every value of both; shares are those of the reference's parts, or between the cuts."""
    one, other = (values[~np.isnan(values)] for values in (reference, current))
    sides = ((reference, one), (current, other))
    if cuts is None:
        parts = [parted(one, values) for values, _ in sides]
    else:
        parts = [_between(cuts, known, len(values) - len(known)) for values, known in sides]
    names = list(parts[0] | parts[1])
    before, after = (np.array([each[name] for name in names]) / each.total() for each in parts)
    old, new = (np.maximum(shares, SMALLEST_SHARE) for shares in (before, after))
    with np.errstate(divide="ignore"):  # SciPy's p-value, which nobody asked for
        furthest = stats.ks_2samp(one, other, method="asymp").statistic
    return Exact(
        psi=float((rel_entr(old, new) + rel_entr(new, old)).sum()),
        jensen_shannon=float(jensenshannon(before, after)),
        ks=float(furthest),
        wasserstein=float(
            stats.wasserstein_distance(*(each[np.isfinite(each)] for each in (one, other)))
        ),
        deviation=float(one[np.isfinite(one)].std()),
    )


def batches(columns: Mapping[str, Sequence[object] | Array], rows: int) -> list[pa.RecordBatch]:
    """Columns in batches of so many rows; NaN is no value."""
    table = pa.table({name: pa.array(each, from_pandas=True) for name, each in columns.items()})
    return list(table.to_batches(max_chunksize=rows))


def profile_of(values: Array, *, seed: int = 77, rows: int = 50_000) -> Profile:
    """The profile of one column of numbers, called ``x``, read in batches of so many rows."""
    made, _ = draw_profile(lambda: batches({"x": values}, rows), ["x"], [], seed)
    return made


def names_of(values: Sequence[str | None]) -> Profile:
    """The profile of one column of categories, called ``x``."""
    typed = pa.array(list(values), pa.string())
    made, _ = draw_profile(lambda: [pa.record_batch({"x": typed})], ["x"], ["x"], seed=1)
    return made


def sketch_of(
    profiled: Profile, values: Array | Sequence[str | None], *, rows: int = 50_000
) -> Sketch:
    """The sketch of one column on a profile of it."""
    kind = None if isinstance(values, np.ndarray) else pa.string()
    column = pa.array(values, kind, from_pandas=True)
    return profiled.sketch(pa.table({"x": column}).to_batches(max_chunksize=rows))

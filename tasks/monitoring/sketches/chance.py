"""How far a column moves from its reference by chance alone: what nobody should be woken for."""

from statistics import NormalDist
from typing import Final

import numpy as np

from tasks.monitoring.sketches.distances import psi_of
from tasks.monitoring.sketches.grid import Array

_MOST_DRAWS, _FEWEST_DRAWS, _DRAWN_CELLS = 200, 20, 400_000
"""Draws that mean and variance are told from: fewer of a column with very many names."""

_SEED: Final = 20130101


def chance_of_psi(shares: Array, reference_rows: int, rows: int, error: float) -> float:
    """The PSI that rows of the reference's own distribution exceed with a given probability.

    Both samples are drawn again from the reference's shares, because the index of many names is far
    from zero without any drift: an empty bin of either counts as much as a name that is new. What
    was drawn is taken to be distributed as a multiple of chi-squared, which the index is.

    Args:
        shares: of the reference's bins, shape (n_bins,), in sum 1.
        reference_rows: how many rows they are of.
        rows: how many rows are compared with them.
        error: probability of exceeding it, such as 0.05 divided by the number of columns.

    Source:
        Yurdakul and Naranjo, Statistical properties of the population stability index (2020);
        Wilson and Hilferty, The Distribution of Chi-Square (1931).
    """
    draws = np.random.default_rng(_SEED)
    times = int(np.clip(_DRAWN_CELLS / len(shares), _FEWEST_DRAWS, _MOST_DRAWS))
    before = draws.multinomial(reference_rows, shares, times) / reference_rows
    after = draws.multinomial(rows, shares, times) / rows
    found = psi_of(before, after)
    mean, variance = float(found.mean()), float(found.var())
    if not variance > 0:
        return mean
    freedom = 2 * mean**2 / variance
    root = 2 / (9 * freedom)
    return float(mean * (1 - root + NormalDist().inv_cdf(1 - error) * np.sqrt(root)) ** 3)

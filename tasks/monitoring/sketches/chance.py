"""How far a column moves from its reference by chance alone: what nobody should be woken for."""

from statistics import NormalDist
from typing import Final

import numpy as np

from tasks.monitoring.sketches.distances import SMALLEST_SHARE, psi_of
from tasks.monitoring.sketches.grid import Array
from tasks.monitoring.sketches.numeric import Counts

_MOST_DRAWS, _FEWEST_DRAWS, _DRAWN_CELLS = 200, 20, 400_000
"""Draws that mean and variance are told from: fewer of a column with very many names."""

_MOST_ROWS: Final = 500_000_000
"""Rows that are parted at random at most; of more, chance makes nothing that could be told."""

_SEED: Final = 20130101


def chance_of_psi(
    counts: Counts, rows: int, error: float, floors: Array | float = SMALLEST_SHARE
) -> float:
    """The PSI that rows of the reference's own distribution exceed with a given probability.

    The reference is parted at random, into as many rows as are compared with it and the others:
    they are of one distribution, whatever it is. So a name that one part has and the other has
    not is counted as often as a window has one that is new; nobody need know how many there are.
    Where the reference has less than twice the rows, it is halved, which makes no less of chance.
    What was drawn is taken to be distributed as a multiple of chi-squared, which the index is.

    Args:
        counts: rows in each of the reference's bins, shape (n_bins,).
        rows: how many rows are compared with them.
        error: probability of exceeding it, such as 0.05 divided by the number of columns.
        floors: least share that each bin counts as, those of the index that is held to it.

    Source:
        Fisher, The Design of Experiments (1935): what is exchangeable is drawn again without
        putting back. Wilson and Hilferty, The Distribution of Chi-Square (1931).
    """
    held = int(counts.sum())
    if held > _MOST_ROWS:
        counts = (counts * (_MOST_ROWS / held)).astype(np.int64)
        held = int(counts.sum())
    part = min(rows, held // 2)
    if not part:
        return float("inf")
    draws = np.random.default_rng(_SEED)
    times = int(np.clip(_DRAWN_CELLS / len(counts), _FEWEST_DRAWS, _MOST_DRAWS))
    drawn = draws.multivariate_hypergeometric(counts, part, times, method="marginals")
    found = psi_of((counts - drawn) / (held - part), drawn / part, floors)
    mean, variance = float(found.mean()), float(found.var())
    if not variance > 0:
        return mean
    freedom = 2 * mean**2 / variance
    root = 2 / (9 * freedom)
    return float(mean * (1 - root + NormalDist().inv_cdf(1 - error) * np.sqrt(root)) ** 3)

"""What each feature contributes to what a model says, on a window and on what it learned from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from tasks.metrics import Array
from tasks.monitoring.drift import sample
from tasks.monitoring.spec import AttributionSpec

SPLITS: Final = 200
"""Times that the rows of both sides are mixed, to tell what chance alone makes of them."""

Say = Callable[[pd.DataFrame], Array]
"""What a model says of rows: shape (n_rows,), or (n_rows, n_classes)."""


@dataclass(frozen=True)
class Attribution:
    """Shares of the features in what a model says.

    Attributes:
        then: on rows that it learned from, by feature.
        now: on rows of the window.
        change: how much of all moved from some features to others: 0 to 1.
        chance: change that chance alone exceeds in one of a hundred windows.
        rows: of the window that were looked at.
    """

    then: Mapping[str, float]
    now: Mapping[str, float]
    change: float
    chance: float
    rows: int

    def most(self, count: int) -> list[str]:
        """The features whose share changed most."""
        return sorted(self.now, key=lambda name: -abs(self.now[name] - self.then[name]))[:count]


class Contributions:
    """How far what a model says of a row changes when a feature is another row's.

    Attributes:
        names: of the features, in the order of what it learned from.

    Source:
        Breiman, Random Forests (2001): permutation of a feature, here of what is said instead of
        what is lost, so that no label is needed.
    """

    def __init__(self, say: Say, learned: pd.DataFrame, spec: AttributionSpec) -> None:
        """Nothing is asked yet.

        Args:
            say: what the model says of rows; it is asked once for each feature, and once for none.
            learned: features of rows that it learned from.
            spec: how many rows are looked at, of those and of each window.
        """
        self._say, self._learned, self._spec = say, learned, spec
        self.names = [str(name) for name in learned]

    @cached_property
    def then(self) -> Array:
        """Of rows that the model learned from; it is asked of them once, for all windows."""
        return self.now(self._learned, 0)

    def now(self, rows: pd.DataFrame, seed: int) -> Array:
        """Of some of the rows, shape (n_rows, n_features)."""
        draws, some = np.random.default_rng(seed), sample(rows[self.names], self._spec.rows, seed)
        whole = self._say(some)
        found = np.empty((len(some), len(self.names)))
        for place, name in enumerate(self.names):
            others = some[name].iloc[draws.permutation(len(some))].set_axis(some.index)
            moved = np.abs(self._say(some.assign(**{name: others})) - whole)
            found[:, place] = moved if moved.ndim == 1 else moved.sum(axis=1) / 2
        return found


def attribution(of: Contributions, window: pd.DataFrame, seed: int) -> Attribution | None:
    """How the contributions of features changed; None where a model says the same of all rows.

    Args:
        of: the model, and what it learned from.
        window: features of the window.
        seed: of which rows are looked at, and of their shuffling.
    """
    sides = [of.then, of.now(window, seed)]
    if any(not side.sum() > 0 for side in sides):
        return None
    then, now = (_shares(side) for side in sides)
    return Attribution(
        then=dict(zip(of.names, then.tolist(), strict=True)),
        now=dict(zip(of.names, now.tolist(), strict=True)),
        change=_change(then, now),
        chance=_by_chance(np.concatenate(sides), len(sides[0]), seed),
        rows=len(sides[1]),
    )


def _shares(contributed: Array) -> Array:
    means: Array = contributed.mean(axis=0)
    found: Array = means / means.sum()
    return found


def _change(then: Array, now: Array) -> float:
    return float(np.abs(now - then).sum() / 2)


def _by_chance(both: Array, count: int, seed: int) -> float:
    """The change between two sides that are drawn from the same rows, at its 99th percentile.

    A row's contribution depends on the row that it is mixed with, too, which a mean of pairs has
    at most twice the variance of a mean of rows for; that is the root of two here.

    Source:
        Hoeffding, A Class of Statistics with Asymptotically Normal Distribution (1948).
    """
    draws = np.random.default_rng(seed)
    found = np.empty(SPLITS)
    for place in range(SPLITS):
        mixed = both[draws.permutation(len(both))]
        found[place] = _change(_shares(mixed[:count]), _shares(mixed[count:]))
    return float(np.sqrt(2) * np.quantile(found, 0.99))

"""Labels that went to one class, as a default does that somebody filled in.

A default takes the place of every other label alike, however sure the champion was of it. A world
that moved does not: where an event has become seldom, what was nearly certain still happens, and
where labels are flipped, some go the other way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.metrics import Array
from tasks.monitoring.performance import Scored

_SURE: Final = 5.0
"""Standard errors that chance exceeds once in three million windows."""

_ALIKE, _WITHIN = 0.05, 2.0
"""Difference between both halves that is none, and the standard errors that excuse a larger one."""


@dataclass(frozen=True)
class OneClass:
    """A class that labels went to.

    Attributes:
        name: of the class.
        share: of the labels that should be of another, those that are of this one.
        rows: how many these are.
    """

    name: str
    share: float
    rows: int


def one_class(window: Scored, holdout: Scored, names: Sequence[str]) -> OneClass | None:
    """The class that labels went to; None where they went to none, or as the world goes.

    Args:
        window: labelled rows with chances.
        holdout: likewise, of the champion's holdout: how far its chances are right.
        names: of the classes; of a binary label 0 and 1.

    Source:
        Elkan and Noto, Learning Classifiers from Only Positive and Unlabeled Data (KDD 2008):
        where labels are lost at random, every chance shrinks by one and the same factor.
    """
    if window.kind == "regression" or not (window.confident and holdout.confident):
        return None
    found = [
        each
        for place, name in enumerate(names)
        if (each := _gone_to(name, _others(window, place), _others(holdout, place)))
    ]
    return max(found, key=lambda each: each.share, default=None)


def _others(rows: Scored, place: int) -> tuple[Array, Array]:
    """The chance that a label is of another class than one, and whether it is."""
    said = rows.predictions
    chance = said[:, place] if said.ndim > 1 else (said if place else 1 - said)
    return 1 - chance, (rows.labels != place).astype(np.float64)


def _gone_to(name: str, now: tuple[Array, Array], then: tuple[Array, Array]) -> OneClass | None:
    """Whether both the likely and the unlikely of the others came less often, and alike."""
    said, came = now
    if not len(said) or not ((said >= 0) & (said <= 1)).all():
        return None
    halves = [*_halves(_middle(said), now, then)]
    if len(halves) < 2:  # noqa: PLR2004 - the likely and the unlikely
        return None
    (low, low_error), (high, high_error) = halves
    together = 1 / (1 / low_error**2 + 1 / high_error**2)
    left = (low / low_error**2 + high / high_error**2) * together
    apart = abs(low - high) - max(_ALIKE, _WITHIN * float(np.hypot(low_error, high_error)))
    if max(low, high) >= 1 or apart > 0 or 1 - left < _SURE * np.sqrt(together):
        return None
    return OneClass(name, 1 - left, round((1 - left) / left * float(came.sum())))


def _middle(said: Array) -> float:
    """The chance above which half of all that is expected lies."""
    ordered = np.sort(said)
    return float(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)])


def _halves(
    middle: float, now: tuple[Array, Array], then: tuple[Array, Array]
) -> Iterator[tuple[float, float]]:
    """How often the others came for what was said, against the holdout, with its error."""
    for above in (False, True):
        ratios, error = [], 0.0
        for said, came in (now, then):
            inside = (said > middle) == above
            happened, expected = float(came[inside].sum()), float(said[inside].sum())
            if not (happened and expected):
                return
            ratios.append(happened / expected)
            error += 1 / happened
        ratio = ratios[0] / ratios[1]
        yield ratio, ratio * float(np.sqrt(error))

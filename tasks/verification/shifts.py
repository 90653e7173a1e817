"""Shifts that are known: what they do to rows, and nothing else.

Those of the world act on feature rows, those of the feed on raw rows, before any contract has seen
them, those of the predictions on what the champion said. The rows that a share names are the last
ones, where nothing else is said: a fault begins at a time and goes on.

Source:
    Kinds and grades follow Rabanser, Guennemann and Lipton, Failing Loudly: An Empirical Study of
    Methods for Detecting Dataset Shift (NeurIPS 2019), section 4.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from tasks.data.spec import LabelSpec

NEW_SEGMENT: Final = "never seen before"
"""The category of a new segment."""


def moved(rows: pd.DataFrame, deviations: Mapping[str, float], size: float) -> pd.DataFrame:
    """Rows whose numbers lie so many standard deviations higher.

    Args:
        rows: feature rows.
        deviations: standard deviation by feature, of rows without a shift.
        size: in standard deviations.
    """
    return rows.assign(**{name: rows[name] + size * each for name, each in deviations.items()})


def widened(rows: pd.DataFrame, centres: Mapping[str, float], size: float) -> pd.DataFrame:
    """Rows whose numbers lie so many times as far from their mean.

    Args:
        rows: feature rows.
        centres: mean by feature, of rows without a shift.
        size: factor of the standard deviation.
    """
    found = {name: mean + size * (rows[name] - mean) for name, mean in centres.items()}
    return rows.assign(**found)


def with_segment(
    rows: pd.DataFrame,
    categorical: Sequence[str],
    beyond: Mapping[str, float],
    share: float,
    seed: int,
) -> pd.DataFrame:
    """Rows of which a share is of a kind that was never seen: a new category, or a number beyond.

    Args:
        rows: feature rows.
        categorical: features that take a new category; without any the numbers are moved.
        beyond: number by feature that lies beyond all that was seen.
        share: of the rows.
        seed: of which rows.
    """
    chosen = _some(len(rows), share, seed)
    changed = rows.copy()
    for name in categorical:
        changed[name] = changed[name].astype("object").mask(chosen, NEW_SEGMENT).astype("str")
    for name, value in () if categorical else beyond.items():
        changed[name] = changed[name].mask(chosen, value)
    return changed


def flipped(rows: pd.DataFrame, label: LabelSpec, share: float, seed: int) -> pd.DataFrame:
    """Rows of which a share has another label: the other one, the next class, the mirrored value.

    Args:
        rows: feature rows with their labels.
        label: what is predicted.
        share: of the rows.
        seed: of which rows.
    """
    chosen, came = _some(len(rows), share, seed), rows[label.name]
    if label.kind == "binary":
        other: pd.Series[Any] = 1 - came
    elif label.kind == "regression":
        other = 2 * came.mean() - came
    else:
        classes = sorted(came.dropna().unique())
        following = dict(zip(classes, [*classes[1:], classes[0]], strict=True)) if classes else {}
        other = came.map(following)
    return rows.assign(**{label.name: came.mask(chosen, other)})


def swapped(rows: pd.DataFrame, column: str, share: float) -> pd.DataFrame:
    """Raw rows of which the last ones have their categories exchanged, in pairs by frequency.

    The most frequent takes the place of the second and the other way round, the third that of the
    fourth; an odd one out stays.

    Args:
        rows: of one table.
        column: that holds the categories.
        share: of the rows.
    """
    names = list(rows[column].value_counts().index)
    even = len(names) // 2 * 2
    pairs = dict(zip(names[0:even:2], names[1:even:2], strict=True))
    other = {**pairs, **{second: first for first, second in pairs.items()}}
    exchanged = rows[column].map(lambda name: other.get(name, name), na_action="ignore")
    return rows.assign(**{column: rows[column].mask(_last(len(rows), share), exchanged)})


def in_unit(rows: pd.DataFrame, column: str, factor: float, share: float) -> pd.DataFrame:
    """Raw rows of which the last ones have a number in another unit; whole numbers stay whole.

    Args:
        rows: of one table.
        column: that holds the number.
        factor: between the units.
        share: of the rows.
    """
    came = rows[column]
    other = came * factor
    if pd.api.types.is_integer_dtype(came.dtype):
        other = other.round().astype(came.dtype)
    return rows.assign(**{column: came.mask(_last(len(rows), share), other)})


def emptied(rows: pd.DataFrame, column: str, share: float) -> pd.DataFrame:
    """Raw rows of which the last ones have no value in a column.

    Args:
        rows: of one table.
        column: that loses its values.
        share: of the rows.
    """
    return rows.assign(**{column: rows[column].mask(_last(len(rows), share))})


def silenced(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """Rows of which the last ones never came.

    Args:
        rows: of one table, or of features.
        share: of the rows.
    """
    return rows[~_last(len(rows), share)].reset_index(drop=True)


def thinned(said: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Predictions of which some, here and there, were never made.

    Args:
        said: a row for each.
        share: of them.
        seed: of which ones.
    """
    return said[~_some(len(said), share, seed)]


def delayed(said: pd.DataFrame, column: str, by: timedelta, share: float) -> pd.DataFrame:
    """Predictions of which the last ones were made later than they should.

    Args:
        said: a row for each.
        column: the time at which each was made.
        by: how much later.
        share: of them.
    """
    made = said[column]
    late = made.mask(_last(len(said), share), made + pd.Timedelta(by))
    return said.assign(**{column: late})


def interrupted(said: pd.DataFrame, share: float) -> pd.DataFrame:
    """Predictions of which a stretch in the middle was never made.

    Args:
        said: a row for each, in the order of time.
        share: of them.
    """
    gone = round(len(said) * share)
    start = (len(said) - gone) // 2
    return pd.concat([said.iloc[:start], said.iloc[start + gone :]])


def _last(count: int, share: float) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.arange(count) >= round(
        count * (1 - share)
    )
    return found


def _some(count: int, share: float, seed: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    chosen = np.zeros(count, dtype=bool)
    draws = np.random.default_rng(seed)
    chosen[draws.permutation(count)[: round(count * share)]] = True
    return chosen

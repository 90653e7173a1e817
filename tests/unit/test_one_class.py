"""Labels that went to one class: a default is told from a flip, and from a world that moved."""

import numpy as np
import pytest

from tasks.metrics import Array
from tasks.monitoring.one_class import OneClass, one_class
from tasks.monitoring.performance import Scored

BINARY, CLASSES = ("0", "1"), ("early", "late", "on time")
ROWS = 6000


def chances(seed: int = 1, shift: float = 0.0, rows: int = ROWS) -> Array:
    """What an honest champion says of rows of which some are nearly certain."""
    scores = np.random.default_rng(seed).normal(shift, 1.5, rows)
    found: Array = 1 / (1 + np.exp(-scores))
    return found


def came(chance: Array, seed: int = 2) -> Array:
    """Labels that happen with these chances."""
    return (np.random.default_rng(seed).random(len(chance)) < chance).astype(float)


def told(labels: Array, said: Array, holdout: Scored | None = None) -> OneClass | None:
    """What is told of labels under these chances, beside a holdout that is honest."""
    other = chances(9)
    return one_class(
        Scored("binary", labels, said),
        holdout or Scored("binary", came(other, 8), other),
        BINARY,
    )


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("apart", [False, True])
def test_a_default_that_was_filled_in_is_found(value: float, share: float, *, apart: bool) -> None:
    """In the last rows of a window, or here and there."""
    said = chances()
    order = np.random.default_rng(3).permutation(ROWS) if apart else np.arange(ROWS)
    labels = np.where(order < share * ROWS, value, came(said))

    found = told(labels, said)

    assert found is not None
    assert found.name == str(int(value))
    assert found.share == pytest.approx(share, abs=0.06)
    assert found.rows == pytest.approx(share * ROWS / 2, rel=0.15)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_labels_that_were_flipped_go_both_ways(share: float) -> None:
    """Some of what was certain not to happen happened."""
    said = chances(shift=-1.0)
    labels = came(said)
    flipped = np.random.default_rng(4).random(ROWS) < share

    assert told(np.where(flipped, 1 - labels, labels), said) is None


@pytest.mark.parametrize("by", [-2.0, -1.0, 1.0, 2.0])
def test_a_world_in_which_something_became_seldom_is_none(by: float) -> None:
    """What was nearly certain still happens: odds that fall leave it so."""
    said = chances()
    moved = 1 / (1 + np.exp(-(np.log(said / (1 - said)) + by)))

    assert told(came(moved), said) is None


def test_a_champion_that_was_never_right_about_how_often_is_no_default() -> None:
    """It says twice what happens, and did so on its holdout."""
    said, other = chances(), chances(9)

    found = told(came(said / 2), said, Scored("binary", came(other / 2, 8), other))

    assert found is None
    assert told(came(said / 2), said) is not None


def test_a_class_among_others_is_found_by_its_name() -> None:
    """Half of the rides were on time because nobody wrote down when they came."""
    draws = np.random.default_rng(5)
    raw = np.exp(draws.normal(0, 1.5, (ROWS, 3)))
    said = raw / raw.sum(axis=1, keepdims=True)
    steps = np.cumsum(said, axis=1)[:, :-1]
    labels, honest = ((draws.random((ROWS, 1)) > steps).sum(axis=1).astype(float) for _ in range(2))
    holdout = Scored("multiclass", honest, said)
    filled = np.where(np.arange(ROWS) < ROWS / 2, 2.0, labels)

    found = one_class(Scored("multiclass", filled, said), holdout, CLASSES)

    assert found is not None
    assert (found.name, round(found.share, 1)) == ("on time", 0.5)
    assert one_class(Scored("multiclass", labels, said), holdout, CLASSES) is None


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_of_hardly_any_rows_nothing_is_told(rows: int) -> None:
    """Chance explains whatever they have."""
    assert told(np.zeros(rows), chances(rows=rows)) is None


def test_what_is_no_chance_and_what_has_no_class_tells_nothing() -> None:
    """Percents, infinite ones, and numbers."""
    said = chances()

    assert told(came(said), 100 * said) is None
    assert told(came(said), np.full(ROWS, np.nan)) is None
    numbers = Scored("regression", said, said)
    assert one_class(numbers, numbers, ()) is None

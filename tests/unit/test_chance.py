"""False alarms over many features: what chance makes of none that moved."""

import numpy as np
import pandas as pd
import pytest

from tasks.metrics import Array
from tasks.monitoring.drift import FALSE_ALARMS
from tasks.monitoring.sketches.chance import chance_of_psi
from tasks.monitoring.sketches.columns import Mask
from tasks.monitoring.sketches.distances import psi_of
from tasks.monitoring.spec import MonitoringSpec
from tests.unit.test_psi import drift_of

REFERENCE, WINDOW, WINDOWS, EACH = 20_000, 1000, 1000, 10
FLOOR = MonitoringSpec().psi
NAMES = (2, 3, 5, 10, 11, 20, 50, 100, 200, 300)


def columns() -> list[Array]:
    """Shares of twenty columns: as many bins as a number has, and few to very many names."""
    even = [np.full(count, 1 / count) for count in NAMES]
    weights = [1 / np.arange(1, count + 1) ** 0.7 for count in NAMES]
    return [*even, *(each / each.sum() for each in weights)]


def beyond(shares: Array, draws: np.random.Generator) -> tuple[Mask, Mask]:
    """In which of the windows any of ten like columns is beyond its floor, and beyond chance too.

    No column moved: both its reference and all of its windows are drawn from the same shares.
    """
    before = draws.multinomial(REFERENCE, shares, EACH) / REFERENCE
    after = draws.multinomial(WINDOW, shares, (WINDOWS, EACH)) / WINDOW
    error = FALSE_ALARMS / (EACH * 2 * len(NAMES))
    chances = np.array([chance_of_psi(each, REFERENCE, WINDOW, error) for each in before])
    above = psi_of(before, after) > FLOOR
    both = above & (psi_of(before, after) > chances)
    return np.any(above, axis=1), np.any(both, axis=1)


def test_of_two_hundred_features_without_drift_one_is_named_in_few_of_a_thousand_windows() -> None:
    """With the floor alone it is every single window, because of columns of many names."""
    draws = np.random.default_rng(7)

    told = [beyond(shares, draws) for shares in columns()]
    floor, both = (np.any([each[side] for each in told], axis=0).mean() for side in (0, 1))

    assert floor == 1
    assert both <= FALSE_ALARMS


@pytest.mark.parametrize("names", [3, 11, 100])
@pytest.mark.parametrize("rows", [200, 5000])
def test_what_chance_makes_is_exceeded_as_often_as_it_says(names: int, rows: int) -> None:
    """Of ten thousand windows five in a hundred, whatever the column."""
    shares = np.full(names, 1 / names)
    draws = np.random.default_rng(names + rows)

    limit = chance_of_psi(shares, REFERENCE, rows, 0.05)
    before = draws.multinomial(REFERENCE, shares, 5000) / REFERENCE
    after = draws.multinomial(rows, shares, 5000) / rows

    assert (psi_of(before, after) > limit).mean() == pytest.approx(0.05, abs=0.03)


def test_a_column_of_many_names_that_did_not_move_is_not_named() -> None:
    """A window of 500 rows sees no more than some of 400 names: its PSI is far above 0.2."""
    draws = np.random.default_rng(1)
    before, after = (
        pd.DataFrame({"tail": [f"N{n}" for n in draws.integers(0, 400, count)], "hour": 0.0})
        for count in (20_000, 500)
    )

    found = drift_of(before, after, ["tail"])

    assert found.features["tail"].psi > 0.5
    assert found.moved(FLOOR) == {}
    assert found.severity == 0


def test_a_column_of_many_names_that_moved_is_named() -> None:
    """Half of the rows have gone to a tenth of its names."""
    draws = np.random.default_rng(2)
    names = draws.integers(0, 400, 500)
    before = pd.DataFrame({"tail": [f"N{n}" for n in draws.integers(0, 400, 20_000)]})
    after = pd.DataFrame({"tail": [f"N{n}" for n in np.where(names < 200, names % 40, names)]})

    found = drift_of(before, after, ["tail"])

    assert list(found.moved(FLOOR)) == ["tail"]
    assert found.severity == 1


def test_a_column_of_one_value_has_no_chance_to_move() -> None:
    """What cannot vary is not told by variance."""
    assert chance_of_psi(np.array([1.0, 0.0]), 100, 100, 0.01) == 0

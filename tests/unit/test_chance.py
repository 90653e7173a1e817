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
    counts = draws.multinomial(REFERENCE, shares, EACH)
    after = draws.multinomial(WINDOW, shares, (WINDOWS, EACH)) / WINDOW
    error = FALSE_ALARMS / (EACH * 2 * len(NAMES))
    chances = np.array([chance_of_psi(each, WINDOW, error) for each in counts])
    above = psi_of(counts / REFERENCE, after) > FLOOR
    both = above & (psi_of(counts / REFERENCE, after) > chances)
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
def test_what_chance_makes_is_exceeded_no_more_often_than_it_says(names: int, rows: int) -> None:
    """Of five thousand windows five in a hundred, or a few less, whatever the column."""
    shares = np.full(names, 1 / names)
    draws = np.random.default_rng(names + rows)

    counts = draws.multinomial(REFERENCE, shares)
    limit = chance_of_psi(counts, rows, 0.05)
    before = draws.multinomial(REFERENCE, shares, 5000) / REFERENCE
    after = draws.multinomial(rows, shares, 5000) / rows

    assert 0.002 < (psi_of(before, after) > limit).mean() < 0.08


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
    assert chance_of_psi(np.array([100, 0]), 50, 0.01) == 0


def test_a_reference_of_one_row_tells_of_no_movement() -> None:
    """There is nothing to part at random."""
    assert chance_of_psi(np.array([1, 0]), 100, 0.01) == np.inf


def test_more_rows_than_can_be_parted_at_random_are_scaled() -> None:
    """A billion rows, in twelve bins: chance makes next to nothing of a large window."""
    assert 0 < chance_of_psi(np.full(12, 10**9), 10**6, 0.01) < 1e-3


@pytest.mark.parametrize(
    ("reference", "rows", "names"), [(2000, 1000, 1000), (5000, 1000, 2000), (2000, 4000, 1000)]
)
def test_names_that_the_reference_missed_by_chance_are_no_drift(
    reference: int, rows: int, names: int
) -> None:
    """Of a thousand names in two thousand rows one in seven is missed: no world moved."""
    draws = np.random.default_rng(5)
    found = []
    for _ in range(10):
        before, after = (
            pd.DataFrame({each: draws.integers(0, names, count).astype(str) for each in "abc"})
            for count in (reference, rows)
        )
        found.append(drift_of(before, after, ["a", "b", "c"]))

    assert [each.moved(FLOOR) for each in found] == [{}] * 10
    assert max(each.novelty for each in found) < 0.06
    assert min(each.features["a"].new for each in found) > 0.03


def test_names_that_are_new_beyond_chance_are_still_novel() -> None:
    """Half of the rows come from a place that nobody saw."""
    draws = np.random.default_rng(6)
    before = pd.DataFrame({"port": draws.integers(0, 300, 2000).astype(str)})
    after = pd.DataFrame({"port": np.where(draws.random(1000) < 0.5, "SWF", before["port"][:1000])})

    found = drift_of(before, after, ["port"])

    assert list(found.moved(FLOOR)) == ["port"]
    assert found.novelty == pytest.approx(0.5, abs=0.05)


def test_values_that_went_missing_are_no_movement_of_those_that_are_left() -> None:
    """A tenth lost at random has a PSI of 0.6, and is told as missing where that is too many."""
    draws = np.random.default_rng(8)
    before, values = (pd.DataFrame({"temp": draws.normal(size=rows)}) for rows in (9000, 3000))
    kept = draws.random((3000, 1)) > 0.12
    lost, moved = values.where(kept), (values + 2).where(kept)

    assert drift_of(before, lost).features["temp"].psi > 0.5
    assert (drift_of(before, lost).moved(FLOOR), drift_of(before, lost).severity < 0.01) == (
        {},
        True,
    )
    assert list(drift_of(before, moved).moved(FLOOR)) == ["temp"]
    assert list(drift_of(lost, before).moved(FLOOR)) == ["temp"]

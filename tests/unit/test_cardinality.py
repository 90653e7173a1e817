"""Distinct values: what is kept of them adds up, and says how many there are to a stated error."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.monitoring.sketches.cardinality import KEPT, between, distinct_names, distinct_numbers
from tasks.monitoring.sketches.categories import MOST_NAMES, tally_names
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.verdict import judge
from tests.support.shapes import Array, names_of, profile_of, sketch_of
from tests.unit.test_psi import drift_of
from tests.unit.test_verdict import seen

FIVE_ERRORS = 5 / np.sqrt(KEPT - 2)

NUMBERS = arrays(
    np.float64,
    st.integers(0, 200),
    elements=st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, np.inf, -np.inf]),
)


@given(NUMBERS)
def test_few_values_are_counted_exactly(values: Array) -> None:
    """Zeros of either sign are one value, and so is each infinity."""
    assert distinct_numbers(np.sort(values)).count == len(set(values.tolist()))


@given(st.lists(st.lists(st.integers(0, 3000), max_size=2500), min_size=2, max_size=4))
def test_what_is_kept_adds_up_in_any_order(parts: list[list[int]]) -> None:
    """A partition may hold a value that others have; the sum is what the whole has."""
    kept = [distinct_numbers(np.sort(np.array(each, dtype=float))) for each in parts]
    whole = distinct_numbers(np.sort(np.array([value for each in parts for value in each], float)))

    forth, back = kept[0], kept[-1]
    for each in kept[1:]:
        forth += each
    for each in reversed(kept[:-1]):
        back = each + back

    np.testing.assert_array_equal(forth.hashes, whole.hashes)
    np.testing.assert_array_equal(back.hashes, whole.hashes)


@pytest.mark.parametrize("rows", [KEPT - 1, KEPT, 3 * KEPT, 200_000])
@pytest.mark.parametrize("step", [1.0, 0.1, 1e9])
def test_many_values_are_told_to_the_stated_error(rows: int, step: float) -> None:
    """Whole numbers, tenths and large ones: nothing about how they lie makes it worse."""
    found = distinct_numbers(np.arange(rows, dtype=np.float64) * step).count

    assert found == pytest.approx(rows, rel=FIVE_ERRORS if rows >= KEPT else 0)


def test_names_are_counted_beyond_those_that_are_kept() -> None:
    """The rarest are one bin, but each of them is one name."""
    names = [f"name {number}" for number in range(3 * MOST_NAMES)]
    profiled = names_of(names)

    again = sketch_of(profiled, names[: 2 * MOST_NAMES]).columns["x"]

    assert profiled.columns["x"].reference.distinct == pytest.approx(3 * MOST_NAMES, rel=0.16)
    assert again.distinct == pytest.approx(2 * MOST_NAMES, rel=0.16)
    assert sketch_of(names_of(names[:50]), names[:7]).columns["x"].distinct == 7


def test_a_dictionary_counts_the_names_that_rows_have() -> None:
    """Parquet hands on names that no row of a batch has."""
    column = pa.DictionaryArray.from_arrays([0, 0, None, 2], ["JFK", "EWR", "LGA"])

    sketch, _, _ = tally_names(column)

    assert (sketch.distinct, sketch.hashes.count) == (2, 2)
    np.testing.assert_array_equal(sketch.hashes.hashes, distinct_names(["LGA", "JFK"]).hashes)


@given(arrays(np.float64, 300, elements=st.integers(0, 400).map(float)), st.integers(2, 6))
def test_parts_of_a_whole_have_on_average_no_fewer_than_may_be_expected(
    values: Array, parts: int
) -> None:
    """However they lie together: that is what makes the bounds hold for a month of a year."""
    whole = len(set(values.tolist()))
    each = [len(set(part.tolist())) for part in np.array_split(values, parts)]

    least, most = between(whole, len(values), len(values) // parts)

    assert np.mean(each) >= least - 1e-9
    assert max(each) <= most


def test_values_that_were_rounded_are_a_fault_of_the_data() -> None:
    """Tenths became whole numbers: hardly a distance sees it, and no world moved."""
    draws = np.random.default_rng(1)
    before = pd.DataFrame({"pressure": draws.normal(1013, 8, 20_000).round(1)})
    now = pd.DataFrame({"pressure": draws.normal(1013, 8, 8_000)})

    same = judge(seen(drift=drift_of(before, now.round(1))), MonitoringSpec())
    coarse = judge(seen(drift=drift_of(before, now.round(-1))), MonitoringSpec())
    let_pass = MonitoringSpec(max_distinct_change=None)

    assert "quality" not in {each.kind for each in same.causes}
    cause = next(each for each in coarse.causes if each.kind == "quality")
    assert cause.sentence.startswith("Distinct values, and how many the training rows have: press")
    assert cause.action == "alert"
    quiet = judge(seen(drift=drift_of(before, now.round(-1))), let_pass)
    assert "quality" not in {each.kind for each in quiet.causes}


def test_digits_that_were_never_there_are_a_fault_of_the_data() -> None:
    """A float of single precision, or another scale: each value is a new one."""
    draws = np.random.default_rng(2)
    before = pd.DataFrame({"minutes": draws.integers(0, 300, 20_000).astype(float)})
    now = pd.DataFrame({"minutes": draws.integers(0, 300, 8_000) + draws.normal(0, 1e-6, 8_000)})

    drift = drift_of(before, now)

    assert drift.features["minutes"].finer > 20
    assert "quality" in {each.kind for each in judge(seen(drift=drift), MonitoringSpec()).causes}


def test_a_code_may_have_more_values_and_a_column_that_stands_still_may_do_so() -> None:
    """Shops that open, and a day without rain, are the world's."""
    draws = np.random.default_rng(3)
    rain = np.where(draws.random(20_000) < 0.7, 0.0, draws.gamma(1, 1, 20_000))
    before = pd.DataFrame({"shop": draws.integers(0, 5, 20_000), "rain": rain}).astype(float)
    now = pd.DataFrame({"shop": draws.integers(0, 20, 500), "rain": np.zeros(500)}).astype(float)

    drift = drift_of(before, now)

    found = {name: (each.coarser, each.finer) for name, each in drift.features.items()}
    assert found == {"shop": (0.00625, 0.0), "rain": (0.0, 0.0)}


def test_a_window_without_values_has_none_that_are_distinct() -> None:
    """What is missing is told as such."""
    drift = drift_of(pd.DataFrame({"x": np.arange(100.0)}), pd.DataFrame({"x": [np.nan] * 50}))

    assert (drift.features["x"].distinct, drift.features["x"].coarser) == (0, 0)
    assert profile_of(np.arange(100.0)).columns["x"].reference.distinct == 100

"""Sketches of numbers: what they say of two samples is what SciPy says, to a stated bound."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.monitoring.sketches.columns import Distances, NumberColumn
from tasks.monitoring.sketches.grid import FINE
from tasks.monitoring.sketches.numeric import Numbers
from tasks.monitoring.sketches.profiles import Profile
from tasks.monitoring.sketches.survey import SAMPLED
from tests.support.shapes import CHANGES, SHAPES, Array, batches, exact, profile_of, sketch_of

ROWS = SAMPLED + 40_000
"""More than the sample holds, so that where values are counted is not chosen from all of them."""

FEW = 30_000
"""Of the sample that is compared."""

BOUND = 1e-3
"""Of KS, and of Wasserstein in standard deviations of the reference."""

VALUES = st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float) | st.just(float("nan"))
SAMPLES = arrays(np.float64, st.integers(1, 60), elements=VALUES)


@pytest.fixture(scope="module", params=SHAPES)
def shaped(request: pytest.FixtureRequest) -> tuple[str, Array, Profile]:
    """A large sample of each shape and its profile."""
    shape: str = request.param
    values = SHAPES[shape](np.random.default_rng(1), ROWS)
    return shape, np.sort(values), profile_of(values)  # SciPy sorts faster what is sorted


def found(profiled: Profile, current: Array) -> Distances:
    """What two sketches say of the only column."""
    column, sketch = column_of(profiled), sketch_of(profiled, current).columns["x"]
    assert isinstance(sketch, Numbers)
    return column.distances(sketch)


def column_of(profiled: Profile) -> NumberColumn:
    """The only column, of numbers."""
    column = profiled.columns["x"]
    assert isinstance(column, NumberColumn)
    return column


@pytest.mark.parametrize("change", CHANGES)
def test_two_large_samples_are_compared_as_scipy_compares_them(
    shaped: tuple[str, Array, Profile], change: str
) -> None:
    """Ties, heavy tails, outliers, constants and gaps; PSI and its like on the same cuts."""
    shape, reference, profiled = shaped
    draws = np.random.default_rng(2)
    current = CHANGES[change](SHAPES[shape](draws, FEW), draws)
    expected = exact(reference, current, column_of(profiled).grid.cuts)

    distances = found(profiled, current)

    assert distances.psi == pytest.approx(expected.psi, abs=1e-9)
    assert distances.jensen_shannon == pytest.approx(expected.jensen_shannon, abs=1e-7)
    assert distances.ks == pytest.approx(expected.ks, abs=BOUND)
    room = BOUND * expected.deviation + 1e-9 * expected.wasserstein
    assert distances.wasserstein == pytest.approx(expected.wasserstein, abs=room)


def test_the_cuts_of_a_sample_part_all_rows_into_tenths(
    shaped: tuple[str, Array, Profile],
) -> None:
    """PSI on the reference's own deciles moves by less than 0.005 where they come of a sample."""
    shape, reference, profiled = shaped
    current = SHAPES[shape](np.random.default_rng(3), FEW) * 1.1

    index = found(profiled, current).psi

    assert index == pytest.approx(exact(reference, current).psi, abs=0.005, rel=0.02)


def test_many_values_of_which_one_has_most_rows_are_compared_apart_from_it() -> None:
    """Rain: none in most hours, and any amount in the others."""
    draws = np.random.default_rng(4)
    before = np.where(draws.random(20_000) < 0.92, 0.0, draws.gamma(1, 1, 20_000))
    after = np.where(draws.random(20_000) < 0.30, 0.0, draws.gamma(1, 1, 20_000))

    distances = found(profile_of(before), after)

    assert distances.psi == pytest.approx(exact(before, after).psi, abs=1e-9)
    assert distances.psi > 1


def test_no_bin_of_several_values_holds_more_than_the_bound(
    shaped: tuple[str, Array, Profile],
) -> None:
    """That bounds the error of KS, whatever the other sample is."""
    _, _, profiled = shaped
    grid, counts = column_of(profiled).grid, column_of(profiled).reference.counts[1:-1]
    several = np.nextafter(grid.edges[:-1], np.inf) < grid.edges[1:]

    assert counts[several].max() / counts.sum() < BOUND


@settings(max_examples=300)
@given(SAMPLES, SAMPLES)
def test_small_samples_are_compared_exactly(reference: Array, current: Array) -> None:
    """Each distinct value of a small reference is a bin of its own."""
    distances = found(profile_of(reference), current)

    if np.isnan(reference).all() or np.isnan(current).all():
        assert distances.ks is distances.wasserstein is None
        return
    expected = exact(reference, current)
    assert distances.psi == pytest.approx(expected.psi, abs=1e-9)
    assert distances.jensen_shannon == pytest.approx(expected.jensen_shannon, abs=1e-7)
    assert distances.ks == pytest.approx(expected.ks, abs=1e-12)
    room = BOUND * expected.deviation + 1e-9 * expected.wasserstein
    assert distances.wasserstein == pytest.approx(expected.wasserstein, abs=room)


@given(st.data())
def test_the_area_between_values_that_both_hold_is_exact(data: st.DataObject) -> None:
    """And so it is of values that lie beyond the ends of the reference."""
    reference = data.draw(arrays(np.float64, st.integers(1, 40), elements=st.floats(-50, 50)))
    held = st.sampled_from(reference.tolist()) | st.floats(51, 1e9) | st.floats(-1e9, -51)
    current = np.array(data.draw(st.lists(held, min_size=1, max_size=40)))

    area = found(profile_of(reference), current).wasserstein

    assert area == pytest.approx(exact(reference, current).wasserstein, rel=1e-9, abs=1e-9)


@given(SAMPLES)
def test_a_sample_has_no_distance_from_itself_whatever_its_order(values: Array) -> None:
    """Nothing moved."""
    distances = found(profile_of(values), np.random.default_rng(0).permutation(values))

    assert distances.psi == 0
    assert distances.jensen_shannon == 0
    assert distances.ks in {0, None}
    assert distances.wasserstein == (None if np.isnan(values).all() else pytest.approx(0, abs=1e-6))


@given(SAMPLES, SAMPLES, SAMPLES)
def test_the_sum_of_two_sketches_is_the_sketch_of_both(
    reference: Array, one: Array, other: Array
) -> None:
    """Partitions are counted apart, in any order, and added."""
    profiled = profile_of(reference)

    apart = sketch_of(profiled, one) + sketch_of(profiled, other)
    turned = sketch_of(profiled, other) + sketch_of(profiled, one)
    whole = sketch_of(profiled, np.concatenate([one, other]))

    sums = [each.columns["x"] for each in (apart, turned, whole)]
    assert (apart.rows, apart.beyond, apart.new) == (whole.rows, whole.beyond, whole.new)
    for sketch in sums:
        assert isinstance(sketch, Numbers)
        assert isinstance(sums[2], Numbers)
        np.testing.assert_array_equal(sketch.counts, sums[2].counts)
        np.testing.assert_allclose(sketch.sums, sums[2].sums, rtol=1e-9, atol=1e-6)
        assert (sketch.missing, sketch.rows) == (sums[2].missing, sums[2].rows)


def test_batches_of_any_size_give_the_same_profile() -> None:
    """What is sampled depends on the rows and on the seed, not on how they were parted."""
    values = SHAPES["long tail"](np.random.default_rng(1), ROWS)

    one, other = (column_of(profile_of(values, rows=rows)) for rows in (ROWS, 7001))

    np.testing.assert_array_equal(one.grid.edges, other.grid.edges)
    np.testing.assert_array_equal(one.reference.counts, other.reference.counts)


def test_rows_in_the_order_of_time_are_sampled_evenly() -> None:
    """A year that grows warmer: the first rows are no better known than the last."""
    values = np.linspace(0, 1, ROWS)

    column = column_of(profile_of(values))

    np.testing.assert_allclose(column.grid.cuts, np.linspace(0, 1, 11)[1:-1], atol=0.005)


def test_the_outermost_rows_are_known_however_many_rows_there_are() -> None:
    """Neither the smallest nor the largest value is left to the luck of a sample."""
    values = SHAPES["heavy tail"](np.random.default_rng(4), ROWS)

    grid = column_of(profile_of(values)).grid

    assert values.min() in grid.edges
    assert values.max() in grid.edges


def test_infinities_are_counted_and_left_out_of_the_area() -> None:
    """They are the ends of the order for KS; no area between functions can hold them."""
    draws = np.random.default_rng(1)
    reference = np.concatenate([draws.normal(0, 1, 998), [np.inf, -np.inf]])
    current = np.concatenate([draws.normal(0, 1, 900), np.full(100, np.inf)])

    distances = found(profile_of(reference), current)

    assert distances.ks == pytest.approx(exact(reference, current).ks)
    finite = exact(reference[:998], current[:900]).wasserstein
    assert distances.wasserstein == pytest.approx(finite, abs=BOUND)


def test_the_ends_of_what_a_float_holds_are_no_error() -> None:
    """An area beyond them is infinite."""
    reference = np.array([-1e308, 0.0, 1e308])

    distances = found(profile_of(reference), np.array([1.7e308] * 3))

    assert distances.wasserstein == np.inf
    assert distances.ks == pytest.approx(1.0)


def test_a_column_without_a_value_is_compared_by_what_is_missing() -> None:
    """A feature that was never there and now is moved, and all of it is beyond."""
    profiled = profile_of(np.full(100, np.nan))

    sketch = sketch_of(profiled, np.array([1.0, np.nan, 2.0, np.nan]))

    assert found(profiled, np.array([1.0, np.nan])).psi > 1
    assert found(profiled, np.array([1.0, np.nan])).ks is None
    assert (sketch.beyond, sketch.new) == (2, {"x": 2})


def test_whole_numbers_and_truths_are_numbers() -> None:
    """A label of 0 and 1 may be stored as any of them."""
    truths = np.array([0, 1, 1, 0, 1])
    profiled = profile_of(truths.astype(float))

    sketches = [sketch_of(profiled, truths.astype(kind)) for kind in (bool, np.int8, np.float32)]

    counted = [each.columns["x"] for each in sketches]
    assert all(isinstance(each, Numbers) and each.known == 5 for each in counted)
    assert {found(profiled, truths.astype(kind)).psi for kind in (bool, int)} == {0.0}


def test_a_row_is_beyond_once_however_many_of_its_columns_are() -> None:
    """Novelty is a share of rows."""
    from tasks.monitoring.sketches.profiles import draw_profile

    draws = np.random.default_rng(1)
    columns = {name: draws.normal(0, 1, 1000) for name in "ab"}
    profiled, _ = draw_profile(lambda: batches(columns, 100), ["a", "b"], [], seed=1)
    far = {"a": np.array([0.0, 9.0, 9.0]), "b": np.array([0.0, 9.0, 0.0])}

    sketch = profiled.sketch(batches(far, 2))

    assert (sketch.rows, sketch.beyond, sketch.new) == (3, 2, {"a": 2, "b": 1})


@pytest.mark.parametrize("hills", [2, 3, 10])
def test_a_window_in_the_gaps_of_its_reference_is_compared_as_closely(hills: int) -> None:
    """Where no row ever was the functions cross, all of the window between two values."""
    draws = np.random.default_rng(5)
    reference = draws.normal(0, 1, ROWS) + 50 * draws.integers(0, hills, ROWS)
    profiled = profile_of(reference)
    middles = 25 + 50 * draws.integers(0, hills - 1, FEW)

    for width in (5.0, 0.1, 0.01):
        current = middles + draws.normal(0, width, FEW)
        expected = exact(reference, current)
        assert found(profiled, current).wasserstein == pytest.approx(
            expected.wasserstein, abs=BOUND * expected.deviation
        )


def test_a_grid_takes_no_more_room_for_more_distinct_values() -> None:
    """What is stored of a column is bounded."""
    draws = np.random.default_rng(1)

    edges = [len(column_of(profile_of(draws.normal(0, 1, n))).grid.edges) for n in (20_000, ROWS)]

    assert max(edges) < 2 * FINE


def test_memory_is_that_of_a_few_batches_however_many_rows_there_are() -> None:
    """Four times the rows, drawn and counted, take no more than one batch's values on top."""
    import tracemalloc

    from tasks.monitoring.sketches.profiles import draw_profile

    batch = batches({"x": np.random.default_rng(1).normal(0, 1, SAMPLED)}, SAMPLED)

    def peak(times: int) -> int:
        arrow = pa.total_allocated_bytes()
        tracemalloc.start()
        profiled, _ = draw_profile(lambda: batch * times, ["x"], [], seed=77)
        profiled.sketch(batch * times)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        held: int = pa.total_allocated_bytes() - arrow
        return most + held

    few, many = peak(4), peak(16)

    assert many - few < SAMPLED * 8

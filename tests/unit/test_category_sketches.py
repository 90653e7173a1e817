"""Sketches of categories: exact up to a bound of names, told apart beyond it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from infra.errors import DataError
from tasks.monitoring.sketches.categories import MOST_NAMES, Names
from tasks.monitoring.sketches.columns import CategoryColumn, Distances
from tasks.monitoring.sketches.profiles import Profile, draw_profile
from tests.support.shapes import names_of, sketch_of

TEXTS = st.lists(st.sampled_from("abcdé") | st.just("") | st.none(), min_size=1, max_size=50)


def found(profiled: Profile, current: list[str | None]) -> Distances:
    """What two sketches say of the only column."""
    column, sketch = profiled.columns["x"], sketch_of(profiled, current).columns["x"]
    assert isinstance(sketch, Names)
    return column.distances(sketch)  # type: ignore[arg-type]  # a column of categories


def many(rows: int, start: int = 0) -> list[str | None]:
    """So many names, each once."""
    return [f"name {number:06d}" for number in range(start, start + rows)]


@given(TEXTS, TEXTS)
def test_categories_are_counted_exactly(
    reference: list[str | None], current: list[str | None]
) -> None:
    """Nothing is missing from the counts, whatever the names; SciPy's distance of the shares."""
    names = list(dict.fromkeys([*reference, *current]))
    before, after = ([each.count(name) for name in names] for each in (reference, current))

    distances = found(names_of(reference), current)

    expected = jensenshannon(before, after)
    assert distances.jensen_shannon == pytest.approx(expected, abs=1e-7)
    assert distances.ks is distances.wasserstein is None


@pytest.mark.parametrize(("before", "after"), [(0.3, 0.05), (0.05, 0.5), (0.1, 0.1)])
def test_what_moves_among_names_that_are_seldom_is_counted_exactly(
    before: float, after: float
) -> None:
    """Six thousand names of which none has one row in ten thousand, but all have hundreds."""
    reference, current = shared(before), shared(after)
    old, new = (np.array([*each.counts.values()]) / each.rows for each in (reference, current))

    distances = CategoryColumn(reference).distances(current)

    assert distances.psi == pytest.approx(((new - old) * np.log(new / old)).sum(), abs=1e-12)


def test_half_of_the_seldom_names_cannot_fall_to_a_tenth_unseen() -> None:
    """Each of them had and has less than one row in ten thousand."""
    reference = Names({f"name {place}": 1000 for place in range(10_000)})
    current = Names(
        {name: 1900 - 1800 * (place % 2) for place, name in enumerate(reference.counts)}
    )

    assert CategoryColumn(reference).distances(current).psi > 1


def shared(share: float) -> Names:
    """Twenty million rows, of which six thousand names have a share; one has the others."""
    rows = 20_000_000
    rare = {f"name {place}": round(share * rows / 6000) for place in range(6000)}
    return Names({"often": round((1 - share) * rows), **rare})


def test_names_too_seldom_for_a_window_are_not_gone() -> None:
    """Of a billion rows each has one: that a window has none of them says nothing."""
    rare = {f"name {place}": 1 for place in range(9000)}
    reference = Names({"often": 10**9, **rare})

    assert CategoryColumn(reference).distances(Names({"often": 1000})).psi < 1e-6
    assert CategoryColumn(Names({"often": 1000})).distances(reference).psi < 1e-6


@given(TEXTS, TEXTS, TEXTS)
def test_the_sum_of_two_sketches_is_the_sketch_of_both(
    reference: list[str | None], one: list[str | None], other: list[str | None]
) -> None:
    """Partitions are counted apart and added."""
    profiled = names_of(reference)

    assert sketch_of(profiled, one) + sketch_of(profiled, other) == sketch_of(
        profiled, [*one, *other]
    )


def test_a_category_that_is_new_and_one_that_is_gone_are_seen() -> None:
    """A tenth of the rows moved to a name that never was; the old one has fewer."""
    profiled = names_of(["EWR", "JFK"] * 500)

    new: list[str | None] = ["SWF", *["JFK", "EWR"] * 4, "EWR"] * 100
    gone: list[str | None] = ["EWR"] * 1000

    assert found(profiled, ["EWR", "JFK"] * 7).psi == 0
    assert found(profiled, new).psi > 0.2
    assert found(profiled, gone).psi > 1
    assert sketch_of(profiled, new).new == {"x": 100}
    assert sketch_of(profiled, gone).beyond == 0


def test_a_missing_category_is_a_bin_of_its_own_and_not_a_new_one() -> None:
    """Its share is the data's quality, not novelty."""
    profiled = names_of(["a", "b"] * 50)

    assert found(profiled, ["a", None] * 50).psi > 1
    assert sketch_of(profiled, ["a", None, "c"]).beyond == 1


def test_categories_may_be_coded_or_be_numbers() -> None:
    """A dictionary of Arrow and a whole number are known by their text."""
    profiled = names_of(["1", "2", "2"])
    coded = pa.array(["2", "1", "2"]).dictionary_encode()

    for column in (coded, pa.array([2, 1, 2])):
        sketch = profiled.sketch([pa.record_batch({"x": column})])

        assert sketch.columns["x"] == Names({"1": 1, "2": 2})


def test_more_names_than_the_bound_are_counted_together() -> None:
    """The frequent ones are kept by name; of the others none can be called new."""
    reference = [*["often"] * 500, *many(MOST_NAMES + 2000)]

    profiled = names_of(reference)

    held = profiled.columns["x"].reference
    assert isinstance(held, Names)
    assert len(held.counts) == MOST_NAMES
    assert (held.counts["often"], held.rest, held.rows) == (500, 2001, len(reference))
    assert found(profiled, reference).psi == 0
    assert sketch_of(profiled, many(50, start=10**6)).beyond == 0


def test_a_flood_of_new_names_takes_no_more_memory_than_the_bound() -> None:
    """All of them are new; the first of the bound are counted by name."""
    profiled = names_of(["a", "b"])

    sketch = sketch_of(profiled, ["a", *many(3 * MOST_NAMES)], rows=5000)

    names = sketch.columns["x"]
    assert isinstance(names, Names)
    assert len(names.counts) <= MOST_NAMES + 2
    assert names.counts["a"] == 1
    assert names.rows == sketch.rows == 3 * MOST_NAMES + 1
    assert sketch.new == {"x": 3 * MOST_NAMES}


def test_rows_that_lack_a_column_are_refused() -> None:
    """The message names the column and says what to do."""
    with pytest.raises(DataError, match="lack 1 columns of the profile: x") as caught:
        names_of(["a"]).sketch([pa.record_batch({"y": pa.array(["a"])})])

    assert "champion" in caught.value.advice


def test_a_feature_that_became_text_is_refused() -> None:
    """What is no number cannot be held against numbers."""
    rows = [pa.record_batch({"x": pa.array([1.0, 2.0])})]
    profiled, _ = draw_profile(lambda: rows, ["x"], [], seed=1)

    with pytest.raises(DataError, match="x holds what is no number"):
        profiled.sketch([pa.record_batch({"x": pa.array(["one"])})])


def test_no_rows_have_no_profile_and_no_distance() -> None:
    """Nothing to compare is an error of the caller, not a zero."""
    empty = pa.record_batch({"x": pa.array([], pa.string())})

    with pytest.raises(DataError, match="no row to make a profile of"):
        draw_profile(lambda: [empty], ["x"], ["x"], seed=1)
    with pytest.raises(DataError, match="holds no value"):
        found(names_of(["a"]), [])


def test_a_sample_of_the_rows_comes_with_the_profile() -> None:
    """Whole rows, in their order, the same each time."""
    rows = [pa.record_batch({"x": pa.array(["a", None, "b"]), "n": pa.array([1.0, 2.0, None])})]

    one, again = (draw_profile(lambda: rows, ["n", "x"], ["x"], seed=1)[1].table() for _ in "ab")

    assert one.equals(again)
    assert one.to_pylist() == rows[0].to_pylist()


def test_a_sample_is_as_likely_to_hold_the_first_rows_as_the_last() -> None:
    """A tenth of the rows: their places are spread evenly, and they keep their order."""
    from tasks.monitoring.sketches.survey import RowSample

    sample = RowSample(2000, seed=5)
    for start in range(0, 20_000, 300):
        sample.add(pa.record_batch({"n": pa.array(range(start, min(start + 300, 20_000)))}))

    places = sample.table().column("n").to_numpy()

    assert len(places) == 2000
    assert not sample.whole
    assert (np.diff(places) > 0).all()
    assert places.mean() == pytest.approx(10_000, rel=0.05)


def test_new_names_beyond_the_bound_add_up_in_any_order() -> None:
    """Which are counted one by one depends on the names alone, not on who came first."""
    profiled = names_of(["EWR", "JFK"] * 10)
    names = [*many(2 * MOST_NAMES), *many(500), "EWR"]
    shuffled = list(np.random.default_rng(1).permutation(np.array(names, dtype=object)))

    whole = sketch_of(profiled, names)
    parts = sketch_of(profiled, names[:7000]) + sketch_of(profiled, names[7000:])

    assert whole == parts == sketch_of(profiled, shuffled)
    held = whole.columns["x"]
    assert isinstance(held, Names)
    assert (len(held.counts), held.rows) == (MOST_NAMES + 1, len(names))


def test_sketches_of_different_profiles_are_not_added() -> None:
    """Their bins mean different things; the same rows drawn twice make the same profile."""
    one, same, other = names_of(["EWR"]), names_of(["EWR"]), names_of(["JFK"])

    assert (sketch_of(one, ["EWR"]) + sketch_of(same, ["LGA"])).rows == 2
    with pytest.raises(DataError, match="counted on different profiles"):
        sketch_of(one, ["EWR"]) + sketch_of(other, ["EWR"])

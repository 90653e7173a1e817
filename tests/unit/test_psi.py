"""Drift of features: properties of what sketches say, and how features are weighed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from infra.errors import DataError
from tasks.monitoring.drift import Drift, compare, sample
from tasks.monitoring.sketches.profiles import draw_profile
from tests.support.shapes import Array

NUMBERS = st.integers(-50, 50).map(float)
SAMPLES = arrays(np.float64, st.integers(1, 80), elements=NUMBERS | st.just(float("nan")))


def drift_of(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    categorical: Sequence[str] = (),
    importances: Mapping[str, float] | None = None,
) -> Drift:
    """A frame against another, by the profile of that."""
    before, after = (
        pa.Table.from_pandas(frame, preserve_index=False).to_batches()
        for frame in (reference, current)
    )
    profile, _ = draw_profile(
        lambda: before, [str(name) for name in reference], categorical, seed=1
    )
    return compare(profile, profile.sketch(after), importances or {})


def psi(reference: Array, current: Array) -> float:
    """PSI of one feature of numbers."""
    before, after = (pd.DataFrame({"x": values}) for values in (reference, current))
    return drift_of(before, after).features["x"].psi


def categorical_psi(reference: "pd.Series[str]", current: "pd.Series[str]") -> float:
    """PSI of one feature of categories."""
    before, after = (pd.DataFrame({"x": values}) for values in (reference, current))
    return drift_of(before, after, ["x"]).features["x"].psi


def normal(shift: float = 0.0, rows: int = 4000, seed: int = 1) -> Array:
    """A normal sample, moved by so many standard deviations."""
    return np.random.default_rng(seed).normal(shift, 1.0, rows)


@given(SAMPLES, SAMPLES)
def test_psi_is_never_negative(reference: Array, current: Array) -> None:
    """Whatever the two samples hold, missing values and ties included."""
    assert psi(reference, current) >= 0


@given(SAMPLES)
def test_psi_of_a_sample_with_itself_is_zero(values: Array) -> None:
    """Nothing moved."""
    assert psi(values, np.random.default_rng(0).permutation(values)) == 0


@given(
    arrays(np.float64, st.integers(2, 60), elements=NUMBERS),
    arrays(np.float64, st.integers(1, 60), elements=NUMBERS),
)
def test_psi_does_not_depend_on_the_unit(reference: Array, current: Array) -> None:
    """Quarters or dollars: the bins are quantiles, so both samples change alike."""
    in_other_unit = psi(reference * 4, current * 4)

    assert in_other_unit == pytest.approx(psi(reference, current), abs=1e-9)


def test_psi_grows_with_the_shift() -> None:
    """A larger move is a larger index; half a standard deviation is beyond 0.2."""
    indexes = [psi(normal(), normal(shift, seed=2)) for shift in (0.0, 0.25, 0.5, 1.0)]

    assert indexes == sorted(indexes)
    assert indexes[0] < 0.02
    assert indexes[2] > 0.2


def test_psi_sees_values_that_go_missing() -> None:
    """The same values, a third of them gone: the bin of missing values tells."""
    reference = normal()
    current = reference.copy()
    current[::3] = np.nan

    assert psi(reference, current) > 1


def test_psi_of_a_constant_that_stays_is_zero_and_of_one_that_jumps_is_large() -> None:
    """Quantiles of a constant coincide, and a jump is still seen."""
    constant = np.full(50, 7.0)

    assert psi(constant, constant) == 0
    assert psi(constant, constant - 1) > 1


@pytest.mark.parametrize("empty", [0, 1])
def test_psi_refuses_an_empty_sample(empty: int) -> None:
    """Nothing to compare is an error of the caller, not a zero."""
    samples = [normal(rows=5), normal(rows=5)]
    samples[empty] = np.zeros(0)

    with pytest.raises(DataError, match=r"no row to make a profile of|holds no value"):
        psi(*samples)


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abcd"), min_size=1))
def test_categorical_psi_is_symmetric(one: list[str], other: list[str]) -> None:
    """Which sample is the reference does not matter where no bins are cut."""
    here, there = pd.Series(one, dtype="object"), pd.Series(other, dtype="object")

    assert categorical_psi(here, there) == pytest.approx(categorical_psi(there, here))


def test_categorical_psi_sees_new_categories_and_missing_values() -> None:
    """A tenth of the rows in a category that never was, or without one, is beyond 0.2."""
    reference = pd.Series(["EWR", "JFK"] * 500, dtype="object")
    new, missing = reference.copy(), reference.copy()
    new[::10], missing[::10] = "SWF", None

    assert categorical_psi(reference, reference) == 0
    assert categorical_psi(reference, new) > 0.2
    assert categorical_psi(reference, missing) > 0.2


def test_beyond_is_what_the_reference_never_covered() -> None:
    """One outlier of the reference hides nothing, and a missing value is not beyond."""
    reference = pd.DataFrame({"x": np.append(normal(), 1048.0)})
    current = pd.DataFrame({"x": [0.0, 30.0, -30.0, np.nan]})

    assert drift_of(reference, current).novelty == 0.5


def two_features(shift: float) -> pd.DataFrame:
    """A feature that stays, a feature that moves and a category."""
    return pd.DataFrame(
        {
            "still": normal(seed=3),
            "mover": normal(shift, seed=4),
            "place": np.resize(np.array(["x", "y"], dtype=object), 4000),
        }
    )


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_severity_is_the_capped_index_weighted_by_importance(
    weight: float, expected: float
) -> None:
    """A huge move of a feature that the model does not use is not severe."""
    importances = {"mover": weight, "still": 1 - weight, "place": -0.1}

    drift = drift_of(two_features(0.0), two_features(9.0), ["place"], importances)

    assert drift.features["mover"].psi > 1
    assert drift.severity == pytest.approx(expected, abs=0.01)


def test_features_without_any_importance_count_alike() -> None:
    """Importances that are all zero say nothing: one of three features moved."""
    drift = drift_of(two_features(0.0), two_features(9.0), ["place"], {})

    assert drift.severity == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.0), (20.0, 1.0)])
def test_novelty_is_the_share_of_rows_beyond_the_reference(shift: float, expected: float) -> None:
    """Two samples of one world share their range; a far shift leaves it."""
    drift = drift_of(two_features(0.0), two_features(shift), ["place"], {})

    assert drift.novelty == pytest.approx(expected, abs=0.03)


def test_a_season_that_returns_moves_but_is_not_novel() -> None:
    """A year learned, a summer seen: large PSI, nothing beyond."""
    days = np.arange(365 * 20)
    year = 10 - 12 * np.cos(2 * np.pi * days / 365) + normal(rows=len(days))
    frame = pd.DataFrame({"temperature": year})
    summer = frame[(days % 365 > 180) & (days % 365 < 210)]

    drift = drift_of(frame, summer, [], {})

    assert drift.features["temperature"].psi > 1
    assert drift.novelty < 0.1


def test_sample_is_the_same_for_the_same_seed_and_keeps_the_order() -> None:
    """The reference of a verdict does not change between two runs."""
    frame = pd.DataFrame({"n": range(100)})

    one, again, other = sample(frame, 10, 1), sample(frame, 10, 1), sample(frame, 10, 2)

    assert one.equals(again)
    assert not one.equals(other)
    assert one["n"].is_monotonic_increasing
    assert len(sample(frame, 1000, 1)) == 100

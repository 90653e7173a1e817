"""Statistics of drift: properties, and parity with SciPy where it has the statistic."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.special import rel_entr

from infra.errors import DataError
from tasks.monitoring.drift import compare, sample
from tasks.monitoring.statistics import Array, beyond, categorical_psi, ks, new_category, psi

NUMBERS = st.integers(-50, 50).map(float)
SAMPLES = arrays(np.float64, st.integers(1, 80), elements=NUMBERS | st.just(float("nan")))


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


def test_psi_is_the_symmetrised_divergence_of_the_decile_shares() -> None:
    """Against SciPy's relative entropy of the same shares, in both directions."""
    reference, current = normal(), normal(0.4, seed=2)
    edges = np.quantile(reference, np.linspace(0.1, 0.9, 9))
    before, after = (
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=10) / len(values)
        for values in (reference, current)
    )

    index = psi(reference, current)

    expected = rel_entr(before, after).sum() + rel_entr(after, before).sum()
    assert index == pytest.approx(expected, abs=1e-12)


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

    with pytest.raises(DataError, match="Two samples are compared"):
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


@settings(max_examples=25)
@given(
    arrays(np.float64, st.integers(8, 50), elements=NUMBERS),
    arrays(np.float64, st.integers(8, 50), elements=NUMBERS),
)
def test_ks_is_scipys_distance(reference: Array, current: Array) -> None:
    """To twelve digits, ties included."""
    distance = stats.ks_2samp(reference, current, method="asymp").statistic

    assert ks(reference, current) == pytest.approx(distance, abs=1e-12)


def test_ks_leaves_missing_values_out() -> None:
    """They are told by their share; the distance is of what is known."""
    values = normal(rows=100)

    assert ks(values, np.append(values, np.nan)) == 0


def test_beyond_is_what_the_reference_never_covered() -> None:
    """One outlier of the reference hides nothing, and a missing value is not beyond."""
    reference = np.append(normal(), 1048.0)
    current = np.array([0.0, 30.0, -30.0, np.nan])

    found = beyond(reference, current, tail=0.001)

    assert found.tolist() == [False, True, True, False]


def test_every_number_is_beyond_a_reference_that_held_none() -> None:
    """A feature that was always missing and now has values is new."""
    found = beyond(np.full(3, np.nan), np.array([1.0, np.nan]), tail=0.01)

    assert found.tolist() == [True, False]


def test_a_missing_category_is_not_a_new_one() -> None:
    """Its share is the data's quality, not novelty."""
    found = new_category(pd.Series(["a", "b"]), pd.Series(["a", None, "c"], dtype="object"))

    assert found.tolist() == [False, False, True]


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

    drift = compare(two_features(0.0), two_features(9.0), ["place"], importances)

    assert drift.features["mover"].psi > 1
    assert drift.severity == pytest.approx(expected, abs=0.01)


def test_features_without_any_importance_count_alike() -> None:
    """Importances that are all zero say nothing: one of three features moved."""
    drift = compare(two_features(0.0), two_features(9.0), ["place"], {})

    assert drift.severity == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.0), (20.0, 1.0)])
def test_novelty_is_the_share_of_rows_beyond_the_reference(shift: float, expected: float) -> None:
    """Two samples of one world share their range; a far shift leaves it."""
    drift = compare(two_features(0.0), two_features(shift), ["place"], {})

    assert drift.novelty == pytest.approx(expected, abs=0.03)


def test_a_season_that_returns_moves_but_is_not_novel() -> None:
    """A year learned, a summer seen: large PSI, nothing beyond."""
    days = np.arange(365 * 20)
    year = 10 - 12 * np.cos(2 * np.pi * days / 365) + normal(rows=len(days))
    frame = pd.DataFrame({"temperature": year})
    summer = frame[(days % 365 > 180) & (days % 365 < 210)]

    drift = compare(frame, summer, [], {})

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

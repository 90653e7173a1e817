"""Shifts that are known: each does what it says, to the rows that it names, and nothing else."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.data.spec import LabelSpec
from tasks.verification.rates import Rate
from tasks.verification.shifts import (
    NEW_SEGMENT,
    delayed,
    emptied,
    flipped,
    in_unit,
    interrupted,
    moved,
    silenced,
    swapped,
    thinned,
    widened,
    with_segment,
)
from tasks.verification.spec import SIZES, ContinuousSpec, ShiftKind

BINARY = LabelSpec(name="late", kind="binary")


@pytest.fixture
def rows() -> pd.DataFrame:
    """Twenty rows of numbers, categories and labels, none of them missing."""
    return pd.DataFrame(
        {
            "x": np.arange(20, dtype="float64"),
            "count": pd.array(range(20), dtype="Int64"),
            "place": pd.Series(["hill"] * 10 + ["dale"] * 6 + ["moor"] * 4, dtype="str"),
            "late": pd.array([0, 1] * 10, dtype="Int64"),
        }
    )


def test_a_mean_moves_by_deviations_and_a_gap_stays_one(rows: pd.DataFrame) -> None:
    """Two deviations of three are six; a value that is missing is missing still."""
    rows.loc[0, "x"] = np.nan

    found = moved(rows, {"x": 3.0}, 2.0)

    assert found["x"].iloc[1:].tolist() == [value + 6 for value in range(1, 20)]
    assert np.isnan(found["x"].iloc[0])
    assert found.drop(columns="x").equals(rows.drop(columns="x"))


def test_a_variance_grows_around_the_mean(rows: pd.DataFrame) -> None:
    """The mean stays, the deviation is three times as large."""
    found = widened(rows, {"x": rows["x"].mean()}, 3.0)

    assert found["x"].mean() == pytest.approx(rows["x"].mean())
    assert found["x"].std() == pytest.approx(3 * rows["x"].std())


def test_a_new_segment_has_a_category_that_nobody_saw(rows: pd.DataFrame) -> None:
    """A quarter of the rows, the same ones for the same seed; numbers stay."""
    one, same = (with_segment(rows, ["place"], {"x": 99.0}, 0.25, seed=1) for _ in range(2))

    assert (one["place"] == NEW_SEGMENT).sum() == 5
    assert one["x"].equals(rows["x"])
    assert one.equals(same)


def test_a_new_segment_of_numbers_alone_lies_beyond_all(rows: pd.DataFrame) -> None:
    """A model without categories meets rows that lie where none lay."""
    found = with_segment(rows, [], {"x": 99.0}, 0.5, seed=1)

    assert (found["x"] == 99.0).sum() == 10


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("binary", [0, 1], [1, 0]),
        ("multiclass", ["a", "b"], ["b", "a"]),
        ("regression", [1.0, 3.0], [3.0, 1.0]),
    ],
)
def test_every_label_flips_in_its_own_way(
    kind: str, before: list[object], after: list[object]
) -> None:
    """The other one, the next class, or the value on the other side of the mean."""
    frame = pd.DataFrame({"late": before})

    found = flipped(frame, LabelSpec.model_validate({"name": "late", "kind": kind}), 1.0, seed=1)

    assert found["late"].tolist() == after


def test_a_share_of_the_labels_flips(rows: pd.DataFrame) -> None:
    """One label in ten, and no more."""
    found = flipped(rows, BINARY, 0.1, seed=1)

    assert (found["late"] != rows["late"]).sum() == 2


def test_categories_are_exchanged_in_pairs_in_the_last_rows(rows: pd.DataFrame) -> None:
    """The first two change places; the third, which has no partner, stays."""
    found = swapped(rows, "place", 0.5)

    assert found["place"].iloc[:10].tolist() == ["hill"] * 10
    assert found["place"].iloc[10:].tolist() == ["hill"] * 6 + ["moor"] * 4


def test_a_unit_changes_in_the_last_rows_and_whole_numbers_stay_whole(rows: pd.DataFrame) -> None:
    """A column of counts must still be one that the contract can read."""
    found = in_unit(rows, "count", 1.609344, 0.1)

    assert found["count"].tolist()[:18] == list(range(18))
    assert found["count"].tolist()[18:] == [29, 31]
    assert found["count"].dtype == rows["count"].dtype


def test_a_block_loses_its_values(rows: pd.DataFrame) -> None:
    """The last quarter is empty, the rest as it was."""
    found = emptied(rows, "x", 0.25)

    assert found["x"].isna().tolist() == [False] * 15 + [True] * 5


@pytest.mark.parametrize(("share", "left"), [(0.05, 19), (0.5, 10), (1.0, 0)])
def test_silence_leaves_the_rows_before_it(rows: pd.DataFrame, share: float, left: int) -> None:
    """What did not come is the end of the window; all of it where the share is one."""
    assert silenced(rows, share).equals(rows.head(left))


def test_predictions_are_missing_here_and_there_or_at_a_stretch(rows: pd.DataFrame) -> None:
    """Both lose a quarter of them; only one of the two leaves a hole."""
    some, same = (thinned(rows, 0.25, seed=1) for _ in range(2))
    stretch = interrupted(rows, 0.25)

    assert len(some) == len(stretch) == 15
    assert some.equals(same)
    assert stretch.index.tolist() == [*range(7), *range(12, 20)]
    assert interrupted(rows, 1.0).empty


def test_late_predictions_are_the_last_ones(rows: pd.DataFrame) -> None:
    """They are made all the same, an hour later than the others."""
    made = rows.assign(made=pd.Timestamp("2024-01-01", tz="UTC"))

    found = delayed(made, "made", timedelta(hours=1), 0.1)

    assert (found["made"] - made["made"]).tolist()[-3:] == [
        timedelta(0),
        timedelta(hours=1),
        timedelta(hours=1),
    ]


def test_sizes_grow_and_the_last_is_gross() -> None:
    """Each kind has a size of its own scale."""
    assert set(SIZES) == set(ShiftKind)
    assert all(list(sizes) == sorted(set(sizes)) for sizes in SIZES.values())


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"sizes": {"flip": [0.5, 0.1]}}, "must be above zero and grow"),
        ({"sizes": {"flip": [0.5, 1.5]}}, "shares of the rows"),
        ({"retrains": ["flip"], "without": ["flip"]}, "left out, but must lead"),
        ({"retrains": ["unit"]}, "fault of the feed"),
        ({"retrains": ["outage"]}, "fault of the predictions"),
        ({"without": [kind.value for kind in ShiftKind], "retrains": []}, "every kind is left out"),
        ({"max_false_alarms": -1}, "greater than or equal to 0"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    section: dict[str, object], told: str
) -> None:
    """It is found when the file is read, before anything is tried."""
    with pytest.raises(ValidationError, match=told):
        ContinuousSpec.model_validate(section)


def test_a_rate_says_what_its_years_leave_open() -> None:
    """No alarm in three years still allows one a year; with more years it allows less."""
    assert Rate(0, 3.0).at_most() == pytest.approx(0.9986, abs=1e-4)
    assert Rate(0, 10.0).at_most() < Rate(0, 3.0).at_most() < Rate(1, 3.0).at_most()
    assert Rate(6, 3.0).a_month == pytest.approx(1 / 6)
    assert Rate(0, 0.0).at_most() == float("inf")

"""A builder is held to what it must hand over."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra.errors import ConfigError, DataError
from tasks.data.spec import LabelSpec
from tasks.features.contract import checked
from tasks.features.spec import FeatureSpec

SPEC = FeatureSpec(key=("id",), columns=("temp", "carrier"), categorical=("carrier",))
FIRST_UNKNOWN = pd.Series([pd.NaT, pd.Timestamp("2013-01-01T10:00Z")])
LABEL = LabelSpec(name="late", kind="binary")


def rows(**changes: Any) -> pd.DataFrame:  # noqa: ANN401 - whatever a builder may hand over
    """Two good rows, some of whose columns are changed."""
    when = pd.to_datetime(["2013-01-02T10:00Z", "2013-01-01T10:00Z"])
    frame = pd.DataFrame(
        {
            "id": [2, 1],
            "event_time": when,
            "prediction_time": when - pd.Timedelta(hours=2),
            "label_time": when + pd.Timedelta(hours=3),
            "late": [1, 0],
            "temp": [30, 31],
            "carrier": ["UA", None],
        }
    )
    return frame.assign(**changes)


def test_good_rows_come_out_sorted_typed_and_without_extra_columns() -> None:
    """Numbers are float64, categories text, instants microseconds in UTC."""
    found = checked(rows(extra=1), SPEC, LABEL, "2013-01")

    assert found["id"].tolist() == [1, 2]
    assert "extra" not in found
    assert found.dtypes.astype(str).to_dict() == {
        "id": "int64",
        "event_time": "datetime64[us, UTC]",
        "prediction_time": "datetime64[us, UTC]",
        "label_time": "datetime64[us, UTC]",
        "late": "Int64",
        "temp": "float64",
        "carrier": "str",
    }
    assert found["carrier"].isna().tolist() == [True, False]


@pytest.mark.parametrize("column", ["id", "event_time", "label_time", "late", "temp", "carrier"])
def test_a_missing_column_is_named(column: str) -> None:
    """Key, times, label and features are all declared."""
    with pytest.raises(ConfigError, match=f"leaves out {column}"):
        checked(rows().drop(columns=column), SPEC, LABEL, "2013-01")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temp": ["30", "31"]}, "gives temp as str"),
        ({"carrier": [1, 2]}, "gives carrier, which is categorical, as int"),
        ({"carrier": [{"a": 1}, None]}, "categorical, as dict"),
        ({"late": [1, 2]}, "gives 2 for late"),
        ({"late": ["yes", "no"]}, "gives the label late as str"),
        ({"event_time": pd.to_datetime(["2013-01-02", "2013-01-01"])}, "not as instants in UTC"),
        ({"prediction_time": pd.Timestamp("2014-01-01", tz="UTC")}, "2 rows after their event"),
    ],
)
def test_a_builders_mistake_is_a_config_error(changes: dict[str, Any], message: str) -> None:
    """The one who wrote the builder must mend it."""
    with pytest.raises(ConfigError, match=message):
        checked(rows(**changes), SPEC, LABEL, "2013-01")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": [1, 1]}, "1 of 2 rows of 2013-01 repeat a key of id: 1"),
        ({"temp": [np.inf, 1.0]}, "temp is infinite in 1 rows"),
        ({"event_time": FIRST_UNKNOWN}, "1 rows of 2013-01 lack"),
        ({"late": pd.array([None, 1], dtype="Int64")}, "a label_time but no late"),
    ],
)
def test_rows_that_cannot_be_used_are_a_data_error(changes: dict[str, Any], message: str) -> None:
    """The one who owns the data must mend them."""
    with pytest.raises(DataError, match=message):
        checked(rows(**changes), SPEC, LABEL, "2013-01")


def test_a_builder_that_returns_no_frame_is_told_so() -> None:
    """Nothing is asked of what is no frame."""
    with pytest.raises(ConfigError, match="returns a NoneType"):
        checked(None, SPEC, LABEL, "2013-01")


def test_classes_travel_as_text_whatever_they_were() -> None:
    """1, 1.0 and "1" are one class, also in a window where a label is missing."""
    label = LabelSpec(name="late", kind="multiclass")
    gap = {"label_time": FIRST_UNKNOWN}

    whole = checked(rows(late=[2, 1]), SPEC, label, "2013-01")
    holed = checked(rows(late=[np.nan, 1.0], **gap), SPEC, label, "2013-01")

    assert whole["late"].tolist() == ["1", "2"]
    assert holed["late"].iloc[0] == "1"
    assert holed["late"].isna().tolist() == [False, True]


def test_a_window_without_rows_is_well_formed() -> None:
    """A quiet day is no fault."""
    assert checked(rows().iloc[:0], SPEC, LABEL, "2013-01").empty

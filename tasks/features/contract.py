"""What a builder must hand over: every declared column, of a kind that a trainer can read."""

from typing import Literal

import numpy as np
import pandas as pd

from infra.errors import ConfigError, DataError, few
from tasks.data.spec import LabelSpec
from tasks.features.spec import FeatureSpec

EVENT_TIME, PREDICTION_TIME, LABEL_TIME = TIMES = ("event_time", "prediction_time", "label_time")

Kind = Literal["binary", "multiclass", "regression"]


def checked(frame: object, features: FeatureSpec, label: LabelSpec, window: str) -> pd.DataFrame:
    """A builder's rows in the form that every stage reads, sorted by key.

    Returns:
        Key, times (UTC), label and features; numbers as float64, categories as strings.

    Raises:
        ConfigError: the builder leaves out a column, hands over one of the wrong type, or
            predicts a row after its event.
        DataError: keys come twice, times or known labels are missing, or numbers are infinite.
    """
    if not isinstance(frame, pd.DataFrame):
        raise _builder_error(features, window, f"returns a {type(frame).__name__}, no DataFrame")
    columns = list(dict.fromkeys([*features.key, *TIMES, label.name, *features.columns]))
    missing = [column for column in columns if column not in frame]
    if missing:
        raise _builder_error(features, window, f"leaves out {few(missing)}")
    rows = frame[columns].copy()
    for column in TIMES:
        rows[column] = _instants(rows[column], features, window)
    for column in features.columns:
        rows[column] = _feature(rows[column], features, window)
    rows[label.name] = _answers(rows[label.name], label.kind, features, window)
    _hold_times(rows, features, label, window)
    _hold_keys(rows, features, window)
    return rows.sort_values(list(features.key), ignore_index=True)


def _instants(times: pd.Series, features: FeatureSpec, window: str) -> pd.Series:
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise _builder_error(
            features, window, f"gives {times.name} as {times.dtype}, not as instants in UTC"
        )
    return times.astype("datetime64[us, UTC]")


def _feature(values: pd.Series, features: FeatureSpec, window: str) -> pd.Series:
    if values.name in features.categorical:
        return _texts(values, features, window)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise _builder_error(
            features,
            window,
            f"gives {values.name} as {values.dtype}; make it a number, or declare it categorical",
        )
    numbers = values.astype("float64")
    if np.isinf(numbers.to_numpy()).any():
        raise DataError(
            f"{values.name} is infinite in {int(np.isinf(numbers.to_numpy()).sum()):,} rows of "
            f"{window}.",
            column=values.name,
        )
    return numbers


def _texts(values: pd.Series, features: FeatureSpec, window: str) -> pd.Series:
    plain = values.astype("object") if isinstance(values.dtype, pd.CategoricalDtype) else values
    if plain.dtype == "str":
        return plain
    strange = {type(value).__name__ for value in plain.dropna() if not isinstance(value, str)}
    if strange:
        raise _builder_error(
            features, window, f"gives {values.name}, which is categorical, as {few(strange)}"
        )
    return plain.astype("str")


def _answers(values: pd.Series, kind: Kind, features: FeatureSpec, window: str) -> pd.Series:
    """Labels as every stage reads them: 0 and 1, names of classes, or numbers."""
    if kind == "multiclass":
        if pd.api.types.is_numeric_dtype(values.dtype):
            values = values.astype("Int64")
        return values.astype("str").where(values.notna(), None)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        raise _builder_error(features, window, f"gives the label {values.name} as {values.dtype}")
    if kind == "regression":
        return values.astype("float64")
    others = [value for value in values.dropna().unique() if value not in {0, 1}]
    if others:
        raise _builder_error(
            features, window, f"gives {few(others)} for {values.name}, which is 0 or 1"
        )
    return values.astype("Int64")


def _hold_times(rows: pd.DataFrame, features: FeatureSpec, label: LabelSpec, window: str) -> None:
    for column in (EVENT_TIME, PREDICTION_TIME):
        if rows[column].isna().any():
            raise DataError(f"{int(rows[column].isna().sum()):,} rows of {window} lack {column}.")
    late = rows[PREDICTION_TIME] > rows[EVENT_TIME]
    if late.any():
        raise _builder_error(
            features, window, f"predicts {int(late.sum()):,} rows after their event"
        )
    silent = rows[LABEL_TIME].notna() & rows[label.name].isna()
    if silent.any():
        raise DataError(
            f"{int(silent.sum()):,} rows of {window} have a label_time but no {label.name}.",
            hint="Leave label_time empty where the label is not known yet.",
        )


def _hold_keys(rows: pd.DataFrame, features: FeatureSpec, window: str) -> None:
    twice = rows.duplicated(list(features.key))
    if twice.any():
        examples = rows.loc[twice, list(features.key)].astype("str").agg("/".join, axis=1)
        raise DataError(
            f"{int(twice.sum()):,} of {len(rows):,} rows of {window} repeat a key of "
            f"{'/'.join(features.key)}: {few(examples.tolist())}.",
        )


def _builder_error(features: FeatureSpec, window: str, what: str) -> ConfigError:
    return ConfigError(f"{features.builder} {what}, in {window}.", window=window)

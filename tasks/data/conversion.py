"""Cells into values of the declared types: what does not fit is named, never bent."""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.data.spec import ColumnType

_INT: Final = r"^[+-]?[0-9]{1,18}(\.0+)?$"
_FLOAT: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_INSTANT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
)
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_FIRST: Final = pd.Timestamp("0001-01-01", tz="UTC").as_unit("us")
_LAST: Final = pd.Timestamp("9999-12-31T23:59:59.999999", tz="UTC").as_unit("us")
"""The instants that Python, Delta and every database know; years beyond them are no times."""

_BOOLS: Final = {"true": True, "false": False, "1": True, "0": False}

DTYPES: Final[dict[ColumnType, str]] = {
    "int": "Int64",
    "float": "float64",
    "string": "str",
    "bool": "boolean",
    "timestamp": "datetime64[us, UTC]",
    "date": "object",
}
"""How pandas holds each declared type, whatever the file was: digests depend on it."""

UNIT_SHARE: Final = 0.5
"""Share of decimals among whole numbers from which the unit, and not the row, is in doubt."""


@dataclass(frozen=True)
class Converted:
    """A column of the declared type; `bad` marks cells that did not fit and are null now."""

    cells: "pd.Series[Any]"
    bad: "pd.Series[bool]"
    decimals: float = 0.0
    """Share of the cells that hold decimals where whole numbers are declared."""


def convert(texts: pa.Array, kind: ColumnType, index: "pd.Index[int]") -> Converted:
    """A column of text as values of a declared type, shape (n_rows,).

    Where more than half of the cells of an ``int`` column are decimals, all of it is given back as
    floats, with that share: the unit has changed, and rounding would hide it.
    """
    if kind == "string":
        values = pd.Series(texts.to_pandas().to_numpy(), index=index, dtype="str")
        return Converted(values, pd.Series(data=False, index=index))
    if kind in {"int", "float"}:
        return _numbers(texts, kind, index)
    series = pd.Series(texts.to_pandas().to_numpy(), index=index, dtype="str")
    if kind == "bool":
        values = series.str.lower().map(_BOOLS).astype("boolean")
    else:
        values = _times(series, texts, kind)
    return Converted(values, values.isna() & series.notna())


def _numbers(texts: pa.Array, kind: ColumnType, index: "pd.Index[int]") -> Converted:
    filled = pc.is_valid(texts)
    real = pc.fill_null(pc.match_substring_regex(texts, _FLOAT), False)
    if kind == "int":
        fits = pc.fill_null(pc.match_substring_regex(texts, _INT), False)
        cells = pc.sum(filled).as_py() or 0
        decimals = (pc.sum(pc.and_not(real, fits)).as_py() or 0) / cells if cells else 0.0
        if decimals <= UNIT_SHARE:
            return Converted(_ints(texts, fits, index), _mask(filled, fits, index), decimals)
    else:
        decimals = 0.0
    # Losing the plus of an exponent together with that of the sign changes no value.
    clean = pc.replace_substring(pc.if_else(real, texts, None), "+", "", max_replacements=1)
    floats = pc.cast(clean, pa.float64())
    real = pc.and_(real, pc.fill_null(pc.is_finite(floats), False))
    floats = pc.if_else(real, floats, None)
    values = pd.Series(floats.to_pandas().to_numpy(), index=index, dtype="float64")
    return Converted(values, _mask(filled, real, index), decimals)


def _ints(texts: pa.Array, fits: pa.Array, index: "pd.Index[int]") -> "pd.Series[Any]":
    whole = pc.replace_substring_regex(pc.if_else(fits, texts, None), r"^\+|\.0+$", "")
    numbers = pc.cast(whole, pa.int64())
    return pd.Series(
        numbers.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get).array, index=index
    )


def _mask(filled: pa.Array, fits: pa.Array, index: "pd.Index[int]") -> "pd.Series[bool]":
    return pd.Series(pc.and_not(filled, fits).to_numpy(zero_copy_only=False), index=index)


def _times(series: "pd.Series[Any]", texts: pa.Array, kind: ColumnType) -> "pd.Series[Any]":
    pattern = _INSTANT if kind == "timestamp" else _DATE
    fits = pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(
        zero_copy_only=False
    )
    distinct = series[fits].drop_duplicates()
    parsed = pd.to_datetime(distinct, format="ISO8601", utc=True, errors="coerce")
    known = dict(zip(distinct, _within(parsed.dt.as_unit("us")), strict=True))
    instants = series.where(fits).map(known)
    instants = pd.to_datetime(instants, utc=True).astype("datetime64[us, UTC]")
    return instants if kind == "timestamp" else dates(instants)


def _within(instants: "pd.Series[Any]") -> "pd.Series[Any]":
    """Instants of the years 1 to 9999; none where they lie outside."""
    return instants.where((instants >= _FIRST) & (instants <= _LAST))


def dates(instants: "pd.Series[Any]") -> "pd.Series[Any]":
    """Days without time; None where there is none."""
    days: pd.Series[Any] = instants.dt.date.astype("object")
    return days.where(instants.notna(), None)

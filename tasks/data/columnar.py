"""Parquet: its physical types are held against the declared ones before a row is believed."""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from infra.errors import DataError, few
from tasks.data.batch import plain
from tasks.data.conversion import UNIT_SHARE, Converted, convert, dates
from tasks.data.spec import ColumnType, TableSpec

_MOST_CELLS: Final = 2_000_000_000
_DAY: Final = 86_400
_SECONDS: Final = (-719_162 * _DAY, 2_932_897 * _DAY)
"""1 January of the year 1 and of the year 10000, in seconds from 1970: as `conversion` has it."""

_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INT64: Final = 2**63


@dataclass(frozen=True)
class Column:
    """A column of a Parquet file as the declared type, or why it cannot be one."""

    converted: Converted | None
    why: str = ""


def read_parquet(data: bytes, where: "pc.Expression | None", spec: TableSpec) -> pa.Table:
    """The rows of a Parquet file that meet a condition; all of them where it names nothing there.

    Raises:
        DataError: the bytes are no intact Parquet file.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        if file.metadata.num_rows * max(file.metadata.num_columns, 1) > _MOST_CELLS:
            raise DataError(f"The Parquet file says that it has {file.metadata.num_rows} rows.")
        names = _once(file.schema_arrow.names)
        condition = where if where is not None and set(spec.calendar) <= names else None
        table = pq.read_table(
            pa.BufferReader(data), filters=condition, page_checksum_verification=True
        )
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"The Parquet file cannot be read: {plain(error)}.") from error
    return table.replace_schema_metadata(None)  # what pandas once noted there may be damaged too


def _once(listed: list[str]) -> set[str]:
    names = set(listed)
    if len(names) != len(listed):
        twice = sorted(name for name in names if listed.count(name) > 1)
        raise DataError(
            f"The Parquet file has columns of one name: {few([plain(n) for n in twice])}."
        )
    return names


def column_of(values: pa.ChunkedArray, kind: ColumnType, index: "pd.Index[int]") -> Column:
    """A column as values of the declared type, if its physical type allows that without loss."""
    array = _flat(values)
    physical = array.type
    if pa.types.is_null(physical):
        return Column(convert(pa.nulls(len(array), pa.string()), kind, index))
    allowed = _READERS[kind](array, index)
    if allowed is None:
        zone = " with a time zone" if kind == "timestamp" else ""
        return Column(None, f"is {physical} in the file, where {kind}{zone} is declared")
    return Column(allowed)


def shown(rows: pa.Table, index: "pd.Index[int]") -> pd.DataFrame:
    """Rows as they were delivered, for people; days and instants as text, whatever their year."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_temporal(field.type):
            text = pc.cast(rows.column(position), pa.string())
            rows = rows.set_column(position, field.name, text)
    frame: pd.DataFrame = rows.to_pandas()
    return frame.set_index(index)


def _flat(values: pa.ChunkedArray) -> pa.Array:
    array = values.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def _texts(array: pa.Array) -> pa.Array | None:
    kind = array.type
    if not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    ):
        return None
    texts = pc.cast(array, pa.string())
    return pc.if_else(pc.equal(texts, ""), None, texts)  # CSV cannot tell the two apart


def _good(values: "pd.Series[Any]", decimals: float = 0.0) -> Converted:
    return Converted(values, pd.Series(data=False, index=values.index), decimals)


def _int(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    if pa.types.is_floating(array.type):
        return _whole(array, index)
    if not pa.types.is_integer(array.type):
        return None
    numbers = pc.cast(array, pa.int64())
    mapped = numbers.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return _good(pd.Series(mapped.array, index=index))


def _whole(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    """Whole numbers that a writer kept as floats because some were missing; else a wrong type."""
    floats = pd.Series(pc.cast(array, pa.float64()).to_pandas().to_numpy(), index=index)
    cells = floats.notna()
    decimals = float((floats[cells] % 1 != 0).mean()) if cells.any() else 0.0
    if decimals > UNIT_SHARE:
        return _good(floats, decimals)
    if decimals > 0 or cells.all():
        return None
    return _good(floats.round().astype("Int64"))


def _float(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
        return None
    floats = pd.Series(pc.cast(array, pa.float64(), safe=False).to_pandas().to_numpy(), index=index)
    infinite = floats.abs() == float("inf")
    return Converted(floats.astype("float64").mask(infinite), infinite)


def _string(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    texts = _texts(array)
    return None if texts is None else convert(texts, "string", index)


def _bool(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    if not pa.types.is_boolean(array.type):
        return None
    return _good(pd.Series(array.to_pandas().to_numpy(), index=index).astype("boolean"))


def _timestamp(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    texts = _texts(array)
    if texts is not None:
        return convert(texts, "timestamp", index)
    if not pa.types.is_timestamp(array.type) or array.type.tz is None:
        return None
    least, most = (bound * _UNITS[array.type.unit] for bound in _SECONDS)
    numbers = pc.cast(array, pa.int64())
    inside = _between(numbers, least, most)
    kept = pc.cast(pc.if_else(inside, numbers, None), pa.timestamp(array.type.unit, tz="UTC"))
    instants = pc.cast(kept, pa.timestamp("us", tz="UTC"), safe=False)
    return _timely(pd.Series(instants.to_pandas().array, index=index), array)


def _date(array: pa.Array, index: "pd.Index[int]") -> Converted | None:
    texts = _texts(array)
    if texts is not None:
        return convert(texts, "date", index)
    if not pa.types.is_date(array.type):
        return None
    days = pc.cast(pc.cast(array, pa.date32()), pa.int32())
    least, most = (bound // _DAY for bound in _SECONDS)
    kept = pc.cast(pc.if_else(_between(days, least, most), days, None), pa.date32())
    instants = pc.cast(pc.cast(kept, pa.timestamp("us")), pa.timestamp("us", tz="UTC"))
    found = _timely(pd.Series(instants.to_pandas().array, index=index), array)
    return Converted(dates(found.cells), found.bad)


def _between(numbers: pa.Array, least: int, most: int) -> pa.Array:
    """Which numbers a range holds; all of them, where the range holds more than their type."""
    if abs(least) >= _INT64:
        return pc.is_valid(numbers)
    return pc.and_(pc.greater_equal(numbers, least), pc.less(numbers, most))


def _timely(cells: "pd.Series[Any]", array: pa.Array) -> Converted:
    """Instants; those that were there and lie in no year from 1 to 9999 are bad."""
    given = pd.Series(pc.is_valid(array).to_numpy(zero_copy_only=False), index=cells.index)
    return Converted(cells, cells.isna() & given)


_READERS: Final = {
    "int": _int,
    "float": _float,
    "string": _string,
    "bool": _bool,
    "timestamp": _timestamp,
    "date": _date,
}

"""The file that a new model starts from, as a table of columns that a declaration can name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from deployments.new.dialect import Dialect, Written, recognised
from infra.errors import ConfigError, DataError, few
from infra.files import read_file
from tasks.data.formats import unpack
from tasks.data.spec import CsvSpec


def read_table(file: Written) -> tuple[pa.Table, CsvSpec]:
    """The rows of a CSV or Parquet file; instants in UTC, empty text as no value.

    What the file is, is told by its bytes, as `ingest` tells it of a delivery.

    Args:
        file: where it is, and what the user said of how its text is written.

    Returns:
        The rows, and how the file's text is written.

    Raises:
        ConfigError: it is of a kind that no model can be begun from.
        DataError: it cannot be read, has no rows, or names a column twice.
    """
    path = file.path
    payload = unpack(read_file(path))
    if payload.kind == "jsonl":
        raise ConfigError(
            f"{path} holds JSON Lines, neither CSV nor Parquet.",
            hint="Write it as CSV or Parquet; once the model is declared, JSON Lines are read too.",
        )
    try:
        table, written = (
            (_parquet(payload.data), CsvSpec())
            if payload.kind == "parquet"
            else _csv(payload.data, path, file.dialect)
        )
    except pa.ArrowException as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}.") from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not table.num_rows or "" in names:
        what = f"names {few(twice)} twice" if twice else "has no rows, or a column without a name"
        raise DataError(f"{path} {what}.", hint="Correct the file and run the command again.")
    return pa.table({name: _plain(table[name], name) for name in names}), written


def _parquet(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def _csv(data: bytes, path: Path, asked: Dialect) -> tuple[pa.Table, CsvSpec]:
    try:
        text, found = recognised(data, asked)
    except DataError as error:
        raise DataError(f"{path}: {error.args[0]}", hint=error.advice) from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.args[0]}", hint=error.advice) from error
    table = csv.read_csv(
        pa.BufferReader(text.encode()),
        parse_options=csv.ParseOptions(delimiter=found.delimiter),
        convert_options=csv.ConvertOptions(decimal_point=found.decimal),
    )
    return table, found


def _plain(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as one of the six types of a declaration, or as null if it is empty."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _plain(values.cast(kind.value_type), name)
    for fits, target in _CASTS:
        if fits(kind):
            return _without_voids(values.cast(target))
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return values
    raise ConfigError(
        f"Column {name!r} holds {kind}, which no declaration can name.",
        hint="Leave it out of the file, or turn it into numbers, text, dates or instants.",
    )


_CASTS = (
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_string, pa.string()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_timestamp, pa.timestamp("us", "UTC")),
    (pa.types.is_date, pa.date32()),
)


def _without_voids(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without empty text and what is not a number, which mean no value; other types as they are."""
    if pa.types.is_string(values.type):
        void = pc.equal(values, "")
    elif pa.types.is_floating(values.type):
        void = pc.is_nan(values)
    else:
        return values
    return pc.if_else(void, pa.scalar(None, values.type), values)

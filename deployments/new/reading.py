"""The file that a new model starts from, as a table of columns that a declaration can name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from infra.errors import ConfigError, DataError, few


def read_file(path: Path) -> pa.Table:
    """The rows of a CSV or Parquet file; instants in UTC, empty text as no value.

    Raises:
        ConfigError: there is no such file, or it is neither CSV nor Parquet.
        DataError: it cannot be read, has no rows, or names a column twice.
    """
    readers = {".csv": _csv, ".parquet": pq.read_table}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise ConfigError(
            f"{path} is neither CSV nor Parquet.", hint="Give a file that ends in .csv or .parquet."
        )
    try:
        table = read(path)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {path}.") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}.") from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not table.num_rows or "" in names:
        what = f"names {few(twice)} twice" if twice else "has no rows, or a column without a name"
        raise DataError(f"{path} {what}.", hint="Correct the file and run the command again.")
    return pa.table({name: _plain(table[name], name) for name in names})


def _csv(path: Path) -> pa.Table:
    return csv.read_csv(path)


def _plain(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A column as one of the six types of a declaration, or as null if it is empty."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _plain(values.cast(kind.value_type), name)
    for fits, target in _CASTS:
        if fits(kind):
            return _without_blanks(values.cast(target))
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


def _without_blanks(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without its empty cells, which mean no value; other types as they are."""
    if not pa.types.is_string(values.type):
        return values
    blank = pc.equal(values, "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), values)

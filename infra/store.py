"""Tables and artifacts: Delta tables by window, files by content, under one URI."""

import errno
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from infra.errors import BackendError, ConfigError, DataError, PerennialError, ResourceError
from infra.halves import HALF, put_whole
from infra.settings import settings

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from fsspec import AbstractFileSystem

WINDOW, DIGEST = "_window", "_digest"
"""The partition columns of every Delta table of ours."""

_BATCH_ROWS = 131_072
"""Rows that are in memory at a time: enough that each costs no more than in a batch of millions."""


def uri(*parts: str) -> str:
    """The URI of something in the store."""
    return "/".join((settings().store_uri, *(part.strip("/") for part in parts)))


def exists(location: str) -> bool:
    """Whether a file, a folder or a Delta table is there."""
    filesystem, path = filesystem_of(location)
    found: bool = filesystem.exists(path)
    return found


def put_bytes(location: str, data: bytes) -> str:
    """Write a file so that it is there whole or not at all.

    Returns:
        The location.

    Raises:
        ResourceError: the disk is full.
        ConfigError: the place cannot be written to.
    """
    if "://" in location:
        filesystem, path = filesystem_of(location)
        filesystem.pipe_file(path, data)  # an object store shows whole objects only
        return location
    target = Path(location)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        put_whole(target, data)
    except OSError as error:
        raise disk_error(error, target) from error
    return location


def get_bytes(location: str) -> bytes:
    """What a file of the store holds.

    Raises:
        DataError: it is not there.
    """
    filesystem, path = filesystem_of(location)
    try:
        data: bytes = filesystem.cat_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{location} is gone.", hint="Run the flow that made it again.") from error
    return data


def filesystem_of(location: str) -> "tuple[AbstractFileSystem, str]":
    """What reaches a location, and the location's path there.

    Raises:
        ConfigError: its protocol is none, or the library for it is not installed.
    """
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{location} cannot be reached: {error}.") from error
    return filesystem, path


def listed(location: str) -> list[str]:
    """The files of a folder, sorted by name, all of them whole; none where there is no folder."""
    filesystem, path = filesystem_of(location)
    filesystem.invalidate_cache()  # object stores remember listings, and other processes write
    try:
        names = [
            str(found).rstrip("/").rpartition("/")[2] for found in filesystem.ls(path, detail=False)
        ]
    except FileNotFoundError:
        return []
    return [f"{location.rstrip('/')}/{name}" for name in sorted(names) if HALF not in name]


def local_path(location: str) -> Path:
    """A local copy of a file or folder: itself where the store is local, else fetched once."""
    if "://" not in location:
        return Path(location)
    target = settings().home / "cache" / hashlib.sha256(location.encode()).hexdigest()
    if not target.exists():
        filesystem, path = filesystem_of(location)
        half = target.with_suffix(".half")
        filesystem.get(path, str(half), recursive=True)
        half.replace(target)
    return target


def write_window(
    location: str, frame: "pd.DataFrame", window: str, digest: str, *, beside: bool = False
) -> int:
    """Put the rows of a window into a Delta table in place of those it had.

    Args:
        location: URI of the table, made if it is not there.
        frame: rows, shape (n_rows, n_columns).
        window: the window that the rows belong to.
        digest: what names the rows; the same digest again writes nothing.
        beside: keep rows of the window that bear other digests.

    Returns:
        The table's version that holds the rows.

    Raises:
        BackendError: other writers were faster every time.
        ResourceError: the disk is full.
    """
    import pyarrow as pa
    from deltalake.exceptions import CommitFailedError, DeltaError
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    rows = pa.Table.from_pandas(frame, preserve_index=False)
    rows = rows.append_column(WINDOW, pa.array([window] * len(rows), pa.string()))
    rows = rows.append_column(DIGEST, pa.array([digest] * len(rows), pa.string()))
    again = retry(
        retry=retry_if_exception_type(CommitFailedError),
        wait=wait_random_exponential(max=2),
        stop=stop_after_attempt(8),
        reraise=True,
    )
    try:
        version: int = again(_write)(location, rows, (window, digest), beside=beside)
    except (OSError, DeltaError) as error:
        raise _write_error(error, location) from error
    return version


def read_windows(
    location: str,
    version: int | None,
    windows: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    digest: str | None = None,
) -> "pd.DataFrame":
    """The rows of some windows of a Delta table, in the order they were written within a window.

    Args:
        location: URI of the table.
        version: the table's version; the newest if None.
        windows: names of windows.
        columns: the columns wanted; all but the partition columns if None.
        digest: only rows that bear this digest.

    Raises:
        DataError: there is no such table or version.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    wanted: list[tuple[str, str, Any]] = [(WINDOW, "in", list(windows))]
    if digest is not None:
        wanted.append((DIGEST, "=", digest))
    try:
        table = DeltaTable(location, version=version)
        names = [field.name for field in table.schema().fields]
        kept = list(columns) if columns is not None else [n for n in names if n not in _PARTITIONS]
        frame: pd.DataFrame = (
            table.to_pyarrow_dataset()
            .to_table(columns=kept, filter=_expression(wanted))
            .to_pandas()
        )
    except (TableNotFoundError, DeltaError, FileNotFoundError) as error:
        raise _no_table(location, version) from error
    return frame


def read_batches(
    location: str, version: int, window: str, digest: str, columns: Sequence[str]
) -> "Iterator[pa.RecordBatch]":
    """The rows of a window in batches, in the order they were written, few of them in memory.

    Args:
        location: URI of the table.
        version: the table's version.
        window: name of the window.
        digest: only rows that bear this digest.
        columns: the columns wanted.

    Raises:
        DataError: there is no such table or version, or a file of it is gone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    wanted = _expression([(WINDOW, "in", [window]), (DIGEST, "=", digest)])
    try:
        dataset = DeltaTable(location, version=version).to_pyarrow_dataset()
        for fragment in dataset.get_fragments(filter=wanted):
            with fragment.open() as opened, pq.ParquetFile(opened) as file:
                held = [name for name in columns if name in file.schema_arrow.names]
                for batch in file.iter_batches(_BATCH_ROWS, columns=held, use_threads=False):
                    for name in (each for each in columns if each not in held):
                        kind = dataset.schema.field(name).type  # declared after it was written
                        batch = batch.append_column(name, pa.nulls(len(batch), kind))  # noqa: PLW2901 - a batch with one column more
                    yield batch.select(list(columns))
    except (TableNotFoundError, DeltaError, FileNotFoundError) as error:
        raise _no_table(location, version) from error


def columns_of(location: str, version: int) -> set[str]:
    """The columns of a Delta table at a version; columns declared later are not among them."""
    from deltalake import DeltaTable

    return {field.name for field in DeltaTable(location, version=version).schema().fields}


def partitions(location: str) -> dict[str, set[str]]:
    """Which digests each window of a Delta table holds; empty if there is no table."""
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    held: dict[str, set[str]] = {}
    try:
        table = DeltaTable(location)
    except TableNotFoundError:
        return held
    for partition in table.partitions():
        held.setdefault(partition[WINDOW], set()).add(partition[DIGEST])
    return held


def current_version(location: str) -> int:
    """The newest version of a Delta table."""
    from deltalake import DeltaTable

    version: int = DeltaTable(location).version()
    return version


def content_digest(frame: "pd.DataFrame", key: Sequence[str]) -> str:
    """SHA-256 of rows that does not depend on the order of rows or columns.

    Args:
        frame: rows of the declared types, shape (n_rows, n_columns).
        key: columns that name a row.
    """
    import pyarrow as pa
    from pyarrow import csv

    ordered = frame[sorted(frame.columns)].sort_values(
        list(key), kind="stable", na_position="first"
    )
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.Table.from_pandas(ordered, preserve_index=False), sink)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*values: object) -> str:
    """SHA-256 of values in canonical JSON: sorted keys, UTC times, no spaces."""
    plain = to_jsonable_python([_plain(value) for value in values])
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def disk_error(error: OSError, place: Path | str) -> ResourceError | ConfigError:
    """What a failed write means: a full disk may be freed, a read-only one is a setting."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ResourceError(f"The disk of {place} is full.", hint="Free space and run again.")
    return ConfigError(
        f"{place} cannot be written: {error.strerror or error}.",
        hint="Point PERENNIAL_HOME or PERENNIAL_STORE at a folder that this user may write.",
    )


def _no_table(location: str, version: int | None) -> DataError:
    return DataError(
        f"There is no table {location}" + ("." if version is None else f" at version {version}."),
        hint="Run `ingest` for its windows first.",
    )


def _write_error(error: Exception, location: str) -> PerennialError:
    """What a failed write of a table means; through Rust an error's number survives as text."""
    if f"os error {errno.ENOSPC}" in str(error):
        return disk_error(OSError(errno.ENOSPC, "full"), location)
    if isinstance(error, OSError):
        return disk_error(error, location)
    return BackendError(f"{location} could not be written: {error}.")


_PARTITIONS = (WINDOW, DIGEST)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return _plain(dict(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    return value


def _expression(wanted: list[tuple[str, str, Any]]) -> Any:  # noqa: ANN401 - pyarrow is untyped
    import pyarrow as pa
    from pyarrow.dataset import field

    # With its type said, a list without any name matches nothing instead of failing.
    expression = field(WINDOW).isin(pa.array(wanted[0][2], pa.string()))
    for column, _, value in wanted[1:]:
        expression &= field(column) == value
    return expression


def _write(location: str, rows: "pa.Table", names: tuple[str, str], *, beside: bool) -> int:
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import TableNotFoundError

    window, digest = names
    try:
        table = DeltaTable(location)
    except TableNotFoundError:
        if "://" not in location:
            Path(location).mkdir(parents=True, exist_ok=True)
        write_deltalake(location, _typed(rows, None), partition_by=list(_PARTITIONS))
        return DeltaTable(location).version()  # type: ignore[no-any-return]
    held = {part[DIGEST] for part in table.partitions() if part[WINDOW] == window}
    if digest in held and (beside or held == {digest}):
        return table.version()  # type: ignore[no-any-return]
    if not held and not len(rows):
        return table.version()  # type: ignore[no-any-return]
    where = f"{WINDOW} = '{window}'" + (f" AND {DIGEST} = '{digest}'" if beside else "")
    write_deltalake(
        table, _typed(rows, table), mode="overwrite", predicate=where, schema_mode="merge"
    )
    return DeltaTable(location).version()  # type: ignore[no-any-return]


def _typed(rows: "pa.Table", table: Any) -> "pa.Table":  # noqa: ANN401 - deltalake is untyped
    """Rows whose columns without any value take the table's type, or text in a new table."""
    import pyarrow as pa

    known = {}
    if table is not None:
        known = {field.name: field for field in pa.schema(table.schema().to_arrow())}
    fields = [
        pa.field(field.name, known[field.name].type if field.name in known else pa.string())
        if pa.types.is_null(field.type)
        else field
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))

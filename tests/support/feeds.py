"""A history of a model, committed to real Delta tables without the contract in between."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from infra import store
from infra.settings import PROJECT
from tasks.data.spec import DataSpec, TableSpec
from tasks.references import Ending, History, Manifest, TableVersion
from tasks.spec import load_spec
from tasks.windows import end_day, first_day


def declared_frames(model: str, data: DataSpec) -> dict[str, pd.DataFrame]:
    """The tables of a model in the repository, instants as instants."""
    frames = {}
    for name, table in data.tables.items():
        frame = pd.read_parquet(PROJECT / "deployments" / model / table.path)
        for column, kind in table.columns.items():
            if kind == "timestamp":
                frame[column] = pd.to_datetime(frame[column], utc=True).astype(
                    "datetime64[us, UTC]"
                )
        frames[name] = frame
    return frames


def rows_of(frame: pd.DataFrame, table: TableSpec, window: str) -> pd.DataFrame:
    """The rows of a table that a window holds, by the table's calendar."""
    if not table.calendar or window == "all":
        return frame
    parts = frame[list(table.calendar)].astype("int64").to_numpy()
    start, end = first_day(window), end_day(window)
    low, high = (start.year, start.month, start.day), (end.year, end.month, end.day)
    width = parts.shape[1]
    inside = [
        low[:width] <= tuple(row) < high or tuple(row) == low[:width] for row in parts.tolist()
    ]
    return frame[inside]


def committed(
    model: str,
    frames: Mapping[str, pd.DataFrame],
    windows: Sequence[str],
    as_of: datetime,
) -> History:
    """The history of a model whose frames were ingested window by window."""
    tables = load_spec(model).data.tables
    manifests = tuple(
        _manifest(model, {n: rows_of(f, tables[n], w) for n, f in frames.items()}, w, as_of)
        for w in windows
    )
    return History(
        model=model,
        as_of=as_of,
        manifests=manifests,
        digest=store.digest_of([manifest.digest for manifest in manifests]),
    )


def _manifest(
    model: str, frames: Mapping[str, pd.DataFrame], window: str, as_of: datetime
) -> Manifest:
    tables = load_spec(model).data.tables
    versions = tuple(
        _version(store.uri("raw", model, name), name, frame, window, tables[name])
        for name, frame in frames.items()
    )
    return Manifest(
        model=model,
        window=window,
        as_of=as_of,
        ending=Ending.ACCEPT,
        tables=versions,
        digest=store.digest_of([version.digest for version in versions]),
    )


def _version(
    uri: str, name: str, frame: pd.DataFrame, window: str, table: TableSpec
) -> TableVersion:
    digest = store.content_digest(frame, table.key)
    version = store.write_window(uri, frame, window, digest, beside=True)
    return TableVersion(
        table=name, window=window, uri=uri, version=version, digest=digest, rows=len(frame)
    )

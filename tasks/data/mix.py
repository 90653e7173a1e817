"""How a column's values share the rows: codes that were exchanged, recoded or left out."""

from typing import Any, Final

import pandas as pd

from tasks.data.batch import Batch, plain
from tasks.data.usual import Past, comparable, knows
from tasks.references import Ending

_FEWEST: Final = 1000
"""Rows from which shares of a few percent are no chance."""


def check_mix(batch: Batch, past: Past) -> None:
    """Columns whose values have other shares than before, in total beyond what is fine: hold."""
    for mix in batch.spec.mixes:
        for name in mix.columns:
            if not comparable(batch, past, name) or not knows(past):
                continue
            now, then = batch.frame[name].dropna(), past.frame[name].dropna()
            if min(len(now), len(then)) < _FEWEST:
                continue
            moved = _moves(now, then)
            distance = float(moved.abs().sum()) / 2
            if distance <= mix.most:
                continue
            place = int(moved.abs().to_numpy().argmax())
            most, more = moved.index[place], float(moved.iloc[place])
            share = float((now == most).mean())
            batch.find(
                Ending.HOLD,
                "mix",
                f"The values of {name} share the rows otherwise than before: {distance:.1%} would "
                f"have to change, at most {mix.most:.1%} is usual; {plain(most)} has {share:.0%}, "
                f"usually {share - more:.0%}. The codes may be others, or other columns'.",
                column=name,
                rows=len(now),
            )


def _moves(now: "pd.Series[Any]", then: "pd.Series[Any]") -> "pd.Series[float]":
    """By value, how much larger its share of the rows is than before."""
    after, before = (each.value_counts(normalize=True) for each in (now, then))
    return after.sub(before, fill_value=0.0)

"""What the contract says of a delivery: every table read, checked, compared and judged."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from infra.errors import ConfigError, DataError, few
from tasks.data.batch import Batch, plain
from tasks.data.clocks import check_clocks
from tasks.data.course import check_course
from tasks.data.grid import check_grids
from tasks.data.known import check_known
from tasks.data.mix import check_mix
from tasks.data.reading import Part, read
from tasks.data.recurring import check_recurring
from tasks.data.settled import check_settled
from tasks.data.spec import DataSpec
from tasks.data.structure import (
    check_cadence,
    check_columns,
    check_keys,
    check_nulls,
    check_window,
)
from tasks.data.usual import (
    Past,
    check_complete,
    check_constant,
    check_dark,
    check_stable,
    check_volume,
    columns_needed,
)
from tasks.data.weekdays import check_weekdays
from tasks.references import Ending

Observe = Callable[[dict[str, pd.DataFrame]], dict[str, pd.DataFrame]]


@dataclass(frozen=True)
class Contract:
    """What a delivery is held to: the declaration, its suites and what it observes."""

    data: DataSpec
    window: str
    as_of: datetime
    suites: dict[str, Path]
    observe: Observe | None = None


def examine(
    files: dict[str, tuple[bytes, bool]],
    contract: Contract,
    past: Callable[[str, list[str]], Past],
) -> dict[str, Batch]:
    """Every table of a delivery with what was found.

    Args:
        files: table to its bytes, and whether they hold more than this window.
        contract: what the delivery is held to.
        past: gives the newest windows of a table before this one, some columns of it.

    Raises:
        ConfigError: the declaration, a suite or the observer is wrong.
    """
    batches = {
        table: _structured(table, data, contract, whole=whole)
        for table, (data, whole) in files.items()
    }
    for batch in batches.values():
        if not batch.rejected and batch.delivered:
            _compare(batch, contract, past(batch.table, columns_needed(batch)))
    if not any(batch.rejected for batch in batches.values()):
        _hold_to_suites(batches, contract)
    return batches


def worst(batches: dict[str, Batch]) -> Ending:
    """The ending of a delivery: that of its worst finding."""
    endings = [finding.ending for batch in batches.values() for finding in batch.findings]
    return max(endings, key=lambda ending: ending.severity, default=Ending.ACCEPT)


def _structured(table: str, data: bytes, contract: Contract, *, whole: bool) -> Batch:
    spec = contract.data.tables[table]
    part = Part(contract.window, contract.data.timezone) if whole else None
    try:
        batch = read(data, table, spec, part)
    except DataError as error:
        batch = Batch(table, spec, pd.DataFrame())
        batch.find(Ending.REJECT, "file", _with_advice(error))
        return batch
    if batch.delivered == 0:
        _find_nothing(batch, contract.window, known=whole and spec.may_be_empty)
    check_columns(batch)
    if not batch.rejected:
        check_nulls(batch)
        check_window(batch, contract.window, contract.as_of, contract.data)
        check_keys(batch, contract.data.max_set_aside)
    _check_share(batch, contract.data.max_set_aside)
    return batch


def _find_nothing(batch: Batch, window: str, *, known: bool) -> None:
    """No rows: a delivery went wrong, but what a source never published is a gap like others.

    The same missing day must not be refused when it is asked for alone and pass inside a month.
    """
    if known:
        batch.find(
            Ending.WARN,
            "rows",
            f"The source has no rows for {window}, as happens: features that rest on "
            f"{batch.table} will be empty.",
        )
    else:
        batch.find(Ending.REJECT, "rows", f"There are no rows for {window}.")


def _with_advice(error: DataError) -> str:
    """What is wrong, and what to do where the one who raised it knew better than a redelivery."""
    said = str(error.args[0])
    return said if error.advice == DataError.hint else f"{said} {error.advice}"


def _compare(batch: Batch, contract: Contract, past: Past) -> None:
    check_volume(batch, contract.window, past, contract.data)
    check_complete(batch, contract.window, past)
    check_weekdays(batch, contract.window, past, contract.data.timezone)
    check_dark(batch, past)
    check_constant(batch, past)
    check_stable(batch, past)
    check_recurring(batch, past)
    check_mix(batch, past)
    check_cadence(batch, contract.window, contract.data)
    check_settled(batch)
    check_clocks(batch, past)
    check_grids(batch)
    check_course(batch, past, contract.data)
    check_known(batch, past, contract.data.max_changed)


def _hold_to_suites(batches: dict[str, Batch], contract: Contract) -> None:
    from tasks.data.contract import check_contract
    from tasks.data.suites import read_suite

    observed = _observed(batches, contract.observe)
    for table, path in contract.suites.items():
        batch = batches[table]
        if not batch.delivered:
            continue  # no expectation can be held against no rows; that there are none was told
        suite = read_suite(path, {**dict.fromkeys(observed[table].columns), **batch.spec.columns})
        check_contract(batch, observed[table], suite)
        _check_share(batch, contract.data.max_set_aside)


def _observed(batches: dict[str, Batch], observe: Observe | None) -> dict[str, pd.DataFrame]:
    frames = {table: batch.frame.copy() for table, batch in batches.items()}
    if observe is None:
        return frames
    try:
        seen = observe(frames)
    except Exception as error:
        raise ConfigError(
            f"observe fails on this batch: {type(error).__name__}: {plain(error, 200)}."
        ) from error
    for table, batch in batches.items():
        frame: Any = seen.get(table)
        if not isinstance(frame, pd.DataFrame) or not frame.index.equals(batch.frame.index):
            raise ConfigError(f"observe must give back the rows of {table} as they were.")
        wrong = [
            name for name in frame.columns if name not in batch.frame and not name.startswith("_")
        ]
        if wrong:
            raise ConfigError(f"observe adds {few(wrong)} to {table}; begin their names with _.")
    return seen


def _check_share(batch: Batch, most: float) -> None:
    """Too many rows set aside: the batch is wrong, not its rows."""
    if batch.rejected or not batch.delivered:
        return
    aside = len(batch.reasons)
    if aside > most * batch.delivered:
        reasons = few(sorted({reason.split(": ", 1)[1] for reason in batch.reasons.values()}), 3)
        batch.find(
            Ending.REJECT,
            "set aside",
            f"{aside} of {batch.delivered} rows ({aside / batch.delivered:.0%}) would be set "
            f"aside, more than {most:.0%}; first: {batch.place(min(batch.reasons))}. "
            f"Rows {reasons}.",
            rows=aside,
        )

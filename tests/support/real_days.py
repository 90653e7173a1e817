"""What the contract says of a real day of 2013, after the days that a feed had before it."""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pandas as pd

from infra.plugins import resolve
from infra.store import WINDOW
from tasks.data.inspection import Contract, examine
from tasks.data.sources import locate, suite_of
from tasks.data.usual import DAYS, Past
from tasks.references import Finding
from tasks.spec import load_spec
from tests.support.deliveries import closing_time


@lru_cache
def _files() -> dict[str, tuple[bytes, bool]]:
    data = load_spec("flights").data
    return {
        table: (Path(path).read_bytes(), bool(data.tables[table].calendar))
        for table, path in locate("flights", data, {}).items()
    }


@lru_cache
def _source(table: str) -> pd.DataFrame:
    spec = load_spec("flights")
    frame = pd.read_parquet(spec.folder / spec.data.tables[table].path)
    if not spec.data.tables[table].calendar:
        return frame
    day = pd.to_datetime(frame[["year", "month", "day"]])
    instant = pd.to_datetime(frame["time_hour"], utc=True)
    return frame.assign(time_hour=instant, **{WINDOW: day.dt.strftime("%Y-%m-%d")})


def _past(table: str, columns: list[str], day: str) -> Past:
    """What a feed of days has before a day: the windows that say what is usual."""
    frame, last = _source(table), datetime.fromisoformat(day)
    days = [f"{last - timedelta(days=back):%Y-%m-%d}" for back in range(DAYS, 0, -1)]
    if WINDOW not in frame:
        return Past(dict.fromkeys(days, len(frame)), frame.assign(**{WINDOW: days[-1]}))
    counts = frame[WINDOW].value_counts()
    rows = {each: int(counts[each]) for each in days if each in counts}
    kept = frame.loc[frame[WINDOW].isin(list(rows)), [*dict.fromkeys([*columns, WINDOW])]]
    return Past(rows, kept)


def found_on(day: str) -> list[Finding]:
    """The findings of all five tables of a day, with the quarter of days before it."""
    spec = load_spec("flights")
    suites = {
        table: path
        for table, each in spec.data.tables.items()
        if (path := suite_of("flights", table, each)) is not None
    }
    observe = None if spec.data.observe is None else resolve(spec.folder, spec.data.observe)
    contract = Contract(spec.data, day, closing_time(day), suites, observe)
    batches = examine(_files(), contract, lambda table, columns: _past(table, columns, day))
    return [finding for batch in batches.values() for finding in batch.findings]

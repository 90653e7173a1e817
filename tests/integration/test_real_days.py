"""Real days of 2013 through the whole contract, each after the days before it: nothing is held.

All 365 days and the twelve months were held against it once, as a feed of days and as days after
months (decision 8): only the 8th of February is held. These came nearest to a threshold.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pytest

from infra.plugins import resolve
from infra.store import WINDOW
from tasks.data.inspection import Contract, examine
from tasks.data.sources import locate, suite_of
from tasks.data.usual import DAYS, Past
from tasks.references import Ending, Finding
from tasks.spec import load_spec
from tests.support.deliveries import closing_time

HARDEST = {
    "2013-01-17": "as clear all day as can be measured",
    "2013-01-30": "a front: EWR is warm an hour before the others",
    "2013-01-31": "the hours jump most of all days",
    "2013-02-09": "57% cancelled in a blizzard, and clear",
    "2013-02-12": "a wind of 1048 miles an hour: one row is set aside",
    "2013-04-26": "two stations nearly exchanged",
    "2013-05-08": "58% of the pressures are missing",
    "2013-06-17": "cold rain after heat",
    "2013-08-20": "an airline renumbered its flights",
    "2013-09-12": "4.4% of those that left did not arrive",
    "2013-10-10": "LGA goes beside the others by some hours",
    "2013-11-03": "an hour comes twice",
    "2013-11-28": "Thanksgiving: 64% of the usual flights",
    "2013-12-31": "no weather was published",
}


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


def _found(day: str) -> list[Finding]:
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


@pytest.mark.parametrize("day", HARDEST)
def test_a_hard_real_day_is_let_through(day: str) -> None:
    """Storms, holidays and gaps are what the world does: a person may read of them, or not."""
    found = _found(day)

    most = Ending.QUARANTINE if day == "2013-02-12" else Ending.WARN
    assert all(each.ending.severity <= most.severity for each in found), found


def test_an_evening_that_was_cancelled_whole_is_held() -> None:
    """No check can tell the 8th of February from a feed that was not closed: a person can."""
    held = [each for each in _found("2013-02-08") if each.ending is Ending.HOLD]

    assert {each.check for each in held} == {"settled"}

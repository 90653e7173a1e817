"""Changes that leave each column plausible: one station alone, two clocks together."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tasks.data.batch import Batch
from tasks.data.spec import StableSpec
from tasks.data.usual import Past, check_stable
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.deliveries import as_csv, source_rows, told, tried

pytestmark = pytest.mark.usefixtures("half_a_year")


def _weather(month: str = "2013-07") -> pd.DataFrame:
    days = pd.date_range(f"{month}-01", periods=31).strftime("%Y-%m-%d")
    return pd.concat([source_rows("weather", day) for day in days], ignore_index=True)


UNITS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "temp": lambda f: f.assign(**{c: ((f[c] - 32) / 1.8).round(2) for c in ("temp", "dewp")}),
    "precip": lambda f: f.assign(precip=(f["precip"] * 25.4).round(3)),
    "pressure": lambda f: f.assign(pressure=(f["pressure"] - 6).round(1)),
}


@pytest.mark.parametrize("column", UNITS)
def test_another_unit_at_one_station_is_held(column: str, tmp_path: Path) -> None:
    """The medians of the whole table hardly move: the other stations tell.

    The pressure is one that nobody reduced to the level of the sea.
    """
    july = _weather()
    changed = UNITS[column](july)
    alone = july["origin"] == "JFK"

    inspection = tried(
        tmp_path, as_csv(changed.where(alone, july)), table="weather", window="2013-07"
    )

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    assert f"{column} at origin JFK " in told(inspection.findings)


def test_no_real_month_has_a_station_that_leaves_the_others() -> None:
    """The sea keeps JFK cooler in spring, and that is all."""
    spec = load_spec("flights")
    table = spec.data.tables["weather"]
    beside = tuple(each for each in table.stable if each.beside)
    year = pd.read_parquet(spec.folder / table.path)
    found = []

    for month in range(2, 13):
        before, now = year[year["month"] < month], year[year["month"] == month]
        batch = Batch("weather", table.model_copy(update={"stable": beside}), now)
        windows = {f"2013-{each:02}": len(before) for each in range(1, month)}
        check_stable(batch, Past(windows, before))
        found += batch.findings

    assert found == []
    assert StableSpec(column="temp", by=("origin",), beside=("time_hour",), shift=6) in beside


@pytest.mark.parametrize("hours", [1, 4, -1])
def test_arrivals_moved_together_with_their_schedule_are_held(hours: int, tmp_path: Path) -> None:
    """The delays agree with both clocks; that the flights take an hour more does not."""
    day = source_rows("flights")
    moved = {
        name: (day[name] // 100 + hours) % 24 * 100 + day[name] % 100
        for name in ("arr_time", "sched_arr_time")
    }

    inspection = tried(tmp_path, as_csv(day.assign(**moved).replace({"arr_time": {0: 2400}})))

    assert inspection.ending is Ending.HOLD, told(inspection.findings)
    assert "sched_arr_time follows sched_dep_time" in told(inspection.findings)

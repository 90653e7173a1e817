"""Rows that are possible one by one and together are not: shuffled, copied, cut, filled in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.references import Ending
from tests.support.deliveries import as_csv, good_rows, source_rows, told, tried

pytestmark = pytest.mark.usefixtures("half_a_year")

WARN, HOLD, REJECT = Ending.WARN, Ending.HOLD, Ending.REJECT
OUTCOME = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
Change = Callable[[pd.DataFrame], pd.DataFrame]


def _shuffled(*columns: str) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        order = np.random.default_rng(7).permutation(len(frame))
        return frame.assign(**{name: frame[name].to_numpy()[order] for name in columns})

    return change


def _longer(minutes: "pd.Series[Any]") -> "pd.Series[Any]":
    longer = (pd.to_numeric(minutes) * 1.3).round()
    return longer.map(lambda each: "" if pd.isna(each) else f"{each:.0f}")


def _renumbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(flight=(pd.to_numeric(frame["flight"]) * 7919) % 9999 + 1)


def _emptied(frame: pd.DataFrame) -> pd.DataFrame:
    third = frame.index % 3 == 0
    return frame.assign(**{name: frame[name].mask(third, "") for name in OUTCOME})


FLIGHTS: dict[str, tuple[Change, Ending, str]] = {
    "carriers shuffled": (_shuffled("carrier"), HOLD, "carrier and tailnum"),
    "two airlines exchanged": (
        lambda f: f.replace({"carrier": {"AA": "DL", "DL": "AA"}}),
        HOLD,
        "carrier, origin and dest",
    ),
    "routes shuffled": (_shuffled("dest", "distance"), HOLD, "carrier, origin and dest"),
    "flights renumbered": (_renumbered, HOLD, "carrier, flight and dest"),
    "copies under other numbers": (
        lambda f: pd.concat([f, f.head(40).assign(flight=range(9000, 9040))]),
        HOLD,
        "month, day, tailnum and dep_time: 80 rows",
    ),
    "one tail number for all": (
        lambda f: f.assign(tailnum="N14228"),
        HOLD,
        "tailnum is 'N14228' in all 1004 rows",
    ),
    "tail numbers cut short": (
        lambda f: f.assign(tailnum=f["tailnum"].str[:4]),
        HOLD,
        "carrier and tailnum",
    ),
    "minutes from gate to gate as air_time": (
        lambda f: f.assign(air_time=_longer(f["air_time"])),
        HOLD,
        "air_time is what the clocks leave for it",
    ),
    "another distance for some routes": (
        lambda f: f.assign(distance=f["distance"].mask(f["dest"].isin(["LAX", "ATL"]), "900")),
        HOLD,
        "origin, dest and distance",
    ),
    "cut after row 929": (lambda f: f.head(929), WARN, "929 rows are 94% of the 984"),
    "cancelled flights left out": (lambda f: f[f["dep_time"] != ""], WARN, "90% of the 984"),
    "a third of the outcomes emptied": (_emptied, WARN, "More cells are empty than usual"),
    "a word for no value": (
        lambda f: f.assign(**{name: f[name].replace("", "NA") for name in OUTCOME}),
        REJECT,
        "dep_time is never empty and says 'NA' in 121 rows",
    ),
}


@pytest.mark.parametrize("kind", FLIGHTS)
def test_flights_that_cannot_be_together_are_told(kind: str, tmp_path: Path) -> None:
    """What stood together before says which of the cells are out of place."""
    change, ending, words = FLIGHTS[kind]

    inspection = tried(tmp_path, as_csv(change(good_rows())))

    assert inspection.ending is ending, told(inspection.findings)
    assert words in told(inspection.findings)


def _four_weeks_ago(table: str) -> pd.DataFrame:
    rows = source_rows(table, "2013-06-12").assign(month=7, day=10)
    times = pd.to_datetime(rows["time_hour"], utc=True) + pd.Timedelta(weeks=4)
    return rows.assign(time_hour=times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize("table", ["flights", "weather"])
def test_an_earlier_day_under_a_new_date_is_held(table: str, tmp_path: Path) -> None:
    """Its calendar says today, the rest is word for word what was ingested weeks ago."""
    inspection = tried(tmp_path, as_csv(_four_weeks_ago(table)), table)

    assert inspection.ending is HOLD, told(inspection.findings)
    assert "exactly as rows of an earlier batch" in told(inspection.findings)


def test_one_station_that_was_copied_to_all_is_held(tmp_path: Path) -> None:
    """Three places never measure the same in every hour."""
    day = source_rows("weather")
    alone = day[day["origin"] == "JFK"]
    copied = pd.concat([alone.assign(origin=each) for each in ("EWR", "JFK", "LGA")])

    inspection = tried(tmp_path, as_csv(copied), "weather")

    assert inspection.ending is HOLD, told(inspection.findings)
    assert "in common with another row" in told(inspection.findings)


def test_a_month_that_came_before_its_end_is_rejected(tmp_path: Path) -> None:
    """Twenty days are two thirds of the rows, and no month."""
    days = [source_rows("flights", f"2013-07-{day:02}") for day in range(1, 21)]

    inspection = tried(tmp_path, as_csv(pd.concat(days)), window="2013-07")

    assert inspection.ending is REJECT
    assert "11 of 31 days have no rows: 2013-07-21" in told(inspection.findings)

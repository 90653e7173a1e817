"""Rows whose cells are all plausible and stand at another time or place: the past tells."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

from tasks.data.batch import Batch
from tasks.data.clocks import check_clocks
from tasks.data.course import check_course
from tasks.data.grid import check_grids
from tasks.data.spec import DataSpec
from tasks.data.usual import Past
from tasks.spec import load_spec

Change = Callable[[pd.DataFrame], pd.DataFrame]

DAY = (7, 10)
JULY = (7, None)
WINDOWS = pytest.mark.parametrize("window", [DAY, JULY], ids=["day", "month"])


@lru_cache
def _year(table: str) -> pd.DataFrame:
    spec = load_spec("flights")
    frame = pd.read_parquet(spec.folder / spec.data.tables[table].path)
    return frame.assign(time_hour=pd.to_datetime(frame["time_hour"], utc=True))


def _data() -> DataSpec:
    return load_spec("flights").data


def _rows(table: str, window: tuple[int, int | None]) -> pd.DataFrame:
    month, day = window
    frame = _year(table)
    kept = (frame["month"] == month) & ((frame["day"] == day) if day else True)
    return frame[kept].reset_index(drop=True)


@lru_cache
def _past(table: str, window: tuple[int, int | None]) -> Past:
    month, day = window
    frame = _year(table)
    before = frame[
        (frame["month"] < month) | ((frame["month"] == month) & (frame["day"] < (day or 0)))
    ]
    return Past({f"2013-{each:02}": 1 for each in range(1, month)}, before)


def _found(table: str, window: tuple[int, int | None], change: Change) -> list[str]:
    batch = Batch(table, _data().tables[table], change(_rows(table, window)))
    past = _past(table, window)
    if table == "flights":
        check_clocks(batch, past)
    else:
        check_grids(batch)
        check_course(batch, past, _data())
    return [finding.message for finding in batch.findings]


def _later(column: str, value: str, hours: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        alone = frame[column] == value
        times = {
            name: frame[name].mask(alone, (frame[name] + 100 * hours) % 2400)
            for name in ("sched_dep_time", "sched_arr_time")
        }
        return frame.assign(**times)

    return change


@WINDOWS
@pytest.mark.parametrize("hours", [1, -5])
@pytest.mark.parametrize(("column", "value"), [("origin", "EWR"), ("carrier", "B6")])
def test_a_clock_that_was_moved_in_one_group_is_told(
    column: str, value: str, hours: int, window: tuple[int, int | None]
) -> None:
    """The delays agree with the clocks, and so does every duration: last month does not."""
    found = _found("flights", window, _later(column, value, hours))

    assert any(f"of {column} {value} lies" in each for each in found), found


def _exchanged(one: str, other: str) -> Change:
    return lambda frame: frame.assign(origin=frame["origin"].replace({one: other, other: one}))


def _measured() -> list[str]:
    course = _data().tables["weather"].course
    return list(course.columns) if course else []


def _rolled(hours: int, alone: str | None = None) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sort_values(["origin", "time_hour"], ignore_index=True)
        for origin, rows in frame.groupby("origin"):
            if alone in {None, origin}:
                cells = rows[_measured()].to_numpy()
                frame.loc[rows.index, _measured()] = np.roll(cells, hours, axis=0)
        return frame

    return change


@WINDOWS
@pytest.mark.parametrize("pair", [("EWR", "JFK"), ("EWR", "LGA"), ("JFK", "LGA")])
def test_stations_that_were_exchanged_are_told(
    pair: tuple[str, str], window: tuple[int, int | None]
) -> None:
    """Each has its own distance from the others, at each hour of the day."""
    found = _found("weather", window, _exchanged(*pair))

    assert any("may have been exchanged" in each for each in found), found


@WINDOWS
@pytest.mark.parametrize("hours", [6, -6, 1])
def test_weather_that_was_rolled_is_told(hours: int, window: tuple[int, int | None]) -> None:
    """It breaks off where the window begins, and again where its end was put."""
    found = _found("weather", window, _rolled(hours))

    assert any("of every place do not go on from those before" in each for each in found), found


@pytest.mark.parametrize(("hours", "window"), [(6, DAY), (-3, DAY), (6, JULY), (1, JULY)], ids=str)
def test_one_station_that_was_rolled_is_told_by_the_others(
    hours: int, window: tuple[int, int | None]
) -> None:
    """Its own hours go on as ever; fronts and sunrises come to the others at other hours."""
    found = _found("weather", window, _rolled(hours, alone="LGA"))

    assert any("of LGA are nearer to those of the other places" in each for each in found), found


@pytest.mark.parametrize("column", ["temp", "pressure"])
def test_a_sensor_that_is_stuck_is_told(column: str) -> None:
    """One station's value stands still for a day, and is one that it had."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        alone = frame["origin"] == "JFK"
        value = frame.loc[alone, column].dropna().iloc[0]
        return frame.assign(**{column: frame[column].mask(alone, value)})

    found = _found("weather", DAY, change)

    assert any(f"{column} of JFK is" in each for each in found), found


def test_a_station_that_measured_nothing_of_a_column_stops_no_check() -> None:
    """Its thermometer was away all month: that is told elsewhere, and the others go on."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(temp=frame["temp"].mask(frame["origin"] == "JFK"))

    assert _found("weather", JULY, change) == []


def test_hours_in_no_order_are_told() -> None:
    """Every hour of July is there, with the values of another."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        order = np.random.default_rng(7).permutation(len(frame))
        return frame.assign(**{name: frame[name].to_numpy()[order] for name in _measured()})

    found = _found("weather", JULY, change)

    assert any("jump from hour to hour" in each for each in found), found


UNITS: dict[str, tuple[str, Callable[["pd.Series[float]"], "pd.Series[float]"]]] = {
    "metres a second": ("wind_speed", lambda mph: (mph * 0.44704).round(2)),
    "whole metres a second": ("wind_speed", lambda mph: (mph * 0.44704).round()),
    "knots": ("wind_speed", lambda mph: (mph * 0.868976).round()),
    "gusts in km an hour": ("wind_gust", lambda mph: (mph * 1.609344).round(1)),
    "inches of mercury": ("pressure", lambda hpa: (hpa * 0.02953).round(2)),
    "millimetres": ("precip", lambda inches: (inches * 25.4).round(2)),
    "tenths of a millimetre": ("precip", lambda inches: (inches * 25.4).round(1)),
}


@pytest.mark.parametrize("unit", UNITS)
def test_another_unit_leaves_the_steps_of_one_station_on_one_day(unit: str) -> None:
    """However few values the day has: rain fell in two hours of it, and that is enough."""
    column, convert = UNITS[unit]
    day = (7, 12) if column == "wind_gust" else (7, 1)

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        alone = frame["origin"] == "JFK"
        return frame.assign(**{column: frame[column].where(~alone, convert(frame[column]))})

    found = _found("weather", day, change)

    assert any(each.startswith(f"{column} at origin JFK ") for each in found), found

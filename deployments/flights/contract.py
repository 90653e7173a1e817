"""What the contract sees beside the columns: relations between them and between the tables."""

import numpy as np
import numpy.typing as npt
import pandas as pd

ZONE = "America/New_York"
EARTH_RADIUS_MILES = 3958.8
_MINUTES_A_DAY = 1440
_TAXI_MINUTES, _MILES_A_MINUTE = 60, 8

Column = npt.NDArray[np.float64]


def observe(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with columns that only the suites see.

    Flights: `_local_matches` (time_hour is the local hour of year, month, day and hour),
    `_minute_matches`, `_distance_ratio` (distance against the great circle in miles), `_speed_mph`,
    `_dep_delay_agrees` and `_arr_delay_agrees` (with the clock times), `_arrived` (a flight that
    left has an arrival), `_outcome_whole` (what did not happen has no delay),
    `_elapsed_gap` (minutes from gate to gate by the schedule beyond those the distance asks),
    `_taxi` (minutes from gate to gate that were not in the air), `_carrier_known`,
    `_origin_has_weather`.
    Weather: `_local_matches`, `_humid_gap` (against the one that temp and dewp imply).
    """
    flights, weather = tables["flights"].copy(), tables["weather"].copy()
    flights["_local_matches"] = _local_matches(flights)
    flights["_minute_matches"] = (
        flights["sched_dep_time"] == flights["hour"] * 100 + flights["minute"]
    ).astype(bool)
    flights["_distance_ratio"] = _numbers(flights["distance"]) / _miles(flights, tables["airports"])
    with np.errstate(divide="ignore", invalid="ignore"):  # no time in the air: told by its suite
        flights["_speed_mph"] = _numbers(flights["distance"]) / (_numbers(flights["air_time"]) / 60)
    for end in ("dep", "arr"):
        flights[f"_{end}_delay_agrees"] = _delay_agrees(flights, end)
    flights["_arrived"] = _arrived(flights)
    flights["_elapsed_gap"] = _elapsed_gap(flights, tables["airports"])
    flights["_taxi"] = _taxi(flights, tables["airports"])
    flights["_outcome_whole"] = _outcome_whole(flights)
    flights["_carrier_known"] = flights["carrier"].isin(tables["airlines"]["carrier"])
    # A day without any weather, as 31 December 2013, is told by the table itself: no row is wrong.
    flights["_origin_has_weather"] = flights["origin"].isin(weather["origin"]) | weather.empty
    weather["_local_matches"] = _local_matches(weather)
    weather["_humid_gap"] = np.abs(_implied_humidity(weather) - _numbers(weather["humid"]))
    return {**tables, "flights": flights, "weather": weather}


def _numbers(values: "pd.Series[float]") -> Column:
    return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan), dtype=np.float64)


def _local_matches(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Read from UTC to local: the other way, an hour comes twice and another never."""
    local = frame["time_hour"].dt.tz_convert(ZONE).dt
    parts = {"year": local.year, "month": local.month, "day": local.day, "hour": local.hour}
    matches = pd.Series(data=True, index=frame.index)
    for name, value in parts.items():
        matches &= (frame[name] == value).astype(bool)
    return matches


def _delay_agrees(flights: pd.DataFrame, end: str) -> Column:
    """1 where the delay is the one between the clock times (modulo a day), 0 where not."""
    real, due = (_clock(flights[name]) for name in (f"{end}_time", f"sched_{end}_time"))
    gap = np.mod(real - due - _numbers(flights[f"{end}_delay"]), _MINUTES_A_DAY)
    return np.where(np.isnan(gap), np.nan, (gap == 0).astype("float64"))


def _clock(times: "pd.Series[float]") -> Column:
    hhmm = _numbers(times)
    return hhmm // 100 * 60 + hhmm % 100


def _arrived(flights: pd.DataFrame) -> Column:
    """1 where a flight that left has an arrival, 0 where it has none; NaN if it did not leave."""
    left = flights["dep_time"].notna().to_numpy()
    return np.where(left, flights["arr_delay"].notna().to_numpy().astype("float64"), np.nan)


def _outcome_whole(flights: pd.DataFrame) -> Column:
    """1 where an outcome is empty as it should be, 0 where cells contradict; NaN if none is empty.

    A flight that did not leave has no delay, no arrival and no time in the air; one that arrived
    nowhere has no delay of its arrival and no time in the air.
    """
    left, came, late = (flights[c].notna() for c in ("dep_time", "arr_time", "arr_delay"))
    wrong = left != flights["dep_delay"].notna()
    wrong |= ~left & (came | late | flights["air_time"].notna())
    wrong |= (~came | ~late) & flights["air_time"].notna()
    wrong |= ~came & late
    some = ~(left & came & late) | wrong
    return np.where(some, (~wrong).astype("float64"), np.nan)


def _miles(flights: pd.DataFrame, airports: pd.DataFrame) -> Column:
    """Great-circle miles between origin and destination; NaN where an airport is not known.

    Source:
        Sinnott, Virtues of the Haversine, Sky and Telescope 68 (1984).
    """
    places = airports.drop_duplicates("faa").set_index("faa")[["lat", "lon"]].astype("float64")
    start = np.radians(places.reindex(flights["origin"]).to_numpy())
    end = np.radians(places.reindex(flights["dest"]).to_numpy())
    half = np.sin((end - start) / 2) ** 2
    angle = half[:, 0] + np.cos(start[:, 0]) * np.cos(end[:, 0]) * half[:, 1]
    miles: Column = 2 * EARTH_RADIUS_MILES * np.arcsin(np.sqrt(angle))
    return miles


def _elapsed_gap(flights: pd.DataFrame, airports: pd.DataFrame) -> Column:
    """Scheduled minutes from gate to gate, less an hour and the flight at eight miles a minute."""
    due = _clock(flights["sched_arr_time"]) - _clock(flights["sched_dep_time"])
    due -= _ahead(flights, airports)
    gap: Column = (
        np.mod(due, _MINUTES_A_DAY)
        - _TAXI_MINUTES
        - _numbers(flights["distance"]) / _MILES_A_MINUTE
    )
    return gap


def _taxi(flights: pd.DataFrame, airports: pd.DataFrame) -> Column:
    """Minutes from gate to gate, by the clocks, less those in the air."""
    elapsed = _clock(flights["arr_time"]) - _clock(flights["dep_time"]) - _ahead(flights, airports)
    taxi: Column = np.mod(elapsed, _MINUTES_A_DAY) - _numbers(flights["air_time"])
    return taxi


def _ahead(flights: pd.DataFrame, airports: pd.DataFrame) -> Column:
    """Minutes by which the destination's clocks are ahead of the origin's."""
    zones = airports.drop_duplicates("faa").set_index("faa")["tz"].astype("float64")
    ahead: Column = 60 * (
        _numbers(zones.reindex(flights["dest"])) - _numbers(zones.reindex(flights["origin"]))
    )
    return ahead


def _implied_humidity(weather: pd.DataFrame) -> Column:
    """Relative humidity in percent that temperature and dew point in Fahrenheit imply.

    Source:
        Alduchov and Eskridge, Improved Magnus Form Approximation (1996).
    """
    temp, dewp = ((_numbers(weather[name]) - 32) / 1.8 for name in ("temp", "dewp"))
    with np.errstate(all="ignore"):
        return 100 * np.exp(17.625 * dewp / (243.04 + dewp) - 17.625 * temp / (243.04 + temp))

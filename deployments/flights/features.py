"""The 21 features of a flight, known two hours before its scheduled departure and nothing later.

What a lag may know at a time follows the label-delay rules: a delay is known when the flight has
left, a cancellation at scheduled departure, and a diversion six hours after scheduled arrival.
Departure and arrival themselves, ``air_time`` and ``tailnum`` (null only for cancelled flights)
would give the answer away, and are read for nothing but the label and the lags.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

HORIZON = pd.Timedelta(hours=2)
"""How long before scheduled departure a prediction is made."""

LATE_MINUTES = 15
"""From this arrival delay on a flight counts as disrupted, as the carriers' statistics have it."""

DIVERTED_KNOWN_AFTER = pd.Timedelta(hours=6)
DELAYS_OVER = pd.Timedelta(hours=3)
CANCELLATIONS_OVER = pd.Timedelta(hours=6)
WEATHER_TOLERANCE = pd.Timedelta(hours=6)
MISSING_ZONE = "America/Puerto_Rico"
"""Zone of BQN, SJU, STT and PSE, the destinations that the table of airports does not have."""

KEY = ["year", "month", "day", "carrier", "flight", "origin"]
WEATHER = [
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
]
_MINUTES_A_DAY = 1440


def build(tables: dict[str, pd.DataFrame], window: str) -> pd.DataFrame:
    """One row for each flight of the window, in the order of their keys.

    Args:
        tables: frames of the feed; flights and weather reach back before the window.
        window: a year, month or day, local to New York.
    """
    every = timed(tables["flights"], tables["airports"])
    flights = every[in_window(every, window)].reset_index(drop=True)
    frame = pd.concat(
        [
            flights[["year", "month", "day", "flight"]].astype("int64"),
            flights[["carrier", "origin", "dest"]].astype("str"),
            flights[["event_time", "prediction_time"]],
            labels(flights),
            _schedule(flights, tables["airports"].set_index("faa")),
            _weather(flights, tables["weather"]),
            _lags(flights, every),
        ],
        axis=1,
    )
    return frame.sort_values(KEY, ignore_index=True)


def timed(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """Flights with their times in UTC: scheduled departure (the event), prediction, arrival."""
    frame = flights.copy()
    frame["event_time"] = utc(frame["time_hour"]) + pd.to_timedelta(frame["minute"], unit="min")
    frame["prediction_time"] = frame["event_time"] - HORIZON
    frame["sched_arrival"] = _arrival(frame, airports)
    frame["delay"] = frame["dep_delay"].astype("float64")
    frame["cancelled"] = frame["dep_time"].isna()
    return frame


def in_window(flights: pd.DataFrame, window: str) -> "pd.Series[bool]":
    """Which flights a window holds, by their local day."""
    parts = [int(part) for part in window.split("-")]
    inside = flights["year"] == parts[0]
    for column, value in zip(("month", "day"), parts[1:], strict=False):
        inside &= flights[column] == value
    return inside


def labels(flights: pd.DataFrame) -> pd.DataFrame:
    """Whether each flight was disrupted, and when that was known (UTC)."""
    arrived = flights["arr_delay"].notna()
    late = flights["arr_delay"].astype("float64")
    known = flights["sched_arrival"] + pd.to_timedelta(late, unit="min")
    known = known.where(arrived, flights["sched_arrival"] + DIVERTED_KNOWN_AFTER)
    known = known.where(~flights["cancelled"], flights["event_time"])
    disrupted = ~arrived | (late >= LATE_MINUTES)
    return pd.DataFrame({"label_time": known, "disrupted": disrupted.astype("int64")})


def utc(times: pd.Series) -> pd.Series:
    """Instants in UTC at the resolution that tables keep, from text or from instants."""
    instants: pd.Series = pd.to_datetime(times, utc=True)
    return instants.astype("datetime64[us, UTC]")


def _arrival(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """Scheduled arrival in UTC: when the destination's clock next shows it after departure."""
    zones = flights["dest"].map(airports.set_index("faa")["tzone"]).fillna(MISSING_ZONE)
    arrivals = []
    for zone, group in flights.groupby(zones, sort=False):
        local = group["event_time"].dt.tz_convert(zone).dt.tz_localize(None)
        wanted = _minute_of_day(group["sched_arr_time"])
        elapsed = (wanted - local.dt.hour * 60 - local.dt.minute) % _MINUTES_A_DAY
        landing = local + pd.to_timedelta(elapsed, unit="min")
        # In the hour that comes twice take the second; in the one that is left out, the next.
        landed = landing.dt.tz_localize(
            zone, ambiguous=np.zeros(len(landing), dtype=bool), nonexistent="shift_forward"
        )
        arrivals.append(landed.dt.tz_convert("UTC"))
    if not arrivals:
        return flights["event_time"]
    all_zones: pd.Series = pd.concat(arrivals)
    return all_zones.reindex(flights.index)


def _minute_of_day(clock: pd.Series) -> "pd.Series[float]":
    """Minutes since midnight of a time written as hhmm; 2400 is midnight and legal."""
    hhmm = clock.astype("float64")
    return hhmm // 100 * 60 + hhmm % 100


def _schedule(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    day = pd.to_datetime(flights[["year", "month", "day"]])
    elapsed = (flights["sched_arrival"] - flights["event_time"]).dt.total_seconds() / 60
    return pd.DataFrame(
        {
            "sched_minute": _minute_of_day(flights["sched_dep_time"]),
            "weekday": day.dt.dayofweek.astype("float64"),
            "distance": flights["distance"].astype("float64"),
            "sched_elapsed": elapsed,
            "dest_lat": flights["dest"].map(airports["lat"]).astype("float64"),
            "dest_lon": flights["dest"].map(airports["lon"]).astype("float64"),
        }
    )


def _weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """The newest observation at the origin when the prediction is made; NaN if over 6 h old."""
    seen = weather[["origin", *WEATHER]].astype(dict.fromkeys(WEATHER, "float64"))
    seen["observed"] = utc(weather["time_hour"])
    asked = flights[["origin", "prediction_time"]].rename_axis("row").reset_index()
    joined = pd.merge_asof(
        asked.sort_values("prediction_time", kind="stable"),
        seen.sort_values("observed", kind="stable"),
        left_on="prediction_time",
        right_on="observed",
        by="origin",
        tolerance=WEATHER_TOLERANCE,
    )
    return joined.set_index("row")[WEATHER].reindex(flights.index)


def _lags(flights: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    left = every[~every["cancelled"]]
    left = left.assign(known=left["event_time"] + pd.to_timedelta(left["delay"], unit="min"))
    due = every.assign(known=every["event_time"], share=every["cancelled"].astype("float64"))
    asked = flights[["origin", "carrier", "prediction_time"]]
    return pd.DataFrame(
        {
            "origin_delay3h": _mean_before(asked, left, "origin", "delay", DELAYS_OVER),
            "carrier_delay3h": _mean_before(asked, left, "carrier", "delay", DELAYS_OVER),
            "origin_cancel6h": _mean_before(asked, due, "origin", "share", CANCELLATIONS_OVER),
        }
    )


def _mean_before(
    asked: pd.DataFrame, known: pd.DataFrame, by: str, value: str, over: pd.Timedelta
) -> npt.NDArray[np.float64]:
    """Mean of what became known in the span that ends at the prediction, in each row's group.

    Returns:
        (n_rows,); NaN where nothing became known in the span.
    """
    means = np.full(len(asked), np.nan)
    when = asked["prediction_time"].to_numpy("datetime64[us]")
    for name, rows in asked.groupby(by, sort=False).indices.items():
        past = known[known[by] == name].sort_values("known", kind="stable")
        times = past["known"].to_numpy("datetime64[us]")
        sums = np.concatenate([[0.0], past[value].to_numpy("float64").cumsum()])
        end = times.searchsorted(when[rows], side="right")
        start = times.searchsorted(when[rows] - over.to_numpy(), side="right")
        counts = end - start
        totals = sums[end] - sums[start]
        means[rows] = np.divide(totals, counts, out=np.full(len(rows), np.nan), where=counts > 0)
    return means

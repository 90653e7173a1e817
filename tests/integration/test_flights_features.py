"""The features of flights know what was known two hours before departure, and nothing later."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from infra.plugins import resolve
from infra.settings import PROJECT
from tasks.metrics import roc_auc
from tasks.spec import ModelSpec, load_spec
from tests.support.feeds import declared_frames

FOLDER = PROJECT / "deployments" / "flights"
FORBIDDEN = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"}
CLOCK = ["origin", "time_hour", "year", "month", "day", "hour"]
"""Where and when the weather was; all other columns of its table are features."""

DAYS = ["2013-02-08", "2013-07-10", "2013-11-03", "2013-12-31"]
"""A snowstorm that cancelled half of all flights, a plain day, the end of summer time, a gap."""

Frames = dict[str, pd.DataFrame]
Builder = Callable[[Frames, str], pd.DataFrame]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    """The declaration."""
    return load_spec("flights", PROJECT / "deployments")


@pytest.fixture(scope="module")
def build(spec: ModelSpec) -> Builder:
    """The declared builder."""
    return resolve(FOLDER, spec.features.builder)


@pytest.fixture(scope="module")
def feed(spec: ModelSpec) -> Frames:
    """The five tables of 2013."""
    return declared_frames("flights", spec.data)


@pytest.fixture(scope="module")
def year(build: Builder, feed: Frames) -> pd.DataFrame:
    """The features of all flights of 2013."""
    return build(feed, "2013")


def around(feed: Frames, day: str) -> Frames:
    """The tables with two days before and after a day."""
    moment = pd.Timestamp(day, tz="America/New_York")
    near = {
        name: feed[name][
            feed[name]["time_hour"].between(
                moment - pd.Timedelta(days=2), moment + pd.Timedelta(days=3)
            )
        ]
        for name in ("flights", "weather")
    }
    return {**feed, **near}


def scrambled_after(feed: Frames, moment: pd.Timestamp, draw: np.random.Generator) -> Frames:
    """The tables with another future: everything that was not known at a moment is made up."""
    flights = feed["flights"].copy()
    weather = feed["weather"].copy()
    due = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    left = due + pd.to_timedelta(flights["dep_delay"].astype("float64"), unit="min")
    count = len(flights)

    # Not due yet: cancelled, or leaves later. Due but at the gate: leaves after the moment.
    coming = (due > moment) & ~(left <= moment)  # some leave before they are due
    waiting = (due <= moment) & (left > moment)
    gone = coming & (draw.random(count) < 0.3)
    overdue = (moment - due).dt.total_seconds() / 60
    delays = overdue.clip(lower=0) + draw.integers(1, 300, count)
    flights["dep_delay"] = numbers(flights["dep_delay"]).mask(coming | waiting, delays.mask(gone))
    flights["dep_time"] = numbers(flights["dep_time"]).mask(gone).where(~coming | gone, 1200.0)
    # What left less than half an hour ago has not arrived: no flight is that short.
    unseen = coming | waiting | (left > moment - pd.Timedelta(minutes=30))
    for column in ("arr_delay", "arr_time", "air_time"):
        made_up = pd.Series(draw.integers(1, 900, count).astype("float64"), index=flights.index)
        made_up = made_up.mask(draw.random(count) < 0.2)
        flights[column] = numbers(flights[column]).mask(unseen, made_up)
    flights["tailnum"] = flights["tailnum"].mask(coming, "N00000")

    later = weather["time_hour"] > moment
    for column in weather.columns.difference(CLOCK):
        noise = pd.Series(draw.normal(50, 30, len(weather)), index=weather.index)
        weather[column] = numbers(weather[column]).mask(later, noise)
    return {**feed, "flights": flights, "weather": weather}


def numbers(values: pd.Series) -> "pd.Series[float]":
    """A column as floats, whatever integers it came as."""
    return values.astype("float64")


def same_rows(frame: pd.DataFrame, like: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """The rows of a frame that bear the keys of another, in its order."""
    return like[list(key)].merge(frame, on=list(key), how="left", validate="one_to_one")


@pytest.mark.parametrize("day", DAYS)
def test_no_feature_moves_when_the_future_is_changed(
    day: str, spec: ModelSpec, build: Builder, feed: Frames
) -> None:
    """Outcomes not known and weather not seen at prediction time are made up; nothing changes."""
    draw = np.random.default_rng(20130101)
    near, key, columns = around(feed, day), spec.features.key, list(spec.features.columns)
    truth = build(near, day)
    moments = draw.choice(truth["prediction_time"].unique(), size=6, replace=False)

    for moment in pd.DatetimeIndex(moments):
        asked = truth[truth["prediction_time"] == moment].reset_index(drop=True)
        other = same_rows(build(scrambled_after(near, moment, draw), day), asked, key)

        pd.testing.assert_frame_equal(other[columns], asked[columns])


def test_features_do_move_when_the_known_past_is_changed(build: Builder, feed: Frames) -> None:
    """Otherwise the test of the future could not fail."""
    near = around(feed, "2013-07-10")
    delayed = near["flights"].assign(dep_delay=near["flights"]["dep_delay"] + 7)
    warmer = near["weather"].assign(temp=near["weather"]["temp"] + 7)

    truth = build(near, "2013-07-10")
    other = build({**near, "flights": delayed, "weather": warmer}, "2013-07-10")

    assert not truth["origin_delay3h"].equals(other["origin_delay3h"])
    assert ((other["temp"] - truth["temp"]).dropna().round(6) == 7).all()


def test_nothing_that_is_known_later_is_a_feature(spec: ModelSpec) -> None:
    """``tailnum`` is null for cancelled flights only, so its nulls alone would give them away."""
    assert not FORBIDDEN & set(spec.features.columns)
    assert len(spec.features.columns) == 21


def test_every_flight_has_one_row_whose_label_is_known_after_its_prediction(
    spec: ModelSpec, year: pd.DataFrame
) -> None:
    """336,776 flights; the times between prediction and label are those that were measured."""
    waits = (year["label_time"] - year["prediction_time"]).dt.total_seconds() / 3600

    assert len(year) == 336_776
    assert not year.duplicated(list(spec.features.key)).any()
    assert round(year["disrupted"].mean(), 3) == 0.266
    assert waits.min() > 0
    assert waits.quantile([0.5, 0.95, 0.99, 1.0]).round(1).tolist() == [4.8, 8.4, 10.1, 34.7]


def test_label_rules_hold_for_the_cancelled_the_diverted_and_the_late(
    spec: ModelSpec, year: pd.DataFrame, feed: Frames
) -> None:
    """8,255 cancelled are known at departure, 1,175 diverted six hours after their arrival."""
    rows = year.merge(feed["flights"][[*spec.features.key, "dep_time", "arr_delay"]])
    cancelled, diverted = (
        rows["dep_time"].isna(),
        rows["dep_time"].notna() & rows["arr_delay"].isna(),
    )
    flown = rows[rows["arr_delay"].notna()]

    assert (int(cancelled.sum()), int(diverted.sum())) == (8255, 1175)
    assert (rows.loc[cancelled, "label_time"] == rows.loc[cancelled, "event_time"]).all()
    waits = rows.loc[diverted, "label_time"] - rows.loc[diverted, "event_time"]
    planned = pd.to_timedelta(rows.loc[diverted, "sched_elapsed"], unit="min")
    assert (waits - planned == pd.Timedelta(hours=6)).all()
    assert (flown["disrupted"] == (flown["arr_delay"] >= 15)).all()
    assert (rows.loc[cancelled | diverted, "disrupted"] == 1).all()


def test_lags_and_weather_equal_a_plain_computation_row_by_row(
    build: Builder, feed: Frames
) -> None:
    """Forty flights of the snowstorm, each computed from the definition without any index."""
    near = around(feed, "2013-02-08")
    rows = build(near, "2013-02-08").sample(40, random_state=1)
    flights, weather = near["flights"], near["weather"]
    measured = weather.columns.difference(CLOCK).tolist()
    due = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    left = due + pd.to_timedelta(flights["dep_delay"].astype("float64"), unit="min")

    for row in rows.to_dict("records"):
        moment = row["prediction_time"]
        span = (left <= moment) & (left > moment - pd.Timedelta(hours=3))
        plan = (due <= moment) & (due > moment - pd.Timedelta(hours=6))
        here = flights["origin"] == row["origin"]
        seen = weather[(weather["origin"] == row["origin"]) & (weather["time_hour"] <= moment)]
        expected = [
            flights.loc[span & here, "dep_delay"].astype("float64").mean(),
            flights.loc[span & (flights["carrier"] == row["carrier"]), "dep_delay"]
            .astype("float64")
            .mean(),
            flights.loc[plan & here, "dep_time"].isna().mean(),
            *seen.sort_values("time_hour")[measured].iloc[-1].astype("float64"),
        ]
        lags = ("origin_delay3h", "carrier_delay3h", "origin_cancel6h", *measured)
        found = [row[name] for name in lags]
        np.testing.assert_allclose(
            np.array(found, dtype=float), np.array(expected, dtype=float), equal_nan=True
        )


def test_weather_older_than_six_hours_is_no_weather(build: Builder, feed: Frames) -> None:
    """The last observation of the year is of the evening of 30 December."""
    near = around(feed, "2013-12-30")
    rows = pd.concat([build(near, day) for day in ("2013-12-30", "2013-12-31")])

    age = rows["prediction_time"] - near["weather"]["time_hour"].max()
    assert rows.loc[age > pd.Timedelta(hours=6), "temp"].isna().all()
    assert rows.loc[age <= pd.Timedelta(hours=6), "temp"].notna().all()
    assert (age > pd.Timedelta(hours=6)).sum() > 700


def test_the_hour_that_comes_twice_doubles_no_flight(build: Builder, feed: Frames) -> None:
    """On 3 November three stations have two observations of local hour 1."""
    rows = build(around(feed, "2013-11-03"), "2013-11-03")

    flights = feed["flights"]
    assert len(rows) == ((flights["month"] == 11) & (flights["day"] == 3)).sum()


def test_a_window_is_the_same_alone_as_in_the_year(
    spec: ModelSpec, build: Builder, feed: Frames, year: pd.DataFrame
) -> None:
    """One window of lookback is enough: no lag or observation reaches further back."""
    months = {name: feed[name][feed[name]["month"].isin([3, 4])] for name in ("flights", "weather")}

    april = build({**feed, **months}, "2013-04")

    expected = year[year["month"] == 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(april, expected)
    assert spec.features.lookback == 1


def fitted(spec: ModelSpec, rows: pd.DataFrame, columns: Sequence[str]) -> Any:  # noqa: ANN401 - any estimator
    """The declared trainer, fitted."""
    trainer = resolve(FOLDER, spec.training.trainer)
    model = trainer(spec.training.parameters, spec.features.categorical, spec.training.seed)
    return model.fit(rows[list(columns)], rows["disrupted"])


def auc(model: Any, rows: pd.DataFrame, columns: Sequence[str]) -> float:  # noqa: ANN401 - any estimator
    """ROC AUC of a model on rows."""
    return roc_auc(rows["disrupted"].to_numpy(), model.predict_proba(rows[list(columns)])[:, 1])


def test_the_published_scores_come_out_again(spec: ModelSpec, year: pd.DataFrame) -> None:
    """Trained on January to March and never again, each month within 0.01 of what was measured."""
    published = {
        4: 0.690,
        5: 0.742,
        6: 0.744,
        7: 0.728,
        8: 0.704,
        9: 0.682,
        10: 0.674,
        11: 0.668,
        12: 0.727,
    }
    columns = spec.features.columns

    model = fitted(spec, year[year["month"] <= 3], columns)

    found = {month: auc(model, year[year["month"] == month], columns) for month in published}
    assert found == pytest.approx(published, abs=0.01)


def test_a_retrain_pays_in_may_as_published(spec: ModelSpec, year: pd.DataFrame) -> None:
    """Trained on January to April May says 0.771 instead of 0.742."""
    model = fitted(spec, year[year["month"] < 5], spec.features.columns)

    found = auc(model, year[year["month"] == 5], spec.features.columns)

    assert found == pytest.approx(0.771, abs=0.01)


def test_the_baseline_is_the_route_and_hour_table(year: pd.DataFrame) -> None:
    """0.636 in April, and it reads no label of the holdout."""
    predict = resolve(FOLDER, "baseline:predict")
    april = year[year["month"] == 4]

    scores = predict(year[year["month"] <= 3], april.drop(columns="disrupted"))

    assert scores.shape == (len(april),)
    assert ((scores > 0) & (scores < 1)).all()
    assert roc_auc(april["disrupted"].to_numpy(), scores) == pytest.approx(0.636, abs=0.01)


def test_a_leak_would_trip_the_gate(spec: ModelSpec, year: pd.DataFrame, feed: Frames) -> None:
    """With ``dep_delay`` left in April says 0.894, which is too good to be true."""
    rows = year.merge(feed["flights"][[*spec.features.key, "dep_delay"]])
    rows["dep_delay"] = rows["dep_delay"].astype("float64")
    columns = [*spec.features.columns, "dep_delay"]

    leaking = fitted(spec, rows[rows["month"] <= 3], columns)

    found = auc(leaking, rows[rows["month"] == 4], columns)
    assert spec.gates.too_good is not None
    assert found > spec.gates.too_good
    assert found == pytest.approx(0.894, abs=0.01)

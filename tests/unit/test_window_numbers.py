"""The numbers behind a verdict: one for each thing that is held to a limit, within it or beyond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from tasks.data.spec import LabelSpec
from tasks.monitoring.causes import Observation
from tasks.monitoring.drift import Drift, FeatureDrift
from tasks.monitoring.feed import Feed, Silence
from tasks.monitoring.observing import Watched, numbers
from tasks.monitoring.performance import Gap
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Champion, Ending, Incident, Predictions
from tests.support.subjects import bento, candidate

DAY = timedelta(days=1)
NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
FEATURE = FeatureDrift(
    psi=0.1,
    ks=0.1,
    new=0.0,
    missing=0.05,
    missing_before=0.02,
    importance=0.5,
    jensen_shannon=0.1,
    wasserstein=None,
    coarser=1.5,
)
WATCHED = Watched(
    predictions=Predictions(
        uri="", version=1, window="2013-05", rows=0, model="flights", model_version=2, digest="0f"
    ),
    champion=Champion(
        model="flights", version=2, since=NOON, candidate=candidate(2), bento=bento(2), entry="e"
    ),
    learned=None,
    features=None,
    window=pd.DataFrame(),
    holdout=pd.DataFrame(),
    since=0,
    usual_rows=None,
    label=LabelSpec(name="late", kind="binary"),
    metric="roc_auc",
)
QUIET = Observation(rows=1000, scored=1000, labelled=0)


def told(seen: Observation) -> dict[str, float]:
    """The numbers of a window whose labels have not come."""
    return numbers(WATCHED, seen, MonitoringSpec())


def test_a_quiet_window_has_a_number_for_each_thing_that_could_have_been_wrong() -> None:
    """A trend is drawn from the first window on, and not from the first that was beyond."""
    lost = replace(FEATURE, missing=0.01, stuck=True)
    drift = Drift({"hour": FEATURE, "temp": lost}, severity=0.1, novelty=0.0)
    gap = Gap(value=-0.01, predicted=0.2, happened=0.21, noise=0.01)

    found = told(replace(QUIET, drift=drift, gap=gap, usual_rows=800.0, age=90 * DAY))

    assert found == {
        "severity": 0.1,
        "novelty": 0.0,
        "staleness": 0.0,
        "calibration_gap": -0.01,
        "missing_rise": 0.05 - 0.02,
        "distinct_change": 1.5,
        "stuck_features": 1,
        "unscored": 0,
        "set_aside": 0,
        "impossible_rows": 0,
        "volume": 1.25,
        "unlabelled": 1,
        "champion_days": 90,
    }


def test_what_came_wrong_is_a_number_within_its_limit_too() -> None:
    """Rows without a prediction, what the contract set aside, and rows that cannot be."""
    odd = Feed(
        repeated=1,
        strangers=2,
        astray=3,
        foretold=4,
        early=5,
        gap=Silence(NOON, NOON + DAY / 4),
    )
    batch = Incident(window="2013-05", ending=Ending.QUARANTINE, rows=990, set_aside=10)

    found = told(replace(QUIET, scored=995, feed=odd, incident=batch))

    assert (round(found["unscored"], 6), found["set_aside"]) == (0.005, 0.01)
    assert (found["impossible_rows"], found["early"], found["silent_hours"]) == (10, 5, 6)


def test_a_window_without_rows_has_no_share_of_them() -> None:
    """Nothing is told of nothing; the champion's age is, for time goes on."""
    found = told(Observation(rows=0, scored=0, labelled=0, age=40 * DAY))

    assert found == {"champion_days": 40}

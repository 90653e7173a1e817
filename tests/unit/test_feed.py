"""How the predictions of a window came, and that what broke does not read as drift."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from infra.errors import ConfigError
from tasks.monitoring.causes import Observation
from tasks.monitoring.drift import Drift
from tasks.monitoring.feed import Feed, Silence, bounds, feed
from tasks.monitoring.rosters import Absence, absences, names_of
from tasks.monitoring.sketches.profiles import Profile, draw_profile
from tasks.monitoring.spec import MonitoringSpec, ObjectiveSpec, RosterSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action, VerdictCause
from tests.unit.test_psi import drift_of
from tests.unit.test_verdict import drift, performance, seen

PROMPT = ObjectiveSpec(within=timedelta(hours=2), share=0.99, gap=timedelta(hours=12))
SPEC = MonitoringSpec(objective=PROMPT)
APRIL = bounds("2013-04", "UTC")


def april(rows: int = 720) -> pd.DataFrame:
    """A row an hour, predicted two hours before it happens and one hour after that."""
    happened = pd.Timestamp("2013-04-01 02:00", tz="UTC") + np.arange(rows) * pd.Timedelta(hours=1)
    said = happened - pd.Timedelta(hours=2)
    return pd.DataFrame(
        {
            "carrier": np.array(["UA", "B6", "EV"])[np.arange(rows) % 3],
            "event_time": happened,
            "prediction_time": said,
            "label_time": happened + pd.Timedelta(hours=3),
            "scored_at": said + pd.Timedelta(hours=1),
            "prediction": 0.5,
        }
    )


def told(found: Observation, spec: MonitoringSpec = SPEC) -> list[VerdictCause]:
    """What is said beyond what rests."""
    return [each for each in judge(found, spec).causes if each.action is not Action.REST]


def month(**changes: object) -> Observation:
    """A month of which nothing but its rows is known."""
    quiet: dict[str, object] = {"rows": 720, "scored": 720, "labelled": 720}
    return Observation(**{**quiet, **changes})  # type: ignore[arg-type]  # fields by name


def test_a_window_that_came_in_time_has_nothing_to_tell() -> None:
    """Every prediction an hour after its time, none twice, none missing."""
    found = feed(april(), APRIL, PROMPT)

    assert found.gap is not None
    assert found.gap.length == timedelta(hours=1)
    assert (found.late, found.early, found.made, found.unsaid) == (0, 0, 720, None)
    assert told(month(feed=found)) == []


def test_predictions_that_stop_half_way_are_told_from_when_to_when() -> None:
    """Rows went on and predictions did not: the sentence says where that is."""
    frame = april()
    frame.loc[frame.index >= 360, "prediction"] = np.nan

    found = feed(frame, APRIL, PROMPT)
    missing, late = told(month(scored=360, labelled=360, feed=found))

    assert missing.kind == "missing"
    assert missing.sentence == (
        "360 of 720 rows (50.0%) have no prediction; 1.0% may. All of them are from "
        "2013-04-16 00:00 UTC to 2013-04-30 23:00 UTC."
    )
    assert (late.kind, late.sentence) == (
        "late",
        (
            "No prediction for 15 days, from 2013-04-15 23:00 UTC to 2013-05-01 00:00 UTC; "
            "12 hours may pass without one."
        ),
    )


def test_rows_that_stop_are_a_gap_too() -> None:
    """Nothing came any more, so nothing is missing beside anything: the window's end tells."""
    found = feed(april(rows=360), APRIL, PROMPT)

    assert found.unsaid is None
    assert found.gap == Silence(
        datetime(2013, 4, 15, 23, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)
    )


def test_predictions_made_too_late_alert_with_share_and_the_last_of_them() -> None:
    """A tenth of them came three hours after their time, where two are allowed."""
    frame = april()
    frame.loc[frame.index % 10 == 0, "scored_at"] += pd.Timedelta(hours=2)

    [late] = told(month(feed=feed(frame, APRIL, PROMPT)))

    assert (late.kind, late.action, late.rows) == ("late", Action.ALERT, 72)
    assert late.weight == pytest.approx(0.9)
    assert late.sentence == (
        "72 of 720 predictions (10.0%) were made more than 2 hours after their time, the last "
        "3 hours after it; 1.0% may."
    )


def test_a_prediction_before_its_time_is_a_clock_that_is_wrong() -> None:
    """It was made with less than it should know, or one of two clocks is off."""
    frame = april()
    frame.loc[:4, "scored_at"] -= pd.Timedelta(hours=2)

    [early] = told(month(feed=feed(frame, APRIL, None)), MonitoringSpec())

    assert "5 of 720 predictions were made before their time" in early.sentence


def test_what_is_said_to_be_made_after_the_time_of_looking_is_told_without_any_objective() -> None:
    """A clock says 2031, and rows that happen next week are planned or another such clock."""
    frame = april()
    frame.loc[:8, "scored_at"] = pd.Timestamp("2031-01-01", tz="UTC")

    after, amid = (
        feed(frame, APRIL, None, as_of=datetime(2013, month, 11, tzinfo=UTC)) for month in (5, 4)
    )

    assert (after.ahead, after.to_come) == (9, 0)
    assert (amid.ahead, amid.to_come) == (9 + 480, 481)
    assert any("9 predictions were made, or due" in e.sentence for e in told(month(feed=after)))


def test_a_time_that_has_not_come_is_no_outage() -> None:
    """Looked at on the ninth, a month has no gap until the tenth."""
    frame = april(rows=8 * 24)

    amid = feed(frame, APRIL, PROMPT, as_of=datetime(2013, 4, 9, 6, tzinfo=UTC))

    assert amid.gap is not None
    assert amid.gap.length == timedelta(hours=7)
    assert amid.length == timedelta(days=8, hours=6)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Feed(repeated=1), "1 prediction is of a row that has one already"),
        (Feed(repeated=3), "3 predictions are of a row that has one already"),
        (Feed(strangers=4), "4 predictions are of rows that the window does not have"),
        (Feed(astray=5), "5 rows were neither predicted nor happened within the window"),
        (Feed(foretold=6), "6 labels were known before their rows were predicted"),
        (Feed(ahead=7), "7 predictions were made, or due, after the time of looking"),
    ],
)
def test_what_cannot_be_alerts_beyond_one_in_a_thousand(found: Feed, sentence: str) -> None:
    """Duplicates, strangers, clocks that are off, labels before predictions."""
    [fault] = told(month(feed=found), MonitoringSpec())
    [few] = [each for each in judge(month(rows=9_000, feed=found), SPEC).causes if each.rows < 9]

    assert (fault.kind, fault.action) == ("quality", Action.ALERT)
    assert sentence in fault.sentence
    assert (few.action, few.weight) == (Action.REST, 0)


def test_times_that_cannot_be_are_counted() -> None:
    """Rows of another month and labels from before; a forecast across the window's end is fine."""
    frame = april()
    frame.loc[:2, ["event_time", "prediction_time"]] -= pd.Timedelta(days=3)
    frame.loc[5:9, "label_time"] = frame.loc[5:9, "prediction_time"] - pd.Timedelta(minutes=1)
    frame.loc[700:, "event_time"] += pd.Timedelta(days=14)

    found = feed(frame, APRIL, None)

    assert (found.astray, found.foretold) == (3, 5)
    assert feed(frame, None, None).astray == 0


def test_a_window_without_rows_or_times_is_no_error() -> None:
    """Nothing is told of what is not there, but that a whole window is silent."""
    untimed = april().drop(columns=["prediction_time", "scored_at"])
    silent = feed(april().head(0), APRIL, PROMPT)

    assert silent == Feed(gap=silent.gap, length=timedelta(days=30))
    assert silent.gap is not None
    assert silent.gap.length == timedelta(days=30)
    assert feed(untimed, APRIL, PROMPT, repeated=2) == Feed(repeated=2)
    assert feed(april(1), APRIL, PROMPT).made == 1


def test_who_of_a_roster_has_no_prediction_is_named() -> None:
    """EV flew and was not predicted, OO is not there at all."""
    frame = april()
    frame.loc[frame["carrier"] == "EV", "prediction"] = np.nan
    roster = RosterSpec(column="carrier", names=("UA", "B6", "EV", "OO"))

    [found] = absences(frame, [(roster, frozenset(roster.names))])
    [absent] = [
        each
        for each in told(month(absences=(found,)), MonitoringSpec())
        if each.kind == "missing"
    ]  # fmt: skip

    assert found == Absence("carrier", ("EV", "OO"), rows=240, roster=4, may_miss=0)
    assert absent.sentence == (
        "2 of the 4 entities of the roster carrier have no prediction: EV, OO. Their 240 rows are "
        "there."
    )


def test_who_of_a_roster_went_silent_is_named_with_when() -> None:
    """UA was predicted until the tenth, and the others to the end."""
    frame = april()
    stopped = (frame["carrier"] == "UA") & (frame["prediction_time"] >= "2013-04-10")
    roster = RosterSpec(column="carrier", names=("UA", "B6"), gap=timedelta(days=2))

    [found] = absences(frame[~stopped], [(roster, frozenset(roster.names))], within=APRIL)
    [silent] = told(month(absences=(found,)), MonitoringSpec())
    [patient] = absences(
        frame[~stopped],
        [(roster.model_copy(update={"gap": timedelta(days=30)}), frozenset(roster.names))],
        within=APRIL,
    )

    assert (found.names, patient.silent) == ((), ())
    assert silent.kind == "late"
    assert silent.sentence.startswith(
        "1 of the 2 entities of the roster carrier had no prediction for more than 2 days: UA 2"
    )
    assert found.silent_share == pytest.approx(0.35, abs=0.02)


def test_names_of_numbers_are_compared_as_numbers() -> None:
    """A missing value makes floats of a column, and nobody writes 1.0 into a roster."""
    frame = pd.DataFrame({"line": [0.0, 1.0, np.nan], "prediction": [0.5, 0.5, 0.5]})
    roster = RosterSpec(column="line", names=("0", "1.0", "7"))

    [found] = absences(frame, [(roster, frozenset(roster.names))])

    assert found.names == ("7",)
    assert found.share == pytest.approx(1 / 3)


def test_as_many_as_may_be_missing_rest() -> None:
    """A roster may say that some of it comes and goes."""
    gone = Absence("carrier", ("OO",), rows=0, roster=4, may_miss=1)

    assert told(month(absences=(gone,))) == []


def test_a_roster_is_named_filed_or_learned(tmp_path: Path) -> None:
    """Of what was learned those count that such a window would have twenty rows of."""
    (tmp_path / "carriers.csv").write_text("carrier,name\nUA,United\nB6,JetBlue\n,none\n")
    named = RosterSpec(column="carrier", names=("UA",))
    filed = RosterSpec(column="carrier", file="carriers.csv")
    rows = pd.DataFrame({"carrier": ["UA"] * 900 + ["OO"] * 5, "hour": 1.0})
    profile = profile_of(rows)

    assert names_of(named, tmp_path, None, 720) == {"UA"}
    assert names_of(filed, tmp_path, None, 720) == {"UA", "B6"}
    assert names_of(RosterSpec(column="carrier"), tmp_path, profile, 905) == {"UA"}
    assert names_of(RosterSpec(column="carrier"), tmp_path, profile, 9050) == {"UA", "OO"}
    assert names_of(RosterSpec(column="carrier"), tmp_path, None, 905) == frozenset()


def test_a_roster_that_nothing_fills_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A number has no names, a file must have the column, and both at once contradict."""
    (tmp_path / "other.csv").write_text("name\nUnited\n")
    profile = profile_of(pd.DataFrame({"carrier": ["UA"] * 9, "hour": 1.0}))

    with pytest.raises(ConfigError, match="hour is no categorical feature"):
        names_of(RosterSpec(column="hour"), tmp_path, profile, 9)
    with pytest.raises(ConfigError, match=r"other\.csv has no column carrier"):
        names_of(RosterSpec(column="carrier", file="other.csv"), tmp_path, None, 9)
    with pytest.raises(ValidationError, match="names or a file, not both"):
        RosterSpec(column="carrier", names=("UA",), file="other.csv")
    with pytest.raises(ValidationError, match="file"):
        RosterSpec(column="carrier", file="../elsewhere.csv")


def profile_of(rows: pd.DataFrame) -> Profile:
    """What is on record of a model that learned from some rows."""
    batches = pa.Table.from_pandas(rows, preserve_index=False).to_batches()
    return draw_profile(lambda: batches, ["carrier", "hour"], ["carrier"], seed=1)[0]


FAULTS = {
    "predictions that stopped": {"scored": 10_000, "labelled": 10_000},
    "a carrier that is gone": {"absences": (Absence("carrier", ("EV",), 0, 16, 0, usual=0.3),)},
    "half of the rows": {"usual_rows": 45_000.0},
    "an outage": {
        "feed": Feed(
            gap=Silence(datetime(2013, 4, 3, tzinfo=UTC), datetime(2013, 4, 9, tzinfo=UTC))
        )
    },
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_moved_beside_a_broken_feed_is_told_and_does_not_read_as_drift(
    fault: dict[str, object],
) -> None:
    """Novelty, stale features and predictions that moved: the fault comes first, no training."""
    moved = {"drift": drift(0.6, 0.6, psi=4.0, new=0.6), "prediction_psi": 0.9, "staleness": 2.0}

    verdict = judge(seen(**moved, **fault), SPEC)

    assert verdict.action is Action.ALERT
    assert verdict.reasons[0].startswith("The feed is at fault")
    assert verdict.causes[0].kind in {"missing", "volume", "late"}
    assert {each.kind for each in verdict.causes} >= {"novelty", "predictions"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_champion_that_fails_beside_a_broken_feed_is_a_question(
    fault: dict[str, object],
) -> None:
    """Labels tell that it does worse, and nobody can tell why: a person decides."""
    verdict = judge(seen(performance=performance(0.66), **fault), SPEC)

    assert verdict.action is Action.ASK
    assert verdict.reasons[0].startswith("A training now would learn the fault of the data")


def test_overdue_labels_explain_nothing_that_moved() -> None:
    """Labels that are missing move no feature: what lies beyond the training data still counts."""
    late = seen(labelled=15_000, drift=drift(0.1, 0.5, psi=6.0, new=0.48))

    assert judge(late, SPEC).action is Action.ASK


def stuck(values: pd.DataFrame) -> Drift:
    """A window against a training of two columns: many temperatures, and three places."""
    draws = np.random.default_rng(1)
    before = pd.DataFrame(
        {"temp": draws.normal(size=3000), "origin": draws.choice(["EWR", "JFK", "LGA"], 3000)}
    )
    return drift_of(before, values, ["origin"])


def test_a_column_with_one_single_value_is_broken_and_not_drift() -> None:
    """A sensor that says 0.1 all month: far from the training, and no change of the world."""
    draws = np.random.default_rng(2)
    origins = draws.choice(["EWR", "JFK", "LGA"], 500)
    frozen = stuck(pd.DataFrame({"temp": np.full(500, 0.1), "origin": origins}))

    verdict = judge(seen(drift=frozen), MonitoringSpec())

    assert verdict.action is Action.ALERT
    assert verdict.causes[0].kind == "quality"
    assert verdict.causes[0].sentence.startswith("One single value in all rows: temp;")
    allowed = MonitoringSpec(may_stand_still=("temp",))
    assert "quality" not in {each.kind for each in judge(seen(drift=frozen), allowed).causes}


def test_names_stand_still_too_and_what_was_mostly_so_may() -> None:
    """One airport in all rows is broken; a value that most of the training had is not."""
    draws = np.random.default_rng(3)
    temps, origins = draws.normal(size=500), np.full(500, "EWR")
    some = stuck(pd.DataFrame({"temp": temps, "origin": origins}))
    rainless = pd.DataFrame({"rain": np.where(np.arange(3000) % 3, 0.0, 1.0)})
    dry = drift_of(rainless, pd.DataFrame({"rain": np.zeros(500)}))

    assert (some.features["temp"].stuck, some.features["origin"].stuck) == (False, True)
    assert not dry.features["rain"].stuck
    assert not stuck(pd.DataFrame({"temp": temps[:9], "origin": origins[:9]})).features[
        "origin"
    ].stuck  # fmt: skip

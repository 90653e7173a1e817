"""Windows that came broken, watched whole: each has a verdict that says what is wrong with it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from infra.errors import ConfigError
from tasks.monitoring import report
from tasks.monitoring.reporting import folder_of
from tasks.monitoring.spec import MonitoringSpec, ObjectiveSpec, RosterSpec, SliceSpec
from tasks.references import Action, Conclusion, DriftVerdict
from tests.support.feature_tables import bare_home
from tests.support.rides import ROWS, Edit, World

DECLARED = MonitoringSpec(
    report_rows=300,
    rosters=(RosterSpec(column="origin"),),
    objective=ObjectiveSpec(within=timedelta(days=2)),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, whose servers are only named."""
    with bare_home(tmp_path / "home") as folder:
        yield folder


def kinds(verdict: DriftVerdict) -> list[str]:
    """The kinds of causes beyond their limits."""
    return [each.kind for each in verdict.causes if each.action is not Action.REST]


def first_half(rows: pd.DataFrame) -> pd.DataFrame:
    """What was said until it stopped."""
    return rows.head(len(rows) // 2)


def test_predictions_that_stopped_half_way_are_an_outage() -> None:
    """From the middle of the window on nobody was answered, and the features moved by then."""
    world = World(edit=lambda rows: rows.assign(hour=rows["hour"] + (rows.index > ROWS // 2) * 4))

    verdict = world.verdict(world.predictions(edit=first_half))

    assert verdict.action in {Action.ALERT, Action.ASK}
    assert kinds(verdict)[0] == "missing"
    assert f"{ROWS // 2:,} of {ROWS:,} rows (50.0%) have no prediction" in " ".join(verdict.reasons)
    assert "All of them are from 2013-04-02 10:30 UTC to" in " ".join(verdict.reasons)


def test_a_feed_that_lost_an_entity_names_it() -> None:
    """No ride of JFK came: half of a column is gone, and nothing of the world has changed."""
    lost: Edit = lambda rows: rows[rows["origin"] != "JFK"].reset_index(drop=True)  # noqa: E731 - an edit is a value
    world = World(edit=lost)

    verdict = world.verdict(declared=DECLARED)

    assert verdict.action is Action.ALERT
    assert kinds(verdict)[0] == "missing"
    assert verdict.absent == {"origin": ("JFK",)}
    assert verdict.metrics["absent"] == 1
    assert any("has no prediction: JFK" in reason for reason in verdict.reasons)


def test_a_column_that_stands_still_is_a_broken_one() -> None:
    """Its values lie where they always lay, only there is but one."""
    verdict = World(edit=lambda rows: rows.assign(hour=0.0, late=rows["late"])).verdict()

    assert kinds(verdict)[0] == "quality" or verdict.action is Action.ASK
    assert any("One single value in all rows: hour" in reason for reason in verdict.reasons)


def test_a_row_that_was_predicted_twice_counts_once() -> None:
    """The earliest prediction stands; the others are told, and so are those of no row."""
    made = pd.Timestamp("2013-05-01", tz="UTC")

    def twice(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.assign(scored_at=made)
        again = rows.head(7).assign(prediction=0.0, scored_at=made + pd.Timedelta(days=1))
        unknown = rows.head(3).assign(ride=["a", "b", "c"])
        return pd.concat([rows, again, unknown])

    world = World()

    verdict, plain = world.verdict(world.predictions(edit=twice)), World().verdict()

    told = " ".join(verdict.reasons)
    assert verdict.action is Action.ALERT
    assert "7 predictions are of a row that has one already" in told
    assert "3 predictions are of rows that the window does not have" in told
    assert (verdict.rows, verdict.metrics["roc_auc"]) == (ROWS, plain.metrics["roc_auc"])


def test_an_attempt_that_brought_nothing_is_no_prediction() -> None:
    """The first try failed and the second came: nothing is missing, and nothing is there twice."""
    made = pd.Timestamp("2013-05-01", tz="UTC")

    def again(rows: pd.DataFrame) -> pd.DataFrame:
        first = rows.head(400).assign(prediction=np.nan, scored_at=made)
        return pd.concat([first, rows.assign(scored_at=made + pd.Timedelta(days=1))])

    world = World()

    verdict = world.verdict(world.predictions(edit=again))

    assert verdict.action is Action.REST
    assert not any("prediction" in reason for reason in verdict.reasons)


def test_a_feed_that_broke_inside_of_its_values_starts_no_training() -> None:
    """A sensor says -99 for 40 % of the month, and a system writes its places in small letters."""
    dead = World(edit=lambda rows: rows.assign(hour=rows["hour"].where(rows.index > 600, -99.0)))
    small = World(edit=lambda rows: rows.assign(origin=rows["origin"].str.lower()))

    asked, told = dead.verdict(), small.verdict()

    assert asked.action is Action.ASK
    assert any("One value in many rows: hour -99 in 4" in reason for reason in asked.reasons)
    assert told.action is Action.ALERT
    assert "'ewr' for 'EWR', 'jfk' for 'JFK'" in " ".join(told.reasons)


def test_predictions_are_held_to_the_time_at_which_they_were_made() -> None:
    """All of them came three days late, as of when they were made."""
    world = World()
    times = world.frames["2013-04"]["prediction_time"]

    late = world.predictions(edit=lambda rows: rows.assign(scored_at=times + pd.Timedelta(days=3)))
    verdict = world.verdict(late, declared=DECLARED)

    assert kinds(verdict) == ["late"]
    assert verdict.metrics["late"] == 1
    assert verdict.reasons[0] == (
        f"{ROWS:,} of {ROWS:,} predictions (100.0%) were made more than 2 days after their time, "
        "the last 3 days after it; 1.0% may."
    )


def test_labels_from_before_their_predictions_foretell_nothing() -> None:
    """What was known already cannot have been predicted: somebody's clock or join is wrong."""
    world = World(
        edit=lambda rows: rows.assign(label_time=rows["prediction_time"] - pd.Timedelta(hours=1))
    )

    verdict = world.verdict()

    assert kinds(verdict)[0] == "quality"
    assert f"{ROWS:,} labels were known before their rows were predicted" in verdict.reasons[0]


def test_rows_of_another_month_are_a_clock_that_is_wrong() -> None:
    """A window of April holds rows of 1970."""
    times = ["event_time", "prediction_time", "label_time"]

    def skewed(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[rows.index[:5], times] = pd.Timestamp(0, tz="UTC")
        return rows

    verdict = World(edit=skewed).verdict()

    assert kinds(verdict) == ["quality"]
    assert verdict.reasons[0].startswith("5 rows were neither predicted nor happened within")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (0, "The window has no rows."),
        (1, "The window has 1 row; fewer than 200 are not judged; 1,452 are usual."),
    ],
)
def test_a_window_of_no_row_or_one_says_so(rows: int, sentence: str) -> None:
    """Everything that is declared can be told of it, and nothing raises."""
    verdict = World(rows=rows).verdict(declared=DECLARED)

    assert verdict.action is Action.ALERT
    assert sentence in verdict.reasons
    assert verdict.rows == rows
    assert verdict.absent
    assert verdict.unjudged


def test_a_window_of_nulls_alone_says_what_is_missing() -> None:
    """Features, labels and predictions are all null: three sentences and no exception."""
    world = World(
        edit=lambda rows: rows.assign(
            hour=np.nan, origin=None, late=rows["late"].astype("float64") * np.nan,
            label_time=rows["label_time"].where(rows.index < 0),
        )
    )  # fmt: skip
    silent = world.predictions(edit=lambda rows: rows.assign(prediction=np.nan))

    verdict = world.verdict(silent, declared=DECLARED)

    told = " ".join(verdict.reasons)
    assert verdict.action is Action.ALERT
    assert "Missing values rose by more than 20%: hour 0% to 100%, origin 0% to 100%" in told
    assert f"{ROWS:,} of {ROWS:,} rows (100.0%) have no prediction" in told
    assert "2 of the 2 entities of the roster origin have no prediction: EWR, JFK" in told


def test_a_version_without_a_profile_says_what_it_cannot_be_asked() -> None:
    """Nobody knows who it learned from, so that a roster of theirs is not judged."""
    world = World()
    world.profiled(kept=False)

    verdict = world.verdict(declared=DECLARED)

    assert verdict.action is Action.ALERT
    assert verdict.unjudged == (
        "Drift, data quality: version 1 has no profile.",
        "Lateness: no prediction says when it was made.",
        "Roster origin: nobody stands in it.",
    )


def test_slices_are_told_in_the_verdict_and_on_the_page() -> None:
    """A column that only the feature table knows is held to the whole holdout."""
    declared = MonitoringSpec(report_rows=300, slices=SliceSpec(columns=("origin",)))

    verdict = World().verdict(declared=declared)

    report.fn(verdict, Conclusion(action=verdict.action))
    folder = folder_of("rides", verdict.window, verdict.digest)
    page = (folder / "index.html").read_text()
    width = int.from_bytes((folder / "picture.png").read_bytes()[16:20], "big")
    assert {(each.column, each.value) for each in verdict.slices} == {
        ("origin", "EWR"),
        ("origin", "JFK"),
    }
    assert verdict.action is Action.REST
    assert "<td>origin=EWR</td>" in page
    assert width == round(3 * 5.5 * 110)


def test_a_roster_of_a_column_that_is_not_there_is_a_mistake_of_the_declaration() -> None:
    """The message names it before anything is read."""
    declared = MonitoringSpec(rosters=(RosterSpec(column="carrier", names=("UA",)),))

    with pytest.raises(ConfigError, match="names carrier, which the features of rides do not hold"):
        World().verdict(declared=declared)

"""Labels by the age of their rows, and those that are overdue."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tasks.data.spec import LabelSpec
from tasks.monitoring.causes import Observation
from tasks.monitoring.coverage import Coverage, coverage, span
from tasks.monitoring.feed import bounds
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action, LabelCoverage, VerdictCause

SPEC = MonitoringSpec()
CLOSED = datetime(2013, 5, 1, 6, tzinfo=UTC)


def april(labelled: int, rows: int = 3000) -> pd.DataFrame:
    """A month of predictions, of which the oldest have a label."""
    happened = pd.Timestamp("2013-04-01", tz="UTC") + np.arange(rows) * pd.Timedelta(days=30) / rows
    late = np.where(np.arange(rows) < labelled, 1.0, np.nan)
    return pd.DataFrame({"event_time": happened, "late": late, "prediction": 0.5})


def covered(
    frame: pd.DataFrame,
    as_of: datetime = CLOSED,
    window: str = "2013-04",
    delay: timedelta = timedelta(hours=2),
) -> Coverage:
    """What is told of a frame of New York."""
    label = LabelSpec(name="late", kind="binary", delay=delay)
    found = coverage(frame, label, bounds(window, "America/New_York"), as_of)
    assert found is not None
    return found


def told(found: Coverage, labelled: int, rows: int = 3000) -> VerdictCause | None:
    """What the verdict says of labels."""
    seen = Observation(rows=rows, scored=rows, labelled=labelled, coverage=found)
    return next((each for each in judge(seen, SPEC).causes if each.kind == "coverage"), None)


def test_a_window_is_parted_by_age_and_every_prediction_counts_once() -> None:
    """A month of labels that take two hours is told in steps of five days, the youngest first."""
    found = covered(april(labelled=1500))

    assert [each.least.days for each in found.ages] == [0, 5, 10, 15, 20, 25, 30]
    assert sum(each.rows for each in found.ages) == 3000
    assert sum(each.labelled for each in found.ages) == 1500
    assert [round(each.labelled / each.rows, 2) for each in found.ages] == [0, 0, 0, 0.95, 1, 1, 1]


def test_no_step_is_shorter_than_labels_take() -> None:
    """Labels that take a year part a survey of one day into one age of one to two years."""
    frame = april(0).assign(event_time=pd.Timestamp("2017-01-01", tz="UTC"))

    [age] = covered(
        frame, datetime(2018, 2, 1, tzinfo=UTC), "2017", timedelta(days=365)
    ).ages  # fmt: skip

    assert span(age) == "rows 365 to 730 days old"


def test_an_age_is_told_once_where_its_ends_read_alike() -> None:
    """A window of one row is a minute wide after two months."""
    age = LabelCoverage(
        least=timedelta(days=60, hours=21),
        most=timedelta(days=60, hours=21, minutes=1),
        rows=1,
        labelled=0,
        overdue=1,
    )

    assert span(age) == "rows about 60.9 days old"


def test_labels_are_overdue_by_the_windows_end_in_its_own_time_zone() -> None:
    """New York's April is over at 04:00 UTC, and its labels are due at 06:00."""
    frame = april(labelled=2000)

    before, after = (covered(frame, CLOSED + timedelta(hours=hours)) for hours in (0, 30))

    assert before.due == CLOSED
    assert (before.overdue, before.overdue_for) == (0, timedelta(0))
    assert (after.overdue, after.overdue_for) == (1000, timedelta(hours=30))


def test_rows_of_no_window_are_due_by_their_own_time() -> None:
    """Where there is one window only, each row's label is due so long after it happened."""
    frame = april(labelled=0)

    found = covered(frame, datetime(2013, 4, 16, tzinfo=UTC), "all", timedelta(days=5))

    assert found.overdue == pytest.approx(1000, abs=1)
    assert found.overdue_for == timedelta(days=10)


def test_labels_that_are_not_due_yet_are_told_and_do_not_alert() -> None:
    """A third of them is still on its way, as it should be; the sentence says until when."""
    said = told(covered(april(labelled=2000), delay=timedelta(days=8)), 2000)

    assert said is not None
    assert (said.action, said.weight) == (Action.REST, 0)
    assert said.sentence == (
        "1,000 of 3,000 predictions (33.3%) have no label yet; the last are due on 2013-05-09. "
        "Labelled are 0% of rows 0 to 8 days old, 72% of rows 8 to 16 days old and all of the "
        "others."
    )


@pytest.mark.parametrize(
    ("labelled", "sentence"),
    [
        (0, "None of the 3,000 predictions has a label yet; the last are due on 2013-06-10."),
        (100, "2,900 of 3,000 predictions (96.7%) have no label yet; the last are due on 2013-06"),
    ],
)
def test_that_no_label_is_due_yet_alerts_nobody(labelled: int, sentence: str) -> None:
    """Labels that take forty days are not there when the month is over: so it should be."""
    said = told(covered(april(labelled), delay=timedelta(days=40)), labelled)

    assert said is not None
    assert (said.action, said.weight) == (Action.REST, 0)
    assert said.sentence.startswith(sentence)


@pytest.mark.parametrize("labelled", [0, 100])
def test_labels_that_are_overdue_alert_however_few_have_come(labelled: int) -> None:
    """The same window a day after the forty are over."""
    late = covered(april(labelled), CLOSED + timedelta(days=41), delay=timedelta(days=40))

    said = told(late, labelled)

    assert said is not None
    assert said.action is Action.ALERT
    assert f"{3000 - labelled:,} are overdue, for up to 1.1 days." in said.sentence


def test_overdue_labels_alert_with_how_long_and_at_which_age() -> None:
    """A feed of labels that stopped on the 20th is seen where it stopped."""
    said = told(covered(april(labelled=2000), CLOSED + timedelta(days=3)), 2000)

    assert said is not None
    assert (said.action, said.rows) == (Action.ALERT, 1000)
    assert "5.0% may. 1,000 are overdue, for up to 3 days. Labelled are 0% of" in said.sentence


def test_a_window_without_any_label_says_since_when() -> None:
    """Nothing came within a year of its time."""
    said = told(covered(april(labelled=0), CLOSED + timedelta(days=365)), 0)

    assert said is not None
    assert said.sentence == (
        "None of the 3,000 predictions has a label yet. 3,000 are overdue, for up to 365 days."
    )


def test_without_times_or_predictions_there_is_no_coverage_to_tell() -> None:
    """Rows that nobody predicted have no age, and rows without a time have none either."""
    label = LabelSpec(name="late", kind="binary")
    unsaid = april(3000).assign(prediction=np.nan)

    assert coverage(unsaid, label, None, CLOSED) is None
    assert coverage(april(1).drop(columns="event_time"), label, None, CLOSED) is None


def test_ages_are_told_in_the_unit_that_fits() -> None:
    """Hours for a day's rows."""
    hours = timedelta(hours=4)
    age = LabelCoverage(least=hours, most=2 * hours, rows=1, labelled=1, overdue=0)

    assert span(age) == "rows 4 to 8 hours old"

"""Which window is judged again once its labels are due, by a real ledger."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import get_client

from infra.errors import DataError
from infra.ledger import Entry, Kind, Ledger
from tasks.data.spec import DataSpec, LabelSpec, TableSpec
from tasks.governance import follow, labels_due
from tasks.governance.policy_spec import PersistSpec, PolicySpec
from tasks.governance.taking_up import take_up
from tasks.packaging import find_predictions
from tasks.references import Action, Champion, Conclusion, DriftVerdict
from tests.support.concluded import DAY, followed, recorded, runs_of, seen
from tests.support.subjects import bento, candidate, drift

pytestmark = pytest.mark.usefixtures("ledger_beside_runs")

RUN = datetime(2024, 7, 1, 7, tzinfo=UTC)


def data(delay: timedelta, grain: str = "month") -> DataSpec:
    """A feed whose labels take a while."""
    label = LabelSpec(name="won", kind="binary", delay=delay)
    rides = TableSpec(path="rides.parquet", key=("ride",), columns={"ride": "string"})
    return DataSpec.model_validate({"grain": grain, "label": label, "tables": {"rides": rides}})


def on(model: str, window: str, as_of: datetime, **changes: object) -> DriftVerdict:
    """A verdict of a time on a window that asks for a training."""
    made = {"window": window, "as_of": as_of, "data_version": "v", "digest": f"{window}{as_of}"}
    return seen(model, 0).model_copy(update={**made, **changes})


def test_a_window_is_judged_again_once_when_its_labels_are_due(model: str) -> None:
    """April's are due on 10 June: a verdict before then, or of this very run, does not count."""
    late = data(40 * DAY)
    quiet = Conclusion(action=Action.REST)
    recorded(on(model, "2024-04", datetime(2024, 5, 1, 7, tzinfo=UTC)), quiet)
    recorded(on(model, "2024-05", datetime(2024, 6, 11, tzinfo=UTC)), quiet)

    found = labels_due.fn(model, late, RUN)
    recorded(on(model, "2024-04", RUN), quiet)
    again, later = labels_due.fn(model, late, RUN), labels_due.fn(model, late, RUN + DAY)

    assert (found, again, later) == (("2024-04",), ("2024-04",), ())
    assert labels_due.fn(model, late, datetime(2024, 8, 1, 7, tzinfo=UTC)) == ("2024-05",)


@pytest.mark.parametrize(
    ("delay", "grain"), [(timedelta(0), "month"), (timedelta(hours=6), "month"), (DAY, "all")]
)
def test_labels_that_come_before_the_run_make_no_second_window(
    delay: timedelta, grain: str
) -> None:
    """The newest window is judged by its labels at once, and rows without time have one window."""
    assert labels_due.fn("nobody", data(delay, grain), RUN) == ()


def test_labels_that_take_a_year_are_waited_for() -> None:
    """As those of employment: the survey of 2017 is known when 2018 is over."""
    yearly = data(365 * DAY, "year")

    found = labels_due.fn("nobody", yearly, datetime(2019, 2, 1, 11, 30, tzinfo=UTC))

    assert found == ("2017",)


def test_two_windows_of_a_run_start_one_training(model: str) -> None:
    """The older acts, the newer alerts and says why, also when the run is repeated."""
    older, newest = on(model, "2024-04", RUN), on(model, "2024-06", RUN)
    first = followed(older, PolicySpec())
    recorded(older, first)

    second = followed(newest, PolicySpec())
    recorded(newest, second)

    assert (first.action, second.action) == (Action.RETRAIN, Action.ALERT)
    assert second.why == ("The verdict on 2024-04 leads to retrain in the same run.",)
    assert (followed(older, PolicySpec()), followed(newest, PolicySpec())) == (first, second)


def test_a_window_counts_once_by_its_newest_verdict(model: str) -> None:
    """Judged first without labels and again with them, in this run or before, it is one window."""
    lasting = PolicySpec(persist=PersistSpec(least=3, of=3))
    alert = Conclusion(action=Action.ALERT)
    for window, as_of in (("2024-04", RUN - 60 * DAY), ("2024-05", RUN - 30 * DAY)):
        recorded(on(model, window, as_of), alert)
    quiet = on(model, "2024-04", RUN, causes=(), action=Action.REST)

    before = followed(on(model, "2024-06", RUN), lasting)
    recorded(quiet, Conclusion(action=Action.REST))
    after = followed(on(model, "2024-06", RUN), lasting)

    assert before.action is Action.RETRAIN
    assert after.action is Action.ALERT
    assert "2 of the last 3 windows (2024-05, 2024-06)" in after.why[0]


def test_what_a_freeze_held_for_the_older_window_of_a_run_starts_when_it_is_over(
    model: str,
) -> None:
    """The newest verdict is of another window, and asks for nothing."""
    with get_client(sync_client=True) as client:
        client.create_deployment(flow_id=client.create_flow_from_name("train"), name=model)
    older, newest = on(model, "2024-04", RUN), on(model, "2024-06", RUN)
    held = follow.fn(older, drift().as_of - 400 * DAY, None, PolicySpec(), "year end")
    recorded(older, held)
    recorded(newest, followed(newest, PolicySpec()))

    frozen, said, again = take_up(model, frozen=True), take_up(model), take_up(model)

    assert (held.held, frozen, again) == ("year end", "", "")
    assert said.endswith("the freeze is over that held it.")
    assert len(runs_of(model)) == 1


def test_a_window_of_before_any_champion_is_a_mistake_and_one_of_before_this_one_a_silence(
    model: str,
) -> None:
    """By the first promotion on record: nobody was to predict January, somebody was February."""
    first, newest = datetime(2024, 2, 3, tzinfo=UTC), datetime(2024, 6, 3, tzinfo=UTC)
    for as_of in (first, newest):
        crowned = Entry(kind=Kind.PROMOTION, model=model, as_of=as_of, subject=str(as_of))
        Ledger().append(crowned)
    champion = Champion(
        model=model, version=2, since=newest, candidate=candidate(2), bento=bento(2), entry="e"
    )

    silent = find_predictions.fn(champion, "2024-02", RUN, data(DAY))

    assert silent.rows == 0
    with pytest.raises(DataError, match=r"no version of .* was in charge before 2024-02-03"):
        find_predictions.fn(champion, "2024-01", RUN, data(DAY))

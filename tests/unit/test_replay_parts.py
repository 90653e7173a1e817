"""What a replay counts: windows that somebody was in charge of, alarms, and why it trains."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.figure import Figure

from deployments.replay.picture import draw
from deployments.replay.playing import alarms_of
from deployments.replay.reigning import nobody_for
from deployments.replay.results import Arrival, Course, Replay, Retraining, Watch
from tasks.governance.past import Past
from tasks.governance.policy import conclude, named_policy
from tasks.governance.policy_spec import PolicySpec
from tasks.pictures import png
from tasks.references import Action, Cause, Champion, Conclusion, Ending, WatchKind
from tests.support.subjects import bento, candidate
from tests.unit.test_policy import verdict

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def champion(since: datetime, *learned: str) -> Champion:
    """A version in charge from a time on, that was made of some windows."""
    made = candidate(3)
    windows = {"train": learned[:-1], "holdout": learned[-1:]}
    split = made.fitted.split.model_copy(update=windows)
    fitted = made.fitted.model_copy(update={"split": split})
    return Champion(
        model=made.model,
        version=3,
        since=since,
        candidate=made.model_copy(update={"fitted": fitted}),
        bento=bento(3),
        entry="e",
    )


def times(*days: str) -> pd.DataFrame:
    """Rows that are to be predicted at the beginning of some days."""
    return pd.DataFrame({"prediction_time": pd.to_datetime(list(days), utc=True)})


def test_nobody_was_in_charge_of_a_window_that_was_over_before_the_first_champion() -> None:
    """Its labels came later, and no champion had foretold them."""
    reigns = [champion(NOON, "2023-12", "2024-01")]

    assert nobody_for("2024-02", times("2024-02-01", "2024-02-29"), reigns).startswith("Nobody")
    assert nobody_for("2024-03", times("2024-03-01", "2024-03-02"), reigns) == ""


def test_a_window_that_its_predictor_learned_from_does_not_count() -> None:
    """A score on what was learned, or was judged on, says nothing of the policy."""
    begun = times("2024-03-01", "2024-03-02")

    assert "was made of them" in nobody_for("2024-03", begun, [champion(NOON, "2024-03", "x")])
    assert "was made of them" in nobody_for("2024-03", begun, [champion(NOON, "x", "2024-03")])


def test_what_was_due_by_the_calendar_is_trained_for_the_schedule() -> None:
    """A gate that asks a person for drift must not ask for it."""
    due = conclude(verdict(), Past(), named_policy("monthly", PolicySpec()))
    moved = Conclusion(action=Action.RETRAIN, kinds=(WatchKind.PERFORMANCE,))

    assert (due.action, due.cause) == (Action.RETRAIN, Cause.SCHEDULE)
    assert moved.cause is Cause.DRIFT


@pytest.fixture
def watched() -> tuple[Watch, ...]:
    """Three windows: nobody was in charge; trained by the calendar; trained while it alarmed."""
    trained = Retraining(
        as_of=NOON, version=4, verdict="promote", promoted=True, why="x", cpu_s=1.0
    )
    due = Watch(
        window="2024-02", as_of=NOON, version=3, metric=0.7, action=Action.RETRAIN, training=trained
    )
    loud = due.model_copy(update={"window": "2024-03", "metric": 0.6, "alarm": Action.ALERT})
    return (Watch(window="2024-01", as_of=NOON, failed="Nobody was in charge."), due, loud)


def test_a_training_by_the_calendar_is_no_alarm(watched: tuple[Watch, ...]) -> None:
    """Nothing had moved: whoever trains each month would never be at rest otherwise."""
    assert alarms_of(watched) == 1


def replay(watched: tuple[Watch, ...], *policies: str) -> Replay:
    """Some policies that did the same on the same windows."""
    courses = [
        Course(
            policy=name, windows=watched, metric=0.65, worst="2024-03", trainings=2, promotions=2,
            alarms=1, questions=0, cpu_s=1.0, money=None,
        )
        for name in policies
    ]  # fmt: skip
    arrivals = [
        Arrival(window=each.window, as_of=NOON, ending=Ending.ACCEPT, admitted=True)
        for each in watched
    ]
    return Replay(
        model="rides", metric="roc_auc", more_is_better=True, reviewer="gates",
        arrivals=tuple(arrivals), courses=tuple(courses), trainings=2, left_out=(),
    )  # fmt: skip


@pytest.mark.parametrize("names", [
    [f"{2024 + each // 12}-{each % 12 + 1:02d}" for each in range(24)],
    [f"2024-01-{each:02d}" for each in range(1, 13)],
    [f"2024-01-{each:02d}" for each in range(1, 4)],
    [f"{each}" for each in range(1990, 2024)],
])  # fmt: skip
def test_names_of_windows_do_not_cover_each_other(
    watched: tuple[Watch, ...], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each k-th is named where all do not fit, and no fewer than there is room for."""
    drawn: list[Figure] = []

    def kept(figure: Figure, panels: Iterable[object], title: str) -> bytes:
        drawn.append(figure)
        return png(figure, panels, title)

    monkeypatch.setattr("deployments.replay.picture.png", kept)
    windows = tuple(watched[1].model_copy(update={"window": each}) for each in names)

    draw(replay(windows, "never", "a policy with a long name"))

    axis = drawn[0].axes[-1]
    boxes = [each.get_window_extent() for each in axis.get_xticklabels()]
    gaps = [later.x0 - each.x1 for each, later in pairwise(boxes)]
    assert min(gaps) > 0
    assert len(names) < 4 or min(gaps) < 1.5 * boxes[0].width


def test_courses_that_are_alike_are_drawn_and_told_apart(watched: tuple[Watch, ...]) -> None:
    """The picture of two policies that did the same shows both of them."""
    found = replay(watched, "never", "monthly")

    one = draw(found.model_copy(update={"courses": found.courses[:1]}))

    assert draw(found).startswith(b"\x89PNG")
    assert draw(found) != one

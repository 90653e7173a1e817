"""Windows that nobody predicted, or that never came: each has a verdict, and says what is gone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.monitoring.spec import MonitoringSpec, ObjectiveSpec, RosterSpec
from tasks.packaging import find_predictions
from tasks.references import Action, Predictions, WatchKind
from tests.support.feature_tables import bare_home
from tests.support.rides import ROWS, WINDOWS, Kind, World

DAY = timedelta(days=1)
DECLARED = MonitoringSpec(
    report_rows=300,
    max_data_age=20 * DAY,
    rosters=(RosterSpec(column="origin", names=("EWR", "JFK")),),
    objective=ObjectiveSpec(within=2 * DAY, gap=5 * DAY),
)


pytestmark = pytest.mark.usefixtures("evidently")


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own, whose servers are only named."""
    with bare_home(tmp_path / "home") as folder:
        yield folder


def nothing(world: World, window: str) -> Predictions:
    """What a monitor finds of a window of which nothing was predicted."""
    long_ago = world.champion.model_copy(update={"since": world.table.as_of - 400 * DAY})
    return find_predictions.fn(long_ago, window, world.table.as_of, world.data)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_window_that_nobody_predicted_alerts_with_all_that_is_missing(kind: Kind) -> None:
    """Every row, the whole roster and the whole month are named, and no training is asked for."""
    world = World(kind)

    verdict = world.verdict(nothing(world, WINDOWS[3]), declared=DECLARED)

    said = [each.sentence for each in verdict.causes if each.action is not Action.REST]
    assert verdict.action is Action.ALERT
    assert verdict.rows == ROWS
    assert any(f"{ROWS:,} of {ROWS:,} rows (100.0%) have no prediction" in each for each in said)
    assert any("2 of the 2 entities of the roster origin" in each for each in said)
    assert any("No prediction for 30 days" in each for each in said)
    assert "Predictions: the window has none." in verdict.unjudged


def test_a_window_that_never_came_alerts_that_it_has_no_rows_and_that_data_are_old() -> None:
    """Nothing was ingested of May, and nothing predicted: no table knows the window."""
    world = World()

    verdict = world.verdict(nothing(world, "2013-05"), declared=DECLARED)

    kinds = {each.kind for each in verdict.causes if each.action is not Action.REST}
    assert verdict.action is Action.ALERT
    assert (verdict.window, verdict.rows) == ("2013-05", 0)
    assert kinds == {WatchKind.VOLUME, WatchKind.MISSING, WatchKind.LATE, WatchKind.STALENESS}
    assert verdict.unjudged == ("Everything: the window has no rows.",)
    assert [each.window for each in world.table.parts] == list(WINDOWS)

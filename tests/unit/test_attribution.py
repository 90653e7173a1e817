"""What features contribute: how that changes, and that chance does not count."""

import numpy as np
import pandas as pd
import pytest

from tasks.metrics import Array
from tasks.monitoring.attribution import Attribution, Contributions, attribution
from tasks.monitoring.causes import Observation
from tasks.monitoring.spec import AttributionSpec, MonitoringSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action, VerdictCause

DECLARED = AttributionSpec(rows=400)
SPEC = MonitoringSpec(attribution=DECLARED)


def frame(seed: int, spread: float = 1.0, rows: int = 1000) -> pd.DataFrame:
    """Three features, the second of which may spread further than it did."""
    draws = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "heat": draws.normal(0, 1, rows),
            "rain": draws.normal(0, spread, rows),
            "place": draws.choice(["hill", "dale"], rows),
        }
    )


def said(rows: pd.DataFrame) -> Array:
    """Of heat thrice as much as of rain, and of the place nothing."""
    found: Array = 3 * rows["heat"].to_numpy() + rows["rain"].to_numpy()
    return found


def found(window: pd.DataFrame, learned: int = 0) -> Attribution:
    """What is told of a window beside one of the training samples."""
    told = attribution(Contributions(said, frame(learned), DECLARED), window, seed=1)
    assert told is not None
    return told


def cause(told: Attribution) -> VerdictCause:
    """What the verdict says of it."""
    month = Observation(rows=1000, scored=1000, labelled=1000, attribution=told)
    return next(each for each in judge(month, SPEC).causes if each.kind == "attribution")


def test_features_share_what_is_said_by_how_far_they_move_it() -> None:
    """Three parts, one part, and nothing."""
    told = found(frame(1))

    assert told.then == pytest.approx({"heat": 0.75, "rain": 0.25, "place": 0.0}, abs=0.06)
    assert told.now == pytest.approx(told.then, abs=0.06)
    assert told.rows == 400


def test_a_feature_that_takes_over_alerts_with_from_what_to_what() -> None:
    """Rain spreads six times as far: the model is now one of rain."""
    told = found(frame(1, spread=6.0))

    alert = cause(told)

    assert alert.action is Action.ALERT
    assert told.change == pytest.approx(2 / 3 - 1 / 4, abs=0.05)
    assert alert.sentence.startswith(f"{told.change:.0%} of what features contribute")
    assert "(rain 2" in alert.sentence or "(heat 7" in alert.sentence


def test_windows_like_the_training_rest() -> None:
    """Thirty of them, with no more rows than are looked at: chance moves a few percent."""
    changes = [found(frame(seed), learned=100 + seed) for seed in range(30)]

    assert {cause(each).action for each in changes} == {Action.REST}
    assert sum(each.change > each.chance for each in changes) <= 2


def test_the_model_is_asked_once_for_each_feature_and_side() -> None:
    """A window of a hundred million rows costs as much as one of a thousand, the second half."""
    asked: list[int] = []

    def counted(rows: pd.DataFrame) -> Array:
        asked.append(len(rows))
        return said(rows)

    learned = Contributions(counted, frame(0), DECLARED)
    attribution(learned, frame(1, rows=5000), seed=1)

    assert asked == [400] * 8

    attribution(learned, frame(2, rows=5000), seed=2)
    assert asked == [400] * 12


def test_classes_are_told_by_all_of_their_chances() -> None:
    """A row's contribution is how much of its certainty goes to other classes."""

    def chances(rows: pd.DataFrame) -> Array:
        late = 1 / (1 + np.exp(-rows["heat"].to_numpy()))
        return np.column_stack([late, 1 - late, np.zeros(len(rows))])

    told = attribution(Contributions(chances, frame(0), DECLARED), frame(1), seed=1)

    assert told is not None
    assert told.now == pytest.approx({"heat": 1.0, "rain": 0.0, "place": 0.0})


def test_a_model_that_says_the_same_of_all_has_no_contributions() -> None:
    """Nothing can be shared out."""
    same = Contributions(lambda rows: np.ones(len(rows)), frame(0), DECLARED)

    assert attribution(same, frame(1), seed=1) is None

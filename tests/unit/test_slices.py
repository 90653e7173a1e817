"""The champion on parts of a window: the worst is named, and chance is not."""

import numpy as np
import pandas as pd
import pytest

from tasks.data.spec import LabelSpec
from tasks.monitoring.causes import Observation
from tasks.monitoring.performance import perform
from tasks.monitoring.slices import Yardstick, holm, slices
from tasks.monitoring.sources import scored_rows
from tasks.monitoring.spec import MonitoringSpec, SliceSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action, SliceResult

SPEC = MonitoringSpec(slices=SliceSpec(columns=("carrier",), min_rows=200))
BOTH = MonitoringSpec(slices=SliceSpec(columns=("carrier", "origin"), min_rows=200))
LATE = LabelSpec(name="late", kind="binary")


def rows(seed: int, count: int = 8000, broken: str = "") -> pd.DataFrame:
    """Honest predictions for twenty carriers of three airports; one carrier's labels are noise."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(-1, 1.3, count)
    carrier = draws.choice([f"C{n}" for n in range(20)], count)
    chance = np.where(carrier == broken, 0.3, 1 / (1 + np.exp(-logits)))
    return pd.DataFrame(
        {
            "carrier": carrier,
            "origin": draws.choice(["EWR", "JFK", "LGA"], count),
            "prediction": 1 / (1 + np.exp(-logits)),
            "late": (draws.random(count) < chance).astype(float),
        }
    )


def looked(
    window: pd.DataFrame,
    holdout: pd.DataFrame,
    spec: MonitoringSpec = SPEC,
    label: LabelSpec = LATE,
    metric: str = "roc_auc",
) -> tuple[SliceResult, ...]:
    """What is told of the slices of a window."""
    promotion = perform(scored_rows(holdout, label), metric, 0.0, 1)
    assert promotion is not None
    return slices(window, label, Yardstick(metric, holdout, promotion, 1), spec)


def test_the_slice_that_fails_is_named_first_and_alone() -> None:
    """One carrier of twenty became unpredictable: no other is blamed."""
    found = looked(rows(1, broken="C3"), rows(2))

    assert (found[0].column, found[0].value, found[0].beyond) == ("carrier", "C3", True)
    assert [each.beyond for each in found[1:]] == [False] * 19
    assert found[0].further > 0.1
    assert found[0].chance < 0.001


def test_a_verdict_names_the_worst_slice_and_alerts() -> None:
    """Beside it stands how sure that is, with so many looked at."""
    found = looked(rows(1, broken="C3"), rows(2))
    month = Observation(rows=8000, scored=8000, labelled=8000, slices=found)

    [told] = [each for each in judge(month, SPEC).causes if each.kind == "slices"]

    assert (told.action, told.rows) == (Action.ALERT, found[0].rows)
    assert told.sentence.startswith("1 of 20 slices fall short, the worst carrier=C3: roc_auc 0.")
    assert told.sentence.endswith("That chance explains one of so many is 0.0%.")


def test_slices_of_a_model_that_does_as_ever_rarely_alert() -> None:
    """Twenty looks in each of 25 windows: chance fails one in twenty, not two in three."""
    alarms = sum(
        any(each.beyond for each in looked(rows(seed, 5000), rows(seed + 1000, 5000)))
        for seed in range(25)
    )

    assert alarms <= 4


def test_that_no_slice_fails_is_told_too() -> None:
    """Resting has its reasons."""
    found = looked(rows(1), rows(2))
    month = Observation(rows=8000, scored=8000, labelled=8000, slices=found)

    [told] = [each for each in judge(month, SPEC).causes if each.kind == "slices"]

    assert told.action is Action.REST
    assert told.sentence.startswith("Of 20 slices none fails; the nearest to it is ")


def test_small_slices_are_not_looked_at_and_missing_is_a_value() -> None:
    """A carrier of a hundred flights tells nothing; flights without an airport are a slice."""
    window = rows(1)
    window.loc[window["carrier"].eq("C1") & (np.arange(8000) > 1800), "carrier"] = "C2"
    window.loc[:500, "origin"] = None

    names = {f"{each.column}={each.value}" for each in looked(window, rows(2), BOTH)}

    assert "carrier=C1" not in names
    assert "origin=missing" in names


def test_a_column_that_the_holdout_does_not_know_is_held_to_the_whole_of_it() -> None:
    """A version of before the column was declared is judged all the same."""
    holdout = rows(2).drop(columns="carrier")

    [worst, *_] = looked(rows(1, broken="C3"), holdout)

    assert (worst.value, worst.beyond) == ("C3", True)


def test_values_are_held_to_the_same_slice_of_the_holdout_or_not_at_all() -> None:
    """Numbers carry no confidence: an airport whose errors doubled, and carriers nobody knew."""
    draws = np.random.default_rng(4)

    def numbers(doubled: str) -> pd.DataFrame:
        frame = rows(int(draws.integers(100)))
        spread = np.where(frame["origin"] == doubled, 10.0, 5.0)
        said = draws.normal(0, 10, len(frame))
        return frame.assign(prediction=said, late=said + draws.normal(0, spread))

    label = LabelSpec(name="late", kind="regression")
    found = looked(numbers("JFK"), numbers("").drop(columns="carrier"), BOTH, label, "rmse")

    assert {each.column for each in found} == {"origin"}
    assert [each.value for each in found if each.beyond] == ["JFK"]
    assert found[0].fall == pytest.approx(1.0, abs=0.1)


def test_without_slices_declared_none_is_looked_at() -> None:
    """Each look costs a little, and somebody has to care."""
    holdout = rows(2)
    promotion = perform(scored_rows(holdout, LATE), "roc_auc", 0.0, 1)
    assert promotion is not None

    assert (
        slices(rows(1), LATE, Yardstick("roc_auc", holdout, promotion, 1), MonitoringSpec()) == ()
    )


def test_many_looks_raise_what_chance_explains() -> None:
    """The smallest counts as often as there are looks, the next once less, and none falls."""
    assert holm([0.5, 0.01, 0.02, 0.9]) == pytest.approx([1.0, 0.04, 0.06, 1.0])
    assert holm([]) == []

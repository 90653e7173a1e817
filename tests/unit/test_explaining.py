"""A fault explains what it can have moved: its rows, or its feature, and no more."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.monitoring.drift import Drift
from tasks.monitoring.feed import Feed, Silence
from tasks.monitoring.performance import Gap
from tasks.monitoring.spec import MonitoringSpec, ObjectiveSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action
from tests.unit.test_verdict import drift, feature, performance, seen

SPEC = MonitoringSpec(objective=ObjectiveSpec(within=timedelta(hours=2), gap=timedelta(hours=12)))
NOVEL = drift(0.6, 0.7, psi=4.0, new=0.7)

LITTLE = {
    "one prediction twice": {"feed": Feed(repeated=1)},
    "one stranger": {"feed": Feed(strangers=1)},
    "one label from before": {"feed": Feed(foretold=1)},
    "one row of 1970": {"feed": Feed(astray=1)},
    "all predictions late": {"feed": Feed(late=20_000, made=20_000)},
    "2 % without a prediction": {"scored": 19_600, "labelled": 19_600},
    "an outage of a day of thirty": {
        "feed": Feed(
            gap=Silence(datetime(2013, 4, 3, tzinfo=UTC), datetime(2013, 4, 4, tzinfo=UTC)),
            length=timedelta(days=30),
        )
    },
    "a tenth of the labels overdue": {"labelled": 18_000},
}


@pytest.mark.parametrize("fault", LITTLE.values(), ids=LITTLE)
def test_a_small_fault_silences_no_world_that_moved(fault: dict[str, object]) -> None:
    """70 % of the rows lie beyond what was learned, and the champion fails by a third."""
    verdict = judge(seen(drift=NOVEL, performance=performance(0.5), **fault), SPEC)

    assert verdict.action is Action.RETRAIN
    assert verdict.causes[0].action is Action.RETRAIN


@pytest.mark.parametrize("fault", LITTLE.values(), ids=LITTLE)
def test_a_small_fault_keeps_no_question_from_a_person(fault: dict[str, object]) -> None:
    """Without labels severe drift asks, whatever else is odd about a few rows."""
    blind = {"performance": None, "promotion": None, "drift": drift(0.6, 0.0, psi=4.0, ks=0.8)}

    assert judge(seen(**{**blind, **fault}), SPEC).action is Action.ASK


def test_a_feature_that_lost_values_explains_its_own_drift_alone() -> None:
    """Of two features that weigh the same the other one lies beyond what was learned."""
    lost = {"temp": feature(psi=2.0, missing=0.5), "hour": feature(psi=4.0, new=0.7)}
    alone = {"temp": feature(psi=2.0, missing=0.5), "hour": feature()}
    asked = Drift(lost, severity=1.0, novelty=0.7)

    moved = judge(seen(drift=asked, staleness=2.0), SPEC)
    still = judge(seen(drift=Drift(alone, 0.5, 0.01), staleness=2.0), SPEC)

    assert (
        moved.action is Action.ASK
    )  # half of a feature of half of the weight: as much as a quarter
    assert still.action is Action.ALERT
    light = {**lost, "temp": feature(psi=2.0, missing=0.5, importance=0.1)}
    assert judge(seen(drift=Drift(light, 1.0, 0.7)), SPEC).action is Action.RETRAIN


def test_a_feature_explains_no_more_values_than_it_lost() -> None:
    """A quarter is missing, and of the others nearly all lie where nothing ever did."""
    both = drift(0.5, 0.9, psi=6.0, new=0.9, missing=0.25)

    assert judge(seen(drift=both), SPEC).action is Action.RETRAIN


def test_of_a_performance_a_feature_explains_what_its_weight_lets_it_move() -> None:
    """Half of the values of a feature that hardly counts are no reason for a fall of 0.2."""
    heavy = drift(0.3, 0.0, psi=2.0, missing=0.5)
    light = Drift(
        {"temp": feature(psi=2.0, missing=0.5, importance=0.05), "hour": feature()}, 0.1, 0.0
    )

    asked, trained = (
        judge(seen(performance=performance(0.55), drift=each), SPEC).action
        for each in (heavy, light)
    )

    assert (asked, trained) == (Action.ASK, Action.RETRAIN)


def test_a_fault_that_explains_has_a_weight_and_comes_first() -> None:
    """Half of the predictions twice: what moved beside it is heavier, and stands below it."""
    verdict = judge(seen(feed=Feed(repeated=10_000), prediction_psi=0.9), SPEC)

    assert [each.kind for each in verdict.causes[:2]] == ["quality", "predictions"]
    assert verdict.causes[0].weight > 0.9


def test_what_a_fault_explains_or_may_have_made_is_marked() -> None:
    """The windows after it build upon neither; what moved beside no fault is what it is."""
    gone = {"rows": 7000, "drift": drift(0.1, 0.5, psi=6.0), "performance": performance(0.5)}

    outage, sound = (judge(seen(**gone, usual_rows=usual), SPEC) for usual in (20_000.0, 7000.0))

    assert outage.action is Action.ASK
    assert {each.kind: each.explained for each in outage.causes if each.weight} == {
        "performance": True,
        "novelty": True,
        "volume": False,
    }
    assert sound.action is Action.RETRAIN
    assert not any(each.explained for each in sound.causes)


def test_a_gap_between_prediction_and_label_beside_a_fault_is_marked_too() -> None:
    """Half of the rows without a prediction may have made it, and two in a hundred have not."""
    gap = Gap(value=0.2, predicted=0.45, happened=0.25, noise=0.003)

    found = [
        [each.explained for each in judge(seen(gap=gap, scored=scored), SPEC).causes if each.weight]
        for scored in (10_000, 19_600)
    ]

    assert found == [[False, True], [False, False]]

"""Values that broke inside of a window: one value in the place of many, names spelt otherwise."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tasks.metrics import Array
from tasks.monitoring.causes import Fault
from tasks.monitoring.one_class import OneClass
from tasks.monitoring.sketches.categories import tally_names
from tasks.monitoring.sketches.columns import Column
from tasks.monitoring.sketches.profiles import draw_profile
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.spikes import Far, Renaming, Spike, far, renaming, spike
from tasks.monitoring.value_rules import VALUE_RULES
from tasks.monitoring.verdict import judge
from tasks.references import Action
from tests.unit.test_verdict import drift, performance, seen

SPEC = MonitoringSpec()
DRAWS = np.random.default_rng(7)
USUAL = DRAWS.normal(size=5000)


def column_of(values: "Array | list[str]") -> Column:
    """A column that a champion learned from."""
    rows = [pa.RecordBatch.from_pandas(pd.DataFrame({"x": values}), preserve_index=False)]
    texts = ["x"] if isinstance(values, list) else []
    return draw_profile(lambda: rows, ["x"], texts, seed=1)[0].columns["x"]


def broken(value: float, share: float, rows: int = 2000) -> Array:
    """Rows as usual, some of which have one and the same value instead."""
    values = np.random.default_rng(3).normal(size=rows)
    values[: round(share * rows)] = value
    return values


@pytest.mark.parametrize("value", [0.0, -999.0, 1.37, np.inf])
def test_a_sensor_that_says_one_value_for_a_part_of_the_rows_is_found(value: float) -> None:
    """A default, a sign for nothing, a value that is valid by itself, beside others in its bin."""
    found = spike("x", column_of(USUAL), np.append(broken(value, 0.4), [-4.5, np.nan]))

    assert found is not None
    assert (found.name, found.value) == ("x", value)
    assert (found.share, found.before) == pytest.approx((0.4, 0.0), abs=1e-3)


@pytest.mark.parametrize("shift", [0.0, 5.0, -40.0])
def test_a_world_that_moves_has_no_single_value(shift: float) -> None:
    """However far it goes, and wherever all of it lies in one bin."""
    assert spike("x", column_of(USUAL), broken(0.0, 0.0) + shift) is None


def test_what_chance_explains_is_no_spike() -> None:
    """Of three rows each has a third, and one of fifty in a hundred comes and goes."""
    steps = np.repeat(np.arange(50.0), 100)

    assert spike("x", column_of(USUAL), USUAL[:3]) is None
    assert spike("x", column_of(steps), DRAWS.integers(0, 50, 300).astype(float)) is None


def test_rows_that_share_one_report_count_once() -> None:
    """A day of few values: four of ten flights left in the same hours of one airport's weather."""
    report = np.random.default_rng(5).normal(size=20).round(1)
    day = np.where(DRAWS.random(900) < 0.4, 0.3, DRAWS.choice(report, 900))

    assert spike("x", column_of(USUAL.round(1)), day) is None


def test_a_value_does_not_rise_by_those_that_are_missing() -> None:
    """Of six rows in ten nothing came, and of the others half are as they were."""
    usual = np.where(DRAWS.random(5000) < 0.2, 0.0, USUAL)
    now = np.where(
        np.arange(2000) < 400, 0.0, np.where(np.arange(2000) < 800, USUAL[:2000], np.nan)
    )

    found = spike("x", column_of(usual), now)

    assert found is not None
    assert found.rise == pytest.approx(0.2)


def test_what_half_of_the_rows_had_may_rise() -> None:
    """No rain in six of ten hours, and in a dry month in all but a few."""
    rain = np.where(DRAWS.random(5000) < 0.6, 0.0, DRAWS.exponential(size=5000))
    dry = np.where(DRAWS.random(2000) < 0.98, 0.0, DRAWS.exponential(size=2000))

    assert spike("x", column_of(rain), dry) is None


def test_a_code_becomes_more_frequent_as_the_world_goes_but_has_no_value_far_beyond_it() -> None:
    """A flag of 5 % that 60 % have, a month that never was; 999 is a sign for nothing."""
    flag = column_of((DRAWS.random(5000) < 0.05).astype(float))
    month = column_of(DRAWS.integers(1, 4, 5000).astype(float))

    assert spike("x", flag, (DRAWS.random(2000) < 0.6).astype(float)) is None
    assert spike("x", month, np.full(2000, 4.0)) is None
    found = spike("x", month, np.where(DRAWS.random(2000) < 0.4, 999.0, 2.0))
    assert found is not None
    assert found.value == 999


def test_the_most_frequent_value_does_not_hide_the_broken_one() -> None:
    """Zero is as usual, and the next in frequency was never there."""
    usual = np.where(DRAWS.random(5000) < 0.45, 0.0, DRAWS.exponential(size=5000))
    now = np.where(DRAWS.random(2000) < 0.4, -1.0, usual[:2000])
    now = np.where(DRAWS.random(2000) < 0.2, 0.0, now)

    found = spike("x", column_of(usual), now)

    assert found is not None
    assert found.value == -1


@pytest.mark.parametrize("value", [-99.0, np.inf, 1e6])
def test_values_where_no_world_takes_them_are_found_however_few(value: float) -> None:
    """A sign for nothing in one row of twenty is found; a world that is warmer is not."""
    found = far("x", column_of(USUAL), np.append(broken(value, 0.05), np.nan))

    assert found is not None
    assert found.share == pytest.approx(0.05, abs=1e-3)
    assert found.example == value
    assert far("x", column_of(USUAL), broken(value, 0.01)) is None
    assert far("x", column_of(USUAL), 3 * USUAL + 20) is None


def test_a_column_that_knows_infinity_or_one_value_has_nothing_far() -> None:
    """What was learned with infinite values may have them; of a constant nobody knows the range."""
    endless = column_of(np.where(DRAWS.random(5000) < 0.1, np.inf, USUAL))

    assert far("x", endless, broken(np.inf, 0.4)) is None
    assert far("x", column_of(np.ones(5000)), broken(50.0, 0.4)) is None
    assert far("x", column_of(["a", "b"]), broken(50.0, 0.4)) is None


ORIGINS = ["EWR", "JFK", "LGA"] * 100


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (ORIGINS, None),
        (["ewr", "jfk", "lga "] * 10, 1.0),
        (["EWR", "JFK", " LGA"] * 10, 1 / 3),
        (["PVD", "BOS"] * 10, 1.0),
        (["EWR", "BOS"] * 10, None),
    ],
)
def test_names_that_are_known_ones_or_all_new_at_once_are_a_change_of_system(
    names: list[str], expected: float | None
) -> None:
    """A place that opens is the world; half of a table in lower case is not."""
    found = renaming("x", column_of(ORIGINS), tally_names(pa.array(names))[0])

    assert (found.share if found else None) == (pytest.approx(expected) if expected else None)


def test_a_column_of_one_name_may_have_another() -> None:
    """What stands for the year is 2014 in the next one."""
    assert renaming("x", column_of(["2013"] * 50), tally_names(pa.array(["2014"]))[0]) is None


SPIKE = Spike("temp", -999.0, share=0.4, before=0.0)


def test_a_spike_alerts_and_what_moved_by_it_is_no_reason_to_train() -> None:
    """Novelty and a PSI that a dead sensor made are told, after the fault."""
    moved = drift(0.5, 0.4, psi=0.9, new=0.4)
    verdict = judge(seen(drift=moved, staleness=2.0, spikes=(SPIKE,)), SPEC)

    assert verdict.action is Action.ALERT
    assert verdict.causes[0].kind == "quality"
    assert verdict.causes[0].rows == 8000
    assert verdict.causes[0].sentence.startswith(
        "One value in many rows: temp -999 in 40% (before 0%); it may rise by 30% of them."
    )
    allowed = MonitoringSpec(may_stand_still=("temp",))
    assert judge(seen(drift=moved, spikes=(SPIKE,)), allowed).action is Action.RETRAIN
    unlimited = MonitoringSpec(max_spike=None)
    assert judge(seen(drift=moved, spikes=(SPIKE,)), unlimited).action is Action.RETRAIN


def test_a_default_answer_is_a_fault_and_a_champion_that_extrapolates_is_not() -> None:
    """Trees say one value of all rows beyond what they learned from."""
    answer = Spike("prediction", 0.02, share=0.7, before=0.0)

    asked = judge(seen(prediction_spike=answer, performance=performance(0.6)), SPEC)
    beyond = judge(seen(prediction_spike=answer, drift=drift(0.1, 0.6, psi=4.0, new=0.6)), SPEC)

    assert asked.action is Action.ASK
    assert asked.causes[1].sentence.startswith("One value in many predictions: prediction 0.02 in")
    assert beyond.action is Action.RETRAIN


@pytest.mark.parametrize(
    ("changes", "sentence", "rows"),
    [
        (
            {"label_spike": Spike("late", 0.0, 0.5, 0.1)},
            "One value in many labels: late 0 in 50% (before 10%)",
            10_000,
        ),
        ({"outside": 300}, "300 predictions are what none can be", 300),
        (
            {"renamings": (Renaming("temp", 0.25, ("'ewr' for 'EWR'",)),)},
            "all new at once: temp in 25.0% of the rows ('ewr' for 'EWR').",
            5000,
        ),
    ],
)
def test_other_values_that_broke_alert(
    changes: dict[str, object], sentence: str, rows: int
) -> None:
    """Each says in which rows."""
    [found] = [
        each for rule in VALUE_RULES for each in rule(seen(**changes), SPEC)
    ]  # fmt: skip

    assert isinstance(found, Fault)
    assert found.cause.action is Action.ALERT
    assert sentence in found.cause.sentence
    assert found.cause.rows == rows


WORSE = {"performance": performance(0.7), "staleness": 2.0}
MOVED = drift(0.3, 0.1, psi=0.4, ks=0.1)


def test_values_where_no_world_takes_them_are_a_fault_however_few() -> None:
    """In a quarter of the rows -99 is novelty to the champion, and no reason to train."""
    dead = (Far("temp", 0.24, -99.0),)
    new = drift(0.3, 0.27, psi=0.4, new=0.26)

    alone = judge(seen(drift=new, staleness=2.0, far=dead), SPEC)
    worse = judge(seen(drift=new, **WORSE, far=dead), SPEC)

    assert (alone.action, worse.action) == (Action.ALERT, Action.ASK)
    assert alone.causes[0].sentence == (
        "Values ten ranges beyond all that was learned: temp in 24.0% of the rows, as -99. They "
        "stand for a missing one, or are in another unit."
    )
    allowed = MonitoringSpec(may_stand_still=("temp",))
    assert judge(seen(drift=new, staleness=2.0, far=dead), allowed).action is Action.RETRAIN


@pytest.mark.parametrize(("share", "action"), [(0.1, "retrain"), (0.22, "ask"), (0.29, "ask")])
def test_a_spike_within_its_limit_makes_a_training_a_question(share: float, action: str) -> None:
    """A sensor that stood still for a week moved its feature, and nobody knows whether it alone."""
    risen = Spike("temp", 0.3, share, before=0.0)

    verdict = judge(seen(drift=MOVED, staleness=2.0, spikes=(risen,)), SPEC)

    assert verdict.action == action
    assert judge(seen(spikes=(risen,)), SPEC).action is Action.REST


def test_a_spike_within_its_limit_explains_no_more_than_it_concerns() -> None:
    """A quarter of one feature makes neither that half is new nor that the champion fails."""
    risen = (Spike("temp", 0.3, 0.25, before=0.0),)

    assert judge(seen(drift=drift(0.6, 0.5, psi=4.0, new=0.5), spikes=risen), SPEC).action == (
        Action.RETRAIN
    )
    assert judge(seen(performance=performance(0.5), spikes=risen), SPEC).action is Action.RETRAIN


@pytest.mark.parametrize(("rows", "action"), [(19_000, "retrain"), (12_800, "ask")])
def test_a_third_of_the_rows_that_did_not_come_makes_drift_a_question(
    rows: int, action: str
) -> None:
    """One of two places stopped: the other has become more frequent without any change."""
    few = {"rows": rows, "scored": rows, "labelled": rows}

    verdict = judge(seen(drift=MOVED, staleness=2.0, **few), SPEC)
    worse = judge(seen(performance=performance(0.7), **few), SPEC)

    assert verdict.action == action
    assert worse.action is Action.RETRAIN


def test_fewer_rows_than_usual_are_told_within_the_limit_too() -> None:
    """Nothing follows from it by itself."""
    verdict = judge(seen(rows=12_800, scored=12_800, labelled=12_800), SPEC)

    assert verdict.action is Action.REST
    assert any("12,800 rows, 64% of the 20,000 that are usual" in each for each in verdict.reasons)


def test_labels_that_went_to_one_class_make_a_training_a_question() -> None:
    """By itself that is the world's business; below half of the limit it is not even told."""
    gone, little = OneClass("0", 0.5, 2500), OneClass("0", 0.1, 500)

    found = [
        judge(seen(performance=performance(0.7), one_class=each), SPEC).action
        for each in (gone, little, None)
    ]

    assert found == [Action.ASK, Action.RETRAIN, Action.RETRAIN]
    assert judge(seen(one_class=gone), SPEC).action is Action.REST

"""What is watched beside drift and performance: labels, volume, estimates and money."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tasks.metrics import roc_auc
from tasks.monitoring.causes import Observation
from tasks.monitoring.performance import Performance, Scored, estimated
from tasks.monitoring.sources import come_until, usual_rows
from tasks.monitoring.spec import MonitoringSpec, ValueSpec
from tasks.monitoring.verdict import judge
from tasks.monitoring.worth import Worth, worth
from tasks.references import Action, FeaturePart, FeatureTable

SPEC = MonitoringSpec()
VALUE = ValueSpec(true_positive=40, false_positive=-10, false_negative=-100)


def window(**changes: object) -> Observation:
    """A month of which nothing but its rows is known."""
    quiet: dict[str, object] = {"rows": 20_000, "scored": 20_000, "labelled": 20_000}
    return Observation(**{**quiet, **changes})  # type: ignore[arg-type]  # fields by name


def told(seen: Observation, kind: str, spec: MonitoringSpec = SPEC) -> tuple[Action, str] | None:
    """What the causes of a kind lead to, and how the first is told."""
    found = [each for each in judge(seen, spec).causes if each.kind == kind]
    return (found[0].action, found[0].sentence) if found else None


def test_labels_that_moved_alert_where_it_is_declared() -> None:
    """Twice as many late flights is news even to a champion that expected it."""
    declared = MonitoringSpec(max_target_psi=0.1)

    assert told(window(target_psi=0.3), "target") is None
    assert told(window(target_psi=0.05), "target", declared) is None
    assert told(window(target_psi=0.3), "target", declared) == (
        Action.ALERT,
        "The labels moved: PSI 0.30 against the training rows, above 0.1.",
    )


@pytest.mark.parametrize(
    ("rows", "share"), [(9_000, "45%"), (20_000, None), (29_000, None), (31_000, "155%")]
)
def test_a_window_with_far_fewer_or_more_rows_than_usual_alerts(
    rows: int, share: str | None
) -> None:
    """Half of a feed reads as half of a feed, before anybody calls it drift."""
    seen = window(rows=rows, scored=rows, labelled=rows, usual_rows=20_000.0)

    said = told(seen, "volume")

    assert (said is not None) == (share is not None)
    assert share is None or f"{share} of the 20,000 that are usual" in str(said)


def test_a_feed_that_broke_is_no_reason_to_train() -> None:
    """What is beyond the training data in a third of the rows alerts, after what explains it."""
    from tests.unit.test_verdict import drift
    from tests.unit.test_verdict import seen as month

    broken = month(drift=drift(0.1, 0.5, psi=6.0), rows=7_000, usual_rows=20_000.0)

    action, reasons, causes = judge(broken, SPEC)

    assert action is Action.ALERT
    assert reasons[0] == (
        "The feed is at fault: what moved beside it is told, and not judged as drift."
    )
    assert [each.kind for each in causes[:2]] == ["volume", "novelty"]


def test_what_is_usual_counts_days_and_the_newest_six_windows() -> None:
    """February is short, and a year ago is long ago."""
    rows = {f"2013-{month:02d}": 1000 for month in range(1, 9)} | {"2013-08": 31_000}
    table = FeatureTable(
        model="flights",
        uri="/store",
        version=0,
        parts=tuple(FeaturePart(window=w, digest=w, rows=n, labelled=n) for w, n in rows.items()),
        key=("id",),
        label="late",
        features=("x",),
        categorical=(),
        as_of=datetime(2013, 9, 1, tzinfo=UTC),
        history="h",
        digest="t",
    )

    assert usual_rows("2013-03", table) is None
    assert usual_rows("2013-08", table) == pytest.approx(31 * 1000 / 30.5, rel=0.02)
    assert usual_rows("all", table) is None
    whole = usual_rows("2013-08", table, until=datetime(2014, 1, 1, tzinfo=UTC))
    amid = usual_rows("2013-08", table, datetime(2013, 8, 9, 4, tzinfo=UTC), "America/New_York")
    assert whole == usual_rows("2013-08", table)
    assert amid == pytest.approx(8 * 1000 / 30.5, rel=0.02)
    assert usual_rows("2013-08", table, until=datetime(2013, 8, 1, 9, tzinfo=UTC)) is None


def test_a_window_has_come_as_far_as_its_rows_and_at_least_up_to_the_time_of_looking() -> None:
    """A month that is planned ahead is as large on its first day as it will be."""
    looked = datetime(2013, 8, 9, tzinfo=UTC)
    rows = pd.DataFrame({"event_time": pd.to_datetime(["2013-08-01", "2013-08-30"], utc=True)})

    assert come_until(rows.head(1), looked) == looked
    assert come_until(rows.head(0), looked) == looked
    assert come_until(rows, looked) == datetime(2013, 8, 30, tzinfo=UTC)


def chances(rows: int, seed: int, spread: float) -> Scored:
    """Honest chances, the further from the middle the larger the spread, without labels."""
    draws = np.random.default_rng(seed).beta(1 / spread, 1 / spread, rows)
    return Scored("binary", np.full(rows, np.nan), draws)


def test_before_labels_come_performance_is_estimated_from_the_chances() -> None:
    """Of honest chances the estimate is what the labels will say; of surer ones it is higher."""
    sure, unsure = chances(20_000, 1, 2.0), chances(20_000, 2, 0.5)
    drawn = np.random.default_rng(3).random(20_000) < unsure.predictions

    found = estimated(unsure, sure, "roc_auc", seed=4)

    assert found is not None
    assert found.value == pytest.approx(roc_auc(drawn.astype(float), unsure.predictions), abs=0.01)
    assert found.expected > found.value + 0.1
    assert told(window(labelled=0, scored=20_000, estimate=found), "estimate") == (
        Action.ALERT,
        (
            f"Before labels: roc_auc of about {found.value:.3f}, by the champion's own confidence "
            f"in 20,000 rows; on its holdout that said {found.expected:.3f}."
        ),
    )


def test_an_estimate_like_the_holdout_rests_and_values_have_none() -> None:
    """Numbers carry no confidence of their own."""
    same = estimated(chances(5_000, 1, 1.0), chances(5_000, 2, 1.0), "roc_auc", seed=4)
    numbers = Scored("regression", np.zeros(9), np.zeros(9), confident=False)

    said = told(window(labelled=0, estimate=same), "estimate")

    assert said is not None
    assert said[0] is Action.REST
    assert estimated(numbers, numbers, "rmse", seed=4) is None


def test_predictions_are_worth_what_their_outcomes_are() -> None:
    """One of each outcome, and two that were missed had nobody predicted."""
    labels, said = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.2, 0.1])
    four = Scored("binary", labels, said)
    numbers = Scored("regression", np.array([1.0, 3.0]), np.array([1.5, 3.0]), confident=False)

    assert worth(four, VALUE) == Worth(total=40 - 10 - 100, without=-200, rows=4)
    assert worth(numbers, ValueSpec(per_unit_of_error=-2)) == Worth(-1.0, -4.0, 2)
    assert worth(four.take(np.array([], dtype=np.intp)), VALUE) is None


@pytest.mark.parametrize(
    ("least", "each", "weight"), [(1.0, 0.0, 0.5), (1.0, -3.0, 0.8), (0.0, -100.0, 0.5)]
)
def test_money_weighs_by_how_much_is_lacking(least: float, each: float, weight: float) -> None:
    """As much as is wanted, four times of it; of nothing wanted as much as an outcome is worth."""
    declared = MonitoringSpec(value=VALUE.model_copy(update={"least": least}))
    seen = window(worth=Worth(each * 20_000, 0, 20_000))

    [found] = [each for each in judge(seen, declared).causes if each.kind == "value"]

    assert found.weight == pytest.approx(weight)


@pytest.mark.parametrize(
    ("kind", "value", "misfit"),
    [
        ("binary", ValueSpec(true_positive=40, threshold=0.4), None),
        ("binary", ValueSpec(per_unit_of_error=-1), "per_unit_of_error does not fit"),
        ("binary", ValueSpec(least=0), "nothing of a label that is binary has a value"),
        ("regression", ValueSpec(per_unit_of_error=-1, least=-5), None),
        ("regression", ValueSpec(true_positive=40), "true_positive does not fit"),
        ("regression", ValueSpec(threshold=0.4, per_unit_of_error=-1), "threshold does not fit"),
        ("regression", ValueSpec(), "give per_unit_of_error"),
        ("multiclass", ValueSpec(true_positive=40), "classes none"),
    ],
)
def test_a_value_fits_the_kind_of_the_label(
    kind: str, value: ValueSpec, misfit: str | None
) -> None:
    """What would silently be worth nothing is a mistake of the declaration."""
    found = value.misfit(kind)

    assert (found is None) == (misfit is None)
    assert misfit is None or misfit in str(found)


def test_money_is_told_and_alerts_where_too_little_is_made() -> None:
    """Beside the metric, with what it were without predictions."""
    declared = MonitoringSpec(value=VALUE.model_copy(update={"least": 1.0}))
    performed = Performance("roc_auc", 0.75, 0.76, 0.003, 20_000)
    good = window(worth=Worth(30_000, -200_000, 20_000), performance=performed)
    poor = window(worth=Worth(10_000, -200_000, 20_000), performance=performed)

    assert told(good, "value", declared) == (
        Action.REST,
        "The predictions were worth 30,000 EUR, 1.50 a row; without them it were -200,000.",
    )
    assert told(poor, "value", declared) == (
        Action.ALERT,
        (
            "The predictions were worth 10,000 EUR, 0.50 a row; without them it were -200,000. "
            "At least 1.00 a row is wanted."
        ),
    )

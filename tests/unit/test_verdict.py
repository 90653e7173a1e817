"""The verdict: what follows from what was seen, and how performance is held to expectation."""

import numpy as np
import pytest

from tasks.monitoring.causes import Observation
from tasks.monitoring.drift import Drift, FeatureDrift
from tasks.monitoring.performance import (
    Gap,
    Performance,
    Scored,
    calibration,
    estimated,
    lower_bound,
    metrics_of,
    perform,
)
from tasks.monitoring.spec import MonitoringSpec
from tasks.monitoring.verdict import judge
from tasks.references import Action

SPEC = MonitoringSpec()
GOOD = Performance(metric="roc_auc", value=0.75, expected=0.76, noise=0.003, rows=20_000)


def feature(
    psi: float = 0.0,
    new: float = 0.0,
    missing: float = 0.0,
    ks: float = 0.1,
    importance: float = 0.5,
) -> FeatureDrift:
    """One feature of two that weigh the same."""
    return FeatureDrift(
        psi=psi,
        ks=ks,
        new=new,
        missing=missing,
        missing_before=0.0,
        importance=importance,
        jensen_shannon=0.1,
        wasserstein=None,
    )


def drift(severity: float = 0.0, novelty: float = 0.0, **temp: float) -> Drift:
    """Two features, the first of which may have moved."""
    return Drift({"temp": feature(**temp), "hour": feature()}, severity, novelty)


def seen(**changes: object) -> Observation:
    """A quiet month of a good champion, but for the changes."""
    quiet: dict[str, object] = {
        "rows": 20_000,
        "scored": 20_000,
        "labelled": 20_000,
        "drift": drift(),
        "prediction_psi": 0.05,
        "performance": GOOD,
        "promotion": GOOD,
        "gap": Gap(value=0.01, predicted=0.26, happened=0.25, noise=0.003),
        "staleness": 0.2,
        "scored_by": 1,
        "champion": 1,
        "usual_rows": 20_000.0,
    }
    return Observation(**{**quiet, **changes})  # type: ignore[arg-type]  # fields by name


def performance(value: float, expected: float = 0.76, noise: float = 0.003) -> Performance:
    """An AUC beside what was expected of it."""
    return Performance("roc_auc", value, expected, noise, 20_000)


def test_a_quiet_month_rests_and_says_how_the_champion_did() -> None:
    """Resting has its reasons too."""
    action, reasons, *_ = judge(seen(), SPEC)

    assert action is Action.REST
    assert reasons == (
        (
            "roc_auc is 0.750 on 20,000 labels, 0.760 was expected of these rows: -0.010 "
            "(at its promotion -0.010)."
        ),
    )


def test_causes_come_by_what_they_ask_for_and_then_by_weight() -> None:
    """A gap of ten times its limit is named before predictions that moved by twice theirs."""
    gap = Gap(value=0.5, predicted=0.75, happened=0.25, noise=0.003)
    month = seen(prediction_psi=0.5, gap=gap, drift=drift(0.1, 0.5, psi=6.0, new=0.48))

    causes = judge(month, SPEC).causes

    assert [each.kind for each in causes[:3]] == ["novelty", "calibration", "predictions"]
    assert [round(each.weight, 2) for each in causes[:3]] == [0.5, 0.9, 0.5]
    assert causes[0].rows == 10_000
    assert causes[-1].weight == 0


def test_a_season_that_moves_features_far_is_no_reason_by_itself() -> None:
    """PSI of 8 in a feature of little weight, inside what the champion knows: rest."""
    action, reasons, *_ = judge(seen(drift=drift(0.15, 0.04, psi=8.0)), SPEC)

    assert action is Action.REST
    assert "1 of 2 features moved (PSI above 0.2: temp 8.00)" in reasons[1]


def test_rows_beyond_what_the_champion_learned_ask_for_a_training() -> None:
    """Half of the rows are warmer than any it has seen: it extrapolates."""
    action, reasons, *_ = judge(seen(drift=drift(0.1, 0.5, psi=6.0, new=0.48)), SPEC)

    assert action is Action.RETRAIN
    assert reasons[0].startswith(
        "50% of the rows lie beyond what the champion learned from (temp 48%)"
    )


def test_novelty_without_labels_is_for_a_person_to_decide() -> None:
    """Nothing tells whether it hurts, and there is nothing new to learn from."""
    novel = seen(labelled=0, performance=None, promotion=None, gap=None, drift=drift(0.1, 0.5))

    action, reasons, *_ = judge(novel, SPEC)

    assert action is Action.ASK
    assert "No labels tell whether that hurts." in reasons[0]


def test_a_version_without_a_profile_alerts_and_is_judged_by_its_labels_alone() -> None:
    """It was registered before there were profiles: the record says so, and performance counts."""
    old = {"drift": None, "prediction_psi": None, "profiled": False}

    resting, told, *_ = judge(seen(**old), SPEC)
    falling, _, *_ = judge(seen(**old, performance=performance(0.66)), SPEC)

    assert (resting, falling) == (Action.ALERT, Action.RETRAIN)
    assert told[0] == (
        "Version 1 was registered before versions had a profile: drift of features, predictions "
        "and target is not judged until one that has it is in charge."
    )


def test_a_fall_below_its_own_confidence_asks_for_a_training() -> None:
    """0.10 below what was expected of these rows, 0.01 at its promotion."""
    action, reasons, *_ = judge(seen(performance=performance(0.66)), SPEC)

    assert action is Action.RETRAIN
    assert reasons[0].endswith("more than 0.02 and 0.090 worse than then.")


def test_an_overconfident_champion_that_was_so_when_promoted_rests() -> None:
    """It falls 0.05 short, as it did on its holdout: the gates knew when it was promoted."""
    usual = performance(0.71)

    action, _, *_ = judge(seen(performance=usual, promotion=usual), SPEC)

    assert action is Action.REST


def test_a_hard_month_rests_when_the_confidence_knew_that_it_is_hard() -> None:
    """The AUC fell by 0.09 since the holdout, but no more was expected of these rows."""
    action, _, *_ = judge(seen(performance=performance(0.66, expected=0.67)), SPEC)

    assert action is Action.REST


def test_a_fall_that_chance_explains_rests() -> None:
    """0.05 on so few labels that chance alone moves the metric by 0.04."""
    action, _, *_ = judge(seen(performance=performance(0.71, noise=0.04)), SPEC)

    assert action is Action.REST


@pytest.mark.parametrize(("moved", "action"), [(0.5, Action.RETRAIN), (0.05, Action.REST)])
def test_a_stale_champion_is_trained_again_only_where_features_moved(
    moved: float, action: Action
) -> None:
    """Twice as many labels as it learned from are no reason in a world that stands still."""
    found, _, *_ = judge(seen(staleness=2.0, drift=drift(0.1, 0.0, psi=moved)), SPEC)

    assert found is action


def test_a_fault_of_the_data_turns_a_training_into_a_question() -> None:
    """A feature went missing and the AUC fell: a training would learn the fault."""
    broken = seen(performance=performance(0.66), drift=drift(0.3, 0.0, psi=2.0, missing=0.6))

    action, reasons, *_ = judge(broken, SPEC)

    assert action is Action.ASK
    assert reasons[0] == "A training now would learn the fault of the data: a person decides."
    assert any("temp 0% to 60%" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": 0, "scored": 0, "labelled": 0}, "The window has no rows."),
        ({"rows": 50, "scored": 50, "labelled": 50}, "fewer than 200 are not judged"),
        ({"labelled": 0}, "None of the 20,000 predictions has a label yet."),
        ({"labelled": 50}, "50 rows have a label; fewer than 200 are not judged."),
        ({"labelled": 15_000}, "5,000 of 20,000 predictions (25.0%) have no label yet"),
        ({"scored": 10_000, "labelled": 10_000}, "10,000 of 20,000 rows (50.0%) have no"),
        ({"scored_by": 2}, "of version 2, but version 1 is in charge"),
    ],
)
def test_what_cannot_be_judged_alerts_with_its_reason(
    change: dict[str, int], sentence: str
) -> None:
    """A window without rows, predictions or labels is a finding, not an exception."""
    blind = {"performance": None, "promotion": None, "gap": None, "drift": None}

    action, reasons, *_ = judge(seen(**{**blind, "prediction_psi": None, **change}), SPEC)

    assert action is Action.ALERT
    assert sentence in reasons[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gap": Gap(0.064, 0.219, 0.155, 0.002)}, "a calibration gap of +0.064, beyond 0.05"),
        ({"prediction_psi": 0.6}, "The predictions moved: PSI 0.60"),
        ({"drift": drift(0.4, 0.0, psi=0.9)}, "severe above 0.25"),
    ],
)
def test_what_a_training_need_not_cure_alerts(change: dict[str, object], sentence: str) -> None:
    """Calibration, predictions that moved and severe drift are for somebody to look at."""
    action, reasons, *_ = judge(seen(**change), SPEC)

    assert action is Action.ALERT
    assert sentence in reasons[0]


def test_a_gap_that_chance_explains_rests() -> None:
    """Few rows: 0.064 is 1.6 standard errors."""
    action, _, *_ = judge(seen(gap=Gap(0.064, 0.219, 0.155, 0.04)), SPEC)

    assert action is Action.REST


def test_the_gravest_reason_comes_first() -> None:
    """What decided stands at the top of the page."""
    both = seen(performance=performance(0.66), prediction_psi=0.6)

    action, reasons, *_ = judge(both, SPEC)

    assert action is Action.RETRAIN
    assert reasons[0].startswith("roc_auc is 0.660")


def test_errors_are_judged_by_their_growth() -> None:
    """An RMSE has the label's unit: 20 % more than on the holdout is too much, 5 % is not."""
    holdout = Performance("rmse", 50.0, 50.0, 0.5, 5000)

    worse, _, *_ = judge(
        seen(performance=Performance("rmse", 60.0, 50.0, 0.5, 5000), promotion=holdout), SPEC
    )
    alike, reasons, *_ = judge(
        seen(performance=Performance("rmse", 52.5, 50.0, 0.5, 5000), promotion=holdout), SPEC
    )

    assert (worse, alike) == (Action.RETRAIN, Action.REST)
    assert "+5.0% (at its promotion +0.0%)" in reasons[0]


def binary(rows: int = 8000, honest: float = 1.0, seed: int = 1) -> Scored:
    """Predictions, and labels drawn from them with the logit shrunk by `honest`."""
    draws = np.random.default_rng(seed)
    logits = draws.normal(-1.0, 1.2, rows)
    truth = draws.random(rows) < 1 / (1 + np.exp(-honest * logits))
    return Scored("binary", truth.astype(float), 1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "brier", "average_precision"])
def test_an_honest_model_does_what_its_confidence_lets_expect(metric: str) -> None:
    """Labels that follow the probabilities: the value is within three standard deviations."""
    found = perform(binary(), metric, holdout=0.0, seed=1)

    assert found is not None
    assert abs(found.value - found.expected) < 3 * found.noise


def test_an_overconfident_model_falls_short_of_its_confidence() -> None:
    """Half of the logit was noise: the AUC is far below what the probabilities promise."""
    found = perform(binary(honest=0.5), "roc_auc", holdout=0.0, seed=1)

    assert found is not None
    assert found.fall > 10 * found.noise


def test_expectation_follows_the_difficulty_of_the_rows() -> None:
    """The same honest model on rows of which it is unsure is expected to score less."""
    easy, hard = binary(), binary()
    unsure = np.abs(hard.predictions - 0.3) < 0.15
    found = perform(hard.take(np.flatnonzero(unsure)), "roc_auc", holdout=0.0, seed=1)
    usual = perform(easy, "roc_auc", holdout=0.0, seed=1)

    assert found is not None
    assert usual is not None
    assert found.expected < usual.expected - 0.1
    assert abs(found.fall) < 3 * found.noise


def test_noise_shrinks_with_the_root_of_the_rows() -> None:
    """Sixteen times the rows, a quarter of the noise, also beyond the rows that are drawn."""
    few, many = (perform(binary(rows), "roc_auc", 0.0, 1) for rows in (4000, 64_000))

    assert few is not None
    assert many is not None
    assert few.noise / many.noise == pytest.approx(4, rel=0.4)


def test_values_are_held_to_the_holdout() -> None:
    """A regression has no confidence of its own."""
    draws = np.random.default_rng(2)
    labels = draws.normal(size=3000)
    rows = Scored("regression", labels, labels + draws.normal(scale=0.5, size=3000), False)

    found = perform(rows, "rmse", holdout=0.4, seed=1)

    assert found is not None
    assert found.expected == 0.4
    assert found.fall == pytest.approx(found.value / 0.4 - 1)
    assert found.noise == pytest.approx(0.5 / np.sqrt(2 * 3000), rel=0.5)


def test_classes_are_held_to_their_probabilities() -> None:
    """Multiclass labels drawn from the matrix: accuracy is what was promised."""
    draws = np.random.default_rng(3)
    chances = draws.dirichlet([1.0, 0.5, 0.3], 5000)
    labels = np.array([draws.choice(3, p=row) for row in chances], dtype=float)
    rows = Scored("multiclass", labels, chances)

    found = perform(rows, "accuracy", holdout=0.0, seed=1)
    gap = calibration(rows)

    assert found is not None
    assert abs(found.fall) < 3 * found.noise
    assert abs(gap.value) < 4 * gap.noise
    assert set(metrics_of(rows)) == {"accuracy", "macro_f1", "log_loss", "roc_auc_ovr"}


def test_a_window_of_one_class_has_no_auc_and_no_exception() -> None:
    """Nothing was late: the metric cannot be told."""
    rows = Scored("binary", np.zeros(300), np.full(300, 0.1))

    assert perform(rows, "roc_auc", holdout=0.7, seed=1) is None


def test_the_lower_bound_takes_the_noise_of_both_windows_off() -> None:
    """0.03 further than at promotion, less 1.645 times the joint noise of 0.005."""
    now, then = performance(0.71, noise=0.003), performance(0.74, noise=0.004)

    assert lower_bound(now, then, 0.95) == pytest.approx(0.03 - 1.645 * 0.005, abs=1e-4)


def test_a_gap_of_regression_is_told_in_standard_deviations() -> None:
    """Ten units off where labels spread by twenty is half a deviation."""
    labels = np.tile([-20.0, 20.0], 100)

    gap = calibration(Scored("regression", labels, labels + 10))

    assert gap.value == pytest.approx(0.5)
    assert (gap.predicted, gap.happened) == pytest.approx((10.0, 0.0))


def test_a_feature_that_only_lost_values_makes_no_champion_stale() -> None:
    """A fifth of its values gone is a PSI of 1.56, and a feed that lost them: nothing to learn."""
    lost = drift(psi=1.57, missing=0.2)
    moved = drift(psi=1.8, missing=0.2)

    spared = judge(seen(drift=lost, staleness=0.9), SPEC)
    trained = judge(seen(drift=moved, staleness=0.9), SPEC)

    assert spared.action is Action.REST
    assert trained.action is Action.RETRAIN


@pytest.mark.parametrize("said", [0.0, 1.0])
def test_where_nothing_can_be_expected_nothing_is_told(said: float) -> None:
    """Labels that are drawn from chances of 0 are all 0, and have no AUC; nor has an estimate."""
    labels = np.random.default_rng(1).integers(0, 2, 500).astype(float)
    sure = Scored("binary", labels, np.full(500, said))
    honest = Scored("binary", labels, np.full(500, 0.5))

    assert perform(sure, "roc_auc", 0.7, seed=1) is None
    assert estimated(sure, honest, "roc_auc", seed=1) is None
    assert perform(honest, "roc_auc", 0.7, seed=1) is not None

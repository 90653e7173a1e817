"""What a verdict could not judge: all that is watched and was not told, with why."""

from datetime import timedelta

import pytest

from tasks.monitoring.rosters import Absence
from tasks.monitoring.spec import (
    AttributionSpec,
    MonitoringSpec,
    ObjectiveSpec,
    SliceSpec,
    ValueSpec,
)
from tasks.monitoring.unjudged import unjudged
from tests.unit.test_verdict import seen

SPEC = MonitoringSpec()
ALL = MonitoringSpec(
    max_target_psi=0.1,
    slices=SliceSpec(columns=("carrier",)),
    value=ValueSpec(true_positive=40),
    objective=ObjectiveSpec(within=timedelta(hours=2)),
    attribution=AttributionSpec(),
)
BLIND = {"performance": None, "promotion": None, "gap": None}


def test_what_was_judged_is_not_named() -> None:
    """A month with rows, labels and a profile leaves nothing out."""
    assert unjudged(seen(), SPEC) == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rows": 0}, "Everything: the window has no rows."),
        ({"drift": None, "profiled": False}, "Drift, data quality: version 1 has no profile."),
        ({"drift": None}, "Drift, data quality: its features were not read."),
        ({"usual_rows": None}, "Volume: what is usual takes three windows before this one, and a "),
        ({"prediction_psi": None}, "Predictions: the window has none."),
        (
            {"performance": None, "scored_by": 2},
            "Performance: version 2 predicted the window, and not the champion.",
        ),
        (
            {"performance": None},
            "Performance: the metric cannot be told of these labels and predictions.",
        ),
    ],
)
def test_what_a_window_does_not_tell_is_named(changes: dict[str, object], sentence: str) -> None:
    """One line says what, and why."""
    [found] = unjudged(seen(**changes), SPEC)

    assert found.startswith(sentence)


def test_few_rows_are_told_by_how_many_it_takes() -> None:
    """Neither drift nor anything that takes labels is judged of fifty rows."""
    few = {"rows": 50, "scored": 50, "labelled": 50, "drift": None, "prediction_psi": None}

    assert unjudged(seen(**few, **BLIND), SPEC) == (
        "Drift, data quality: the window has 50 of the 200 rows that it takes.",
        "Performance, calibration: 50 of the 200 labels that it takes are known.",
    )


def test_without_labels_all_that_takes_them_is_named() -> None:
    """What was declared is part of it, and so is the estimate that values do not have."""
    assert unjudged(seen(labelled=7, **BLIND), ALL)[:2] == (
        (
            "Performance, value, slices, calibration, target: 7 of the 200 labels that it takes "
            "are known."
        ),
        "Estimate: the predictions carry no confidence that the metric could be told by.",
    )


def test_what_was_declared_and_cannot_be_told_is_named() -> None:
    """Times, a roster of nobody, slices without labels, a model of one mind."""
    nobody = Absence("carrier", (), rows=0, roster=0, may_miss=0)

    assert unjudged(seen(absences=(nobody,)), ALL) == (
        "Slices: none has 300 labels.",
        "Lateness: no prediction says when it was made.",
        "Roster carrier: nobody stands in it.",
        "Attribution: no rows are at hand, or the champion says the same of all of them.",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"profiled": False}, "version 1 has no profile"),
        ({"rows": 50}, "the window has 50 of the 200 rows that it takes"),
    ],
)
def test_an_attribution_that_was_declared_is_named_whatever_is_lacking(
    changes: dict[str, object], why: str
) -> None:
    """Drift that is not known takes nothing out of the list."""
    declared = MonitoringSpec(attribution=AttributionSpec())

    assert f"Attribution: {why}." in unjudged(seen(drift=None, **changes), declared)


def test_labels_of_another_version_are_told_from_the_champions_own() -> None:
    """The window is labelled, and of the champion's rows too few are."""
    mixed = seen(others=19_950, own_labels=50, **BLIND)

    assert unjudged(mixed, SPEC) == (
        "Performance, calibration: of its labels 50 of the 200 that it takes are the champion's.",
    )

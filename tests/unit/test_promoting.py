"""Promotions in a freeze: which wait, and what is said of it."""

import pytest

from tasks.governance.promoting import promotion_held
from tasks.references import Cause

FROZEN = "release freeze, frozen until 2026-12-05"


@pytest.mark.parametrize("cause", [Cause.DRIFT, Cause.DATA, Cause.EVENT, Cause.SCHEDULE])
def test_a_freeze_holds_what_started_by_itself(cause: Cause) -> None:
    """By the training's own time, or by the day on which it came to its end."""
    assert promotion_held(cause, FROZEN, None) == FROZEN
    assert promotion_held(cause, None, FROZEN) == FROZEN
    assert promotion_held(cause, None, None) == ""


@pytest.mark.parametrize("cause", [Cause.PERSON, Cause.CI])
def test_what_a_person_started_is_not_held(cause: Cause) -> None:
    """Whoever trains in a freeze means it."""
    assert promotion_held(cause, FROZEN, FROZEN) == ""

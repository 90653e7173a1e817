"""Real days of 2013 through the whole contract, each after the days before it: nothing is held.

`tests/soak/test_real_year.py` does it for every day; these came nearest to a threshold.
"""

import pytest

from tasks.references import Ending
from tests.support.real_days import found_on

HARDEST = {
    "2013-01-17": "as clear all day as can be measured",
    "2013-01-30": "a front: EWR is warm an hour before the others",
    "2013-01-31": "the hours jump most of all days",
    "2013-02-09": "57% cancelled in a blizzard, and clear",
    "2013-02-12": "a wind of 1048 miles an hour: one row is set aside",
    "2013-04-26": "two stations nearly exchanged",
    "2013-05-08": "58% of the pressures are missing",
    "2013-06-17": "cold rain after heat",
    "2013-08-20": "an airline renumbered its flights",
    "2013-09-12": "4.4% of those that left did not arrive",
    "2013-10-10": "LGA goes beside the others by some hours",
    "2013-11-03": "an hour comes twice",
    "2013-11-28": "Thanksgiving: 64% of the usual flights",
    "2013-12-31": "no weather was published",
}


@pytest.mark.parametrize("day", HARDEST)
def test_a_hard_real_day_is_let_through(day: str) -> None:
    """Storms, holidays and gaps are what the world does: a person may read of them, or not."""
    found = found_on(day)

    most = Ending.QUARANTINE if day == "2013-02-12" else Ending.WARN
    assert all(each.ending.severity <= most.severity for each in found), found


def test_an_evening_that_was_cancelled_whole_is_held() -> None:
    """No check can tell the 8th of February from a feed that was not closed: a person can."""
    held = [each for each in found_on("2013-02-08") if each.ending is Ending.HOLD]

    assert {each.check for each in held} == {"settled"}

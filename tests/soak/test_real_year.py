"""Every day of 2013 through the whole contract, after the days before it: one is held."""

from calendar import monthrange

import pytest

from tasks.references import Ending
from tests.support.real_days import found_on

BLIZZARD = "2013-02-08"  # its evening was cancelled whole: a person reads on
MOST_WARNED = 15
"""Of a month's days: December has eleven (holidays, storms, gaps), most have two or fewer."""


@pytest.mark.parametrize("month", range(1, 13))
def test_no_real_day_but_one_is_held(month: int) -> None:
    """A contract that cries on what the world does is switched off before it is needed."""
    days = [f"2013-{month:02}-{day + 1:02}" for day in range(monthrange(2013, month)[1])]

    found = {day: found_on(day) for day in days}

    held = {
        day: [each.message for each in findings if each.ending.severity >= Ending.HOLD.severity]
        for day, findings in found.items()
    }
    assert {day for day, messages in held.items() if messages} == {BLIZZARD} & set(days), held
    warned = [day for day in days if any(each.ending is Ending.WARN for each in found[day])]
    assert len(warned) < MOST_WARNED, warned

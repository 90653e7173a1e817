"""Every day of 2013 through the whole contract, after the days before it: one is held."""

from datetime import date, timedelta

from tasks.references import Ending
from tests.support.real_days import found_on

BLIZZARD = "2013-02-08"  # its evening was cancelled whole: a person reads on


def test_no_real_day_but_one_is_held() -> None:
    """A contract that cries on what the world does is switched off before it is needed."""
    days = [f"{date(2013, 1, 1) + timedelta(days=each)}" for each in range(365)]

    found = {day: found_on(day) for day in days}

    held = {
        day: [each.message for each in findings if each.ending.severity >= Ending.HOLD.severity]
        for day, findings in found.items()
    }
    assert {day for day, messages in held.items() if messages} == {BLIZZARD}, held
    warned = [day for day in days if any(each.ending is Ending.WARN for each in found[day])]
    assert len(warned) < 40, warned  # 32 with the blizzard, for holidays, storms and gaps

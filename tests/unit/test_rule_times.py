"""Times of rules where clocks change, where freezes adjoin, and as RFC 5545 writes them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tasks.calendars.agenda import occurrences, stretch
from tasks.calendars.feeds import Feed
from tests.unit.test_calendars import NOW, calendar, schedule

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "rule", [{"cron": "30 2 * * *"}, {"rrule": "DTSTART:20260101T023000\nRRULE:FREQ=DAILY"}]
)
def test_a_time_that_the_clock_skips_moves_by_its_own_name(rule: dict[str, str]) -> None:
    """The run of 02:30 on the Sunday of the change is Monday's of 02:30, and no second one."""
    declared = schedule(**rule, day_off="next", timezone="Europe/Berlin")
    friday = datetime(2026, 3, 27, 12, tzinfo=UTC)

    found = occurrences(declared, calendar(), friday, friday + timedelta(days=4))

    runs = [each.at.astimezone(BERLIN) for each in found if each.at is not None]
    assert [f"{each:%a %H:%M}" for each in runs] == ["Mon 02:30", "Tue 02:30"]


@pytest.mark.parametrize("day", ["2027-01-20", "2027-03-20", "2027-05-20"])
def test_a_run_that_freezes_put_off_is_there_for_as_long_as_they_last(day: str) -> None:
    """Three that adjoin, the second of a shared calendar: January's run is May's all the time."""
    yearly = schedule(business_day={"nth": 1, "of": "year", "at": "06:00"})
    after = {"why": "move", "then": "after"}
    held = calendar(
        freezes=[
            {**after, "first": "2026-12-01", "last": "2027-01-29"},
            {**after, "events": {"source": "t"}},
            {**after, "first": "2027-04-01", "last": "2027-05-28"},
        ]
    )
    now = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    first, last = stretch(now, held)
    event = {"summary": "x", "begins": "2027-01-30", "ends": "2027-04-01"}
    feed = Feed.model_validate({"read_at": now, "first": first, "last": last, "events": [event]})

    found = occurrences(yearly, held, now, now + timedelta(days=200), {"t": feed})

    assert [each.at for each in found] == [datetime(2027, 5, 31, 6, tzinfo=UTC)]


def test_an_rrule_is_taken_as_the_rfc_writes_it() -> None:
    """Folded lines (3.1), and an end in UTC beside local times (3.3.10)."""
    declared = schedule(
        rrule="DTSTART:20261201T220000\nRRULE:FREQ=DAILY;\n UNTIL=20261204T030000Z",
        timezone="America/New_York",
    )

    found = occurrences(declared, calendar(), NOW - timedelta(days=30), NOW + timedelta(days=30))

    assert [f"{each.due:%m-%d %H}" for each in found] == ["12-02 03", "12-03 03", "12-04 03"]

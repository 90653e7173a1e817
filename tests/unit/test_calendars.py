"""Business days, freezes and clocks: what becomes of each time of a schedule, and why."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.calendars.agenda import HORIZON, by_rule, occurrences, told
from tasks.calendars.feeds import Feed
from tasks.calendars.freezing import declared_freezes
from tasks.calendars.holding import freeze_at
from tasks.calendars.moments import moment_of
from tasks.calendars.rules import MOST_DATES, listed, place, times
from tasks.calendars.settling import Occurrence, settle
from tasks.calendars.workdays import Workdays
from tasks.schedules import CalendarSpec, FlowName, ScheduleSpec

NOW = datetime(2026, 12, 7, 11, tzinfo=UTC)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
YEAR_END = {"why": "year end", "first": "2026-12-18", "last": "2027-01-03"}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


def calendar(**fields: object) -> CalendarSpec:
    """A calendar as declared."""
    return CalendarSpec.model_validate(fields)


def schedule(**fields: object) -> ScheduleSpec:
    """A schedule as declared, of trainings unless said otherwise."""
    return ScheduleSpec.model_validate({"flow": "train", **fields})


BERLINS = calendar(holidays=[{"country": "DE", "subdivision": "BE"}])


def shown(found: tuple[Occurrence, ...], zone: ZoneInfo) -> list[tuple[str, str, str]]:
    """When each was due and when it runs, in local time, and why."""
    return [
        (
            f"{each.due.astimezone(zone):%m-%d %H:%M}",
            f"{each.at.astimezone(zone):%m-%d %H:%M}" if each.at else "",
            each.why,
        )
        for each in found
    ]


@pytest.mark.parametrize(
    ("how", "day"),
    [
        ("run", "2027-05-01"),
        ("skip", None),
        ("next", "2027-05-03"),
        ("next_in_month", "2027-05-03"),
        ("previous", "2027-04-30"),
    ],
)
def test_a_day_off_has_the_consequence_that_is_declared(how: str, day: str | None) -> None:
    """The first of May 2027 is a holiday and a Saturday."""
    days = Workdays(BERLINS)

    moved = days.shifted(date(2027, 5, 1), schedule(cron="0 6 * * *", day_off=how).day_off)

    assert moved == (date.fromisoformat(day) if day else None)


def test_next_in_month_goes_back_where_the_month_would_end() -> None:
    """Saturday, 31 October 2026: the next business day is in November."""
    days = Workdays(BERLINS)

    assert days.shifted(date(2026, 10, 31), "next") == date(2026, 11, 2)
    assert days.shifted(date(2026, 10, 31), "next_in_month") == date(2026, 10, 30)


def test_a_holiday_is_called_by_its_name_and_its_calendar() -> None:
    """A reader must see whose holiday it is."""
    several = calendar(
        holidays=[{"country": "DE", "subdivision": "BE"}, {"market": "XNYS"}],
        days_off=["2026-12-24"],
    )
    days = Workdays(several)

    assert days.off(date(2026, 12, 25)) == "Christmas Day (DE-BE)"
    assert days.off(date(2026, 11, 26)) == "Thanksgiving Day (XNYS)"
    assert days.off(date(2026, 12, 24)) == "day off"
    assert days.off(date(2026, 12, 5)) == "Saturday"
    assert days.off(date(2026, 12, 4)) is None


def test_the_first_business_day_of_each_month_is_found() -> None:
    """January begins with a holiday and a weekend, May with a holiday on one."""
    first = schedule(business_day={"nth": 1, "at": "06:00"}, timezone="Europe/Berlin")

    found = occurrences(first, BERLINS, NOW, NOW + timedelta(days=180))

    days = [f"{each.due.astimezone(BERLIN):%m-%d %H:%M}" for each in found]
    months = ["01-04", "02-01", "03-01", "04-01", "05-03", "06-01"]
    assert days == [f"{each} 06:00" for each in months]


@pytest.mark.parametrize(
    ("nth", "of", "days"),
    [
        (-1, "month", ["12-31", "01-29"]),
        (2, "quarter", ["01-04"]),
        (-1, "year", ["12-31"]),
        (23, "month", ["12-31"]),
    ],
)
def test_business_days_are_counted_from_either_end(nth: int, of: str, days: list[str]) -> None:
    """A month with too few of them has none: January 2027 has 20."""
    counted = schedule(business_day={"nth": nth, "of": of, "at": "06:00"})

    found = occurrences(counted, calendar(), NOW, NOW + timedelta(days=60))

    assert [f"{each.due:%m-%d}" for each in found] == days


def test_a_moved_run_says_from_where_and_why() -> None:
    """Christmas Day is a Friday; the run goes to Monday, at the same local time."""
    weekly = schedule(cron="0 8 * * 5", timezone="Europe/Berlin", day_off="next", flow="monitor")

    found = occurrences(weekly, BERLINS, NOW, NOW + timedelta(days=22))

    assert shown(found, BERLIN) == [
        ("12-11 08:00", "12-11 08:00", ""),
        ("12-18 08:00", "12-18 08:00", ""),
        ("12-25 08:00", "12-28 08:00", "Christmas Day (DE-BE)"),
    ]


def test_runs_that_meet_on_one_day_are_one_run() -> None:
    """Saturday's and Sunday's move to Monday, which has its own: nothing starts twice."""
    daily = schedule(cron="0 6 * * *", day_off="next")

    found = occurrences(daily, calendar(), NOW + timedelta(days=4), NOW + timedelta(days=7))

    assert shown(found, ZoneInfo("UTC")) == [
        ("12-12 06:00", "", "Saturday; the run of Mon 14 Dec stands for it"),
        ("12-13 06:00", "", "Sunday; the run of Mon 14 Dec stands for it"),
        ("12-14 06:00", "12-14 06:00", ""),
    ]


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("skip", "year end, frozen until 2027-01-03"),
        ("after", "year end, frozen until 2027-01-03; the run of Mon 4 Jan stands for it"),
    ],
)
def test_a_freeze_leaves_out_or_puts_off(then: str, why: str) -> None:
    """Two Mondays fall into it; put off, they meet on the one after it, which has its own run."""
    mondays = schedule(cron="0 9 * * 1", timezone="Europe/Berlin")
    held = calendar(freezes=[{**YEAR_END, "then": then}])

    found = occurrences(mondays, held, NOW + timedelta(days=8), datetime(2027, 1, 5, tzinfo=UTC))

    assert shown(found, BERLIN) == [
        ("12-21 09:00", "", why),
        ("12-28 09:00", "", why),
        ("01-04 09:00", "01-04 09:00", ""),
    ]


def test_what_a_freeze_puts_off_runs_on_the_first_business_day_after_it() -> None:
    """It ends on a Sunday; the fourth of January is the first business day of the year."""
    monthly = schedule(cron="0 9 1 * *", timezone="Europe/Berlin")
    held = calendar(freezes=[{**YEAR_END, "then": "after"}])

    found = occurrences(monthly, held, NOW, datetime(2027, 1, 31, tzinfo=UTC))

    why = "year end, frozen until 2027-01-03"
    assert shown(found, BERLIN) == [("01-01 09:00", "01-04 09:00", why)]


def test_a_freeze_holds_its_own_flows_alone() -> None:
    """By default trainings and promotions: nothing changes, and scoring goes on."""
    held = calendar(freezes=[YEAR_END])

    assert not by_rule(schedule(cron="0 9 * * 1"), held)
    assert by_rule(schedule(cron="0 9 * * 1", flow="score"), held)

    def frozen(flow: FlowName, at: datetime, zone: ZoneInfo = BERLIN) -> str | None:
        found = freeze_at(held, Path("/nowhere"), flow, at, zone)
        return found.words if found else None

    eve = datetime(2027, 1, 3, 23, 30, tzinfo=UTC)  # in Berlin the freeze is over
    assert frozen("train", NOW + timedelta(days=13)) == "year end, frozen until 2027-01-03"
    assert frozen("score", NOW + timedelta(days=13)) is None
    assert (frozen("train", eve), frozen("train", eve, NEW_YORK)) == (
        *(None, "year end, frozen until 2027-01-03"),
    )


def test_a_yearly_freeze_comes_back_and_a_leap_day_has_its_day() -> None:
    """From 29 February of a leap year to a week later, each year."""
    leap = {"why": "audit", "first": "2024-02-29", "last": "2024-03-07", "yearly": True}

    found = declared_freezes(calendar(freezes=[leap]), date(2026, 1, 1), date(2028, 12, 31))

    assert [each.first.isoformat() for each in found] == ["2026-02-28", "2027-02-28", "2028-02-29"]


@pytest.mark.parametrize(
    ("zone", "day", "at", "utc"),
    [
        ("America/New_York", "2007-03-11", "02:30", "2007-03-11T07:30:00+00:00"),
        ("America/New_York", "2007-11-04", "01:30", "2007-11-04T05:30:00+00:00"),
        ("Europe/Berlin", "2027-03-28", "02:30", "2027-03-28T01:30:00+00:00"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30:00+00:00"),
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T19:00:00+00:00"),
    ],
)
def test_a_local_time_is_one_moment_where_clocks_change(
    zone: str, day: str, at: str, utc: str
) -> None:
    """The first two are RFC 5545's own; Samoa left out a whole day."""
    found = moment_of(date.fromisoformat(day), time.fromisoformat(at), ZoneInfo(zone))

    assert found.isoformat() == utc


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(
        st.integers(0, 2 * 366 * 1440).map(lambda each: NOW + timedelta(minutes=each)),
        max_size=30,
    ),
    zone=st.sampled_from(ZONES),
    how=st.sampled_from(("run", "skip", "next", "next_in_month", "previous")),
    then=st.sampled_from(("skip", "after")),
)
def test_whatever_is_due_nothing_starts_twice_and_nothing_is_lost_without_a_word(
    moments: list[datetime], zone: str, how: str, then: str
) -> None:
    """Each time comes back once; what runs is on a business day, outside each freeze."""
    asked = schedule(cron="0 6 * * *", timezone=zone, day_off=how)
    held = calendar(
        holidays=[{"country": "DE"}], freezes=[{**YEAR_END, "yearly": True, "then": then}]
    )
    days = Workdays(held)
    freezes = declared_freezes(held, date(2025, 1, 1), date(2029, 1, 1))

    found = settle(moments, asked, days, freezes)

    runs = [each.at for each in found if each.at is not None]
    assert [each.due for each in found] == sorted(set(moments))
    assert len(runs) == len(set(runs))
    assert all(each.why for each in found if each.at != each.due)
    for run in runs:
        local = run.astimezone(ZoneInfo(zone)).date()
        assert not any(each.first <= local <= each.last for each in freezes)
        assert how == "run" or days.off(local) is None


@settings(max_examples=40, deadline=None)
@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_next_and_previous_meet_on_a_business_day(day: date) -> None:
    """No business day lies between a day off and where its run goes."""
    days = Workdays(BERLINS)
    ahead, back = days.next(day), days.previous(day)

    assert back <= day <= ahead
    assert days.off(ahead) is days.off(back) is None
    between = (back + timedelta(days=each) for each in range(1, (ahead - back).days))
    assert all(days.off(each) is not None for each in between)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.times().map(lambda each: each.replace(second=0, microsecond=0)),
    st.integers(1, 5),
)
def test_what_prefect_lists_is_what_was_settled(zone: str, at: time, nth: int) -> None:
    """Through Prefect's text and its server's code each moment stays what it is."""
    asked = schedule(business_day={"nth": nth, "at": at}, timezone=zone)

    runs = [each.at for each in occurrences(asked, calendar(), NOW, NOW + HORIZON)]
    held = told(asked, calendar(), NOW)

    assert list(times(held, NOW, NOW + HORIZON)) == runs
    assert len(runs) >= 13


def test_a_list_is_as_long_as_prefect_takes() -> None:
    """400 dates of the horizon's; the rest comes when it is renewed."""
    moments = [NOW + timedelta(hours=each) for each in range(1000)]

    held = listed(moments)

    assert list(times(held, NOW, NOW + HORIZON)) == moments[:MOST_DATES]
    assert list(times(listed([]), NOW, NOW + HORIZON)) == []


def test_what_prefect_can_say_stays_a_rule_of_its_own() -> None:
    """A cron line, an interval and an RRule that no calendar touches."""
    day_off = calendar(days_off=["2026-12-24"])

    kinds = [
        type(told(schedule(**each), day_off, NOW)).__name__
        for each in ({"cron": "0 6 * * *"}, {"interval": "PT6H"}, {"rrule": "FREQ=DAILY"})
    ]

    assert kinds == ["CronSchedule", "IntervalSchedule", "RRuleSchedule"]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_daily_cron_line_runs_once_a_day_where_clocks_change(zone: str) -> None:
    """Half past two is skipped in spring and shown twice in autumn; each day has one run."""
    daily = schedule(cron="30 2 * * *", timezone=zone)

    found = occurrences(daily, calendar(), NOW, NOW + timedelta(days=365))

    days = [each.due.astimezone(ZoneInfo(zone)).date() for each in found]
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=1)}


def test_events_start_runs_freeze_them_or_are_days_off() -> None:
    """One team calendar in its three uses: an event of a time, one of a day, one of three days."""
    events = [
        ("Retrain flights", "2026-12-09T08:00:00Z", "2026-12-09T09:00:00Z"),
        ("retrain again", "2026-12-15", "2026-12-16"),
        ("Office closed", "2026-12-15", "2026-12-16"),
        ("Change freeze", "2026-12-28", "2026-12-31"),
        ("Retrain flights", "2026-12-30T08:00:00", "2026-12-30T09:00:00"),
    ]
    feed = Feed.model_validate(
        {
            "read_at": NOW,
            "first": "2026-12-01",
            "last": "2027-12-01",
            "events": [
                {"summary": summary, "begins": begins, "ends": ends}
                for summary, begins, ends in events
            ],
        }
    )
    by_events = schedule(
        events={"source": "t", "matching": "RETRAIN", "at": "06:00"},
        timezone="Europe/Berlin",
        day_off="next",
    )
    held = calendar(
        events_off={"source": "t", "matching": "closed"},
        freezes=[{"why": "team", "events": {"source": "t", "matching": "freeze"}}],
    )

    found = occurrences(by_events, held, NOW, NOW + timedelta(days=30), {"t": feed})

    assert shown(found, BERLIN) == [
        ("12-09 09:00", "12-09 09:00", ""),
        ("12-15 06:00", "12-16 06:00", "Office closed"),
        ("12-30 08:00", "", "team (Change freeze), frozen until 2026-12-30"),
    ]


def test_an_address_is_shown_by_its_host_alone() -> None:
    """What follows is often the secret that opens a team's calendar."""
    secret = "https://me:word@calendar.example.com/private-0f3a/basic.ics?key=1"

    assert place(secret) == "https://calendar.example.com/..."

"""RFC 5545's own examples: as an RRule in Prefect, and as an event of an iCalendar."""

from datetime import UTC, date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from tasks.calendars.expansion import expand
from tasks.calendars.rules import rule, times
from tasks.schedules import ScheduleSpec

NEW_YORK = ZoneInfo("America/New_York")
START = "19970902T090000"

# Source: RFC 5545, section 3.8.5.3. Each rule with its start where that is another, and the first
# of the days, months and years that the RFC lists for it.
EXAMPLES = [
    ("FREQ=DAILY;COUNT=10", START, "0902 0903 0904 0905 0906 0907 0908 0909 0910 0911"),
    ("FREQ=DAILY;INTERVAL=2", START, "0902 0904 0906 0908"),
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", START, "0902 0912 0922 1002 1012"),
    ("FREQ=WEEKLY;COUNT=10", START, "0902 0909 0916 0923 0930 1007 1014 1021 1028 1104"),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", START, "0902 0916 0930 1014 1028 1111 1125 1209 1223"),
    ("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", START, "0902 0904 0909 0911 0916 0918 0923"),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        START,
        "0902 0904 0916 0918 0930 1002 1014 1016",
    ),
    ("FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "19970905T090000", "0905 1003 1107 1205 19980102 19980206"),
    (
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "19970907T090000",
        "0907 0928 1102 1130 19980104 19980125 19980301 19980329 19980503 19980531",
    ),
    (
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "19970922T090000",
        "0922 1020 1117 1222 19980119 19980216",
    ),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "19970928T090000", "0928 1029 1128 1229 19980129 19980226"),
    ("FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", START, "0902 0915 1002 1015 1102 1115 1202 1215"),
    ("FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "19970930T090000", "0930 1001 1031 1101 1130 1201"),
    (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "19970910T090000",
        "0910 0911 0912 0913 0914 0915 19990310 19990311 19990312 19990313",
    ),
    ("FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", START, "0902 0909 0916 0923 0930 1104 1111 1118 1125"),
    (
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "19970610T090000",
        "0610 0710 19980610 19980710 19990610 19990710 20000610 20000710 20010610 20010710",
    ),
    (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
        "19970101T090000",
        "0101 0410 0719 20000101 20000409 20000718 20030101 20030410 20030719 20060101",
    ),
    ("FREQ=YEARLY;BYDAY=20MO", "19970519T090000", "0519 19980518 19990517"),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512T090000", "0512 19980511 19990517"),
    (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "19980213T090000",
        "19980213 19980313 19981113 19990813 20001013",
    ),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "19970913T090000",
        "0913 1011 1108 1213 19980110 19980207 19980307 19980411 19980509 19980613",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "19961105T090000",
        "19961105 20001107 20041102",
    ),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904T090000", "0904 1007 1106"),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "19970929T090000",
        "0929 1030 1127 1230 19980129 19980226 19980330",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
        "19970805T090000",
        "0805 0810 0819 0824",
    ),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
        "19970805T090000",
        "0805 0817 0819 0831",
    ),
    (
        "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
        "20070115T090000",
        "20070115 20070130 20070215 20070315 20070330",
    ),
]


def expected(days: str) -> list[datetime]:
    """Nine in the morning in New York; a day without its year is of 1997."""
    return [
        datetime.strptime(f"{day if len(day) > 4 else f'1997{day}'}09", "%Y%m%d%H").replace(
            tzinfo=NEW_YORK
        )
        for day in days.split()
    ]


def calendar(lines: str, zone: str = ";TZID=America/New_York", start: str = START) -> bytes:
    """An iCalendar of one event."""
    event = f"BEGIN:VEVENT\nUID:1\nSUMMARY:it\nDTSTART{zone}:{start}\n{lines}\nEND:VEVENT"
    whole = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:test\n{event}\nEND:VCALENDAR\n"
    return whole.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(("said", "start", "days"), EXAMPLES)
def test_a_rule_has_the_times_that_the_rfc_lists(said: str, start: str, days: str) -> None:
    """The schedule that Prefect is given, by the code that its server runs."""
    declared = ScheduleSpec(
        flow="train", rrule=f"DTSTART:{start}\nRRULE:{said}", timezone="America/New_York"
    )
    wanted = expected(days)

    found = times(rule(declared), wanted[0], datetime(2008, 1, 1, tzinfo=UTC))

    assert list(islice(found, len(wanted))) == wanted


@pytest.mark.parametrize(("said", "start", "days"), EXAMPLES)
def test_an_event_recurs_as_the_rfc_lists(said: str, start: str, days: str) -> None:
    """The same rules, read from a team's calendar."""
    wanted = expected(days)

    found = expand(
        calendar(f"RRULE:{said}", start=start), wanted[0].date(), wanted[-1].date()
    ).events

    assert [each.begins for each in found] == wanted


def test_a_rule_that_ends_has_its_last_time_in_it() -> None:
    """``UNTIL`` is in UTC where the start has a zone: 24 December, midnight."""
    content = calendar("RRULE:FREQ=DAILY;UNTIL=19971224T000000Z")

    found = expand(content, date(1997, 1, 1), date(1998, 12, 31)).events

    assert len(found) == 113
    assert found[-1].begins == datetime(1997, 12, 23, 9, tzinfo=NEW_YORK)


def test_rules_of_hours_and_minutes_count_as_the_rfc_says() -> None:
    """Every three hours on one day; every 90 minutes, four times; every 20 minutes of a day."""
    thrice = calendar("RRULE:FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z")
    ninety = calendar("RRULE:FREQ=MINUTELY;INTERVAL=90;COUNT=4")
    twenty = calendar("RRULE:FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40;COUNT=24")
    day = date(1997, 9, 2)

    found = [
        [f"{each.begins:%H%M}" for each in expand(content, day, day).events]
        for content in (thrice, ninety, twenty)
    ]

    assert found[0] == ["0900", "1200", "1500"]
    assert found[1] == ["0900", "1030", "1200", "1330"]
    assert found[2][:4] + found[2][-1:] == ["0900", "0920", "0940", "1000", "1640"]


def test_exceptions_and_moved_times_of_a_series_are_heard() -> None:
    """``EXDATE`` takes one out, ``RDATE`` adds one, ``RECURRENCE-ID`` moves one."""
    first = (
        "UID:1\nDTSTART:19970902T090000Z\nRRULE:FREQ=DAILY;COUNT=4\n"
        "EXDATE:19970903T090000Z\nRDATE:19970910T120000Z"
    )
    moved = "UID:1\nRECURRENCE-ID:19970904T090000Z\nDTSTART:19970904T150000Z"
    events = "".join(f"BEGIN:VEVENT\n{each}\nEND:VEVENT\n" for each in (first, moved))
    content = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n{events}END:VCALENDAR\n".encode()

    found = expand(content, date(1997, 9, 1), date(1997, 9, 30)).events

    assert [f"{each.begins:%d %H}" for each in found] == ["02 09", "04 15", "05 09", "10 12"]


def test_a_cancelled_event_starts_nothing() -> None:
    """It stays in the calendar for people to see."""
    content = calendar("STATUS:CANCELLED\nRRULE:FREQ=DAILY")

    assert expand(content, date(1997, 9, 1), date(1997, 9, 30)).events == ()


def test_a_zone_that_is_nowhere_is_refused() -> None:
    """The library reads such a time as local: a run hours off, and not a word of it."""
    mars = ";TZID=Mars/Olympus"
    contents = (
        calendar("", zone=mars),
        calendar(f"RRULE:FREQ=DAILY;COUNT=3\nEXDATE{mars}:19970903T090000"),
        calendar(f"RDATE{mars}:19970903T090000"),
    )

    for content in contents:
        found = expand(content, date(1997, 9, 1), date(1997, 9, 30))
        [broken] = found.broken
        assert "'Mars/Olympus'" in broken.why
        assert (broken.summary, broken.uid, found.events) == ("it", "1", ())


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("SUMMARY:party", "no DTSTART"),
        ("SUMMARY:party\nDTSTART:1997-09-05", "DTSTART: "),
        ("SUMMARY:party\nDTSTART:19970905T090000Z\nRRULE:FREQ=SOMETIMES", "RRULE: "),
        ("SUMMARY:party\nDTSTART:19970905T090000Z\nEXDATE:garbage", "EXDATE: "),
    ],
)
def test_a_broken_event_is_told_by_its_name_and_spoils_no_other(lines: str, why: str) -> None:
    """Somebody's mistake in a calendar of a thousand events."""
    other = f"BEGIN:VEVENT\nUID:2\n{lines}\nEND:VEVENT\nEND:VCALENDAR".replace("\n", "\r\n")
    content = calendar("").replace(b"END:VCALENDAR", other.encode())

    found = expand(content, date(1997, 9, 1), date(1997, 9, 30))

    [broken] = found.broken
    assert (broken.summary, broken.uid) == ("party", "2")
    assert why in broken.why
    assert [each.summary for each in found.events] == ["it"]


def test_a_text_may_hold_several_calendars_and_each_of_them_whole() -> None:
    """One after the other (3.4); one that was cut off is not taken for the end."""
    both = calendar("") + calendar("RRULE:FREQ=DAILY;COUNT=2")

    assert len(expand(both, date(1997, 9, 1), date(1997, 9, 30)).events) == 3
    for cut in (both[:-20], calendar("")[:-20]):
        with pytest.raises(ValueError, match="ends before END:VCALENDAR"):
            expand(cut, date(1997, 9, 1), date(1997, 9, 30))


@pytest.mark.parametrize(
    "content", [b"", b"<html>Sign in</html>", b"BEGIN:VCARD\r\nEND:VCARD\r\n", b"\x00\xff" * 50]
)
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    """A page that asks to sign in is what an address most often answers instead."""
    with pytest.raises(ValueError, match="BEGIN:VCALENDAR"):
        expand(content, date(1997, 9, 1), date(1997, 9, 30))

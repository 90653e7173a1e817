"""Calendars that others keep, by file and by address: read as they are, refused in a sentence."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from infra.errors import BackendError, ConfigError, PerennialError
from tasks.calendars import apart, feeds
from tasks.calendars.apart import refuse_endless
from tasks.calendars.feeds import is_met, kept_feed, moments, read_feed
from tasks.schedules import EventsSpec, ScheduleSpec
from tests.support.calendars import CalendarServer, calendar_server, event, icalendar
from tests.support.homes import environment

FIRST, LAST = date(2026, 12, 1), date(2027, 12, 31)
MORNING = datetime(2026, 12, 9, 8, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[CalendarServer]:
    """A team's calendar in the network."""
    with calendar_server() as server:
        yield server


def test_a_calendar_in_the_network_is_read_and_kept(
    home: Path, server: CalendarServer, tmp_path: Path
) -> None:
    """What was read last is there while the address is away."""
    server.content = icalendar(event("Retrain", MORNING, "RRULE:FREQ=WEEKLY;COUNT=3"))

    feed = read_feed(server.address, tmp_path, FIRST, LAST)
    server.status = 503

    declared = EventsSpec(source=server.address, matching="retrain")
    found = list(moments(feed, declared, UTC))  # type: ignore[arg-type] # a zone is a zone
    assert [f"{each:%m-%d %H}" for each in found] == ["12-09 08", "12-16 08", "12-23 08"]
    assert kept_feed(server.address, tmp_path) == feed
    with pytest.raises(BackendError, match="answers 503"):
        read_feed(server.address, tmp_path, FIRST, LAST)
    assert kept_feed(server.address, tmp_path) == feed


def test_a_file_and_a_secret_address_are_read_too(
    home: Path, server: CalendarServer, tmp_path: Path
) -> None:
    """A path counts from the model's folder, ``$NAME`` is read from the environment."""
    (tmp_path / "team.ics").write_bytes(icalendar(event("Retrain", MORNING)))
    server.content = icalendar(event("Retrain", MORNING), event("Again", MORNING))

    with environment({"TEAM_CALENDAR": server.address}):
        by_secret = read_feed("$TEAM_CALENDAR", tmp_path, FIRST, LAST)

    assert len(read_feed("team.ics", tmp_path, FIRST, LAST).events) == 1
    assert len(by_secret.events) == 2


def test_what_one_machine_has_read_holds_on_all_of_them(home: Path, tmp_path: Path) -> None:
    """Workers that share a store keep the same freezes, wherever the model's folder lies there."""
    folders = tmp_path / "here" / "m", tmp_path / "there" / "m"
    folders[0].mkdir(parents=True)
    (folders[0] / "team.ics").write_bytes(icalendar(event("Freeze", MORNING)))
    shared = {"PERENNIAL_STORE": str(tmp_path / "shared")}

    with environment({**shared, "PERENNIAL_HOME": str(tmp_path / "one")}):
        read = read_feed("team.ics", folders[0], FIRST, LAST)
    with environment({**shared, "PERENNIAL_HOME": str(tmp_path / "two")}):
        assert kept_feed("team.ics", folders[1]) == read


def test_a_broken_event_concerns_whoever_means_it(
    home: Path, server: CalendarServer, tmp_path: Path
) -> None:
    """Another's mistake is passed over; one's own is told by the event's name."""
    server.content = icalendar(event("Retrain", MORNING), "SUMMARY:Party\nDTSTART:someday")
    retrain, party = (EventsSpec(source="x", matching=each) for each in ("retrain", "party"))

    feed = read_feed(server.address, tmp_path, FIRST, LAST, [retrain])

    assert [each.summary for each in feed.events] == ["Retrain"]
    assert (is_met(feed, retrain), is_met(feed, party)) == (True, False)
    for meant in ([retrain, party], []):
        with pytest.raises(ConfigError, match=r"event 'Party' \(UID 1\) is broken: DTSTART"):
            read_feed(server.address, tmp_path, FIRST, LAST, meant)


def test_an_address_may_be_written_as_people_copy_it(
    home: Path, server: CalendarServer, tmp_path: Path
) -> None:
    """In capital letters, or as webcal, which is fetched by https."""
    server.content = icalendar(event("Retrain", MORNING))
    shouted = server.address.replace("http://", "HTTP://")
    webcal = server.address.replace("http://", "webcal://")

    assert len(read_feed(shouted, tmp_path, FIRST, LAST).events) == 1
    with pytest.raises(BackendError, match=r"calendar at webcal://127\.0\.0\.1.* does not answer"):
        read_feed(webcal, tmp_path, FIRST, LAST)  # the server here speaks http alone


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (404, b"", "answers 404"),
        (200, b"<html>Sign in</html>", "does not begin with BEGIN:VCALENDAR"),
        (200, b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "cannot be used"),
        (200, icalendar("SUMMARY:no start"), "cannot be used"),
        (200, icalendar("DTSTART:someday\nSUMMARY:x"), "cannot be used"),
        (200, icalendar(event("x", MORNING, "RRULE:FREQ=NEVER")), "cannot be used"),
        (200, b"x" * (5 << 20), "more than 4 MiB"),
    ],
)
def test_what_is_no_calendar_is_refused(
    home: Path, server: CalendarServer, status: int, content: bytes, said: str
) -> None:
    """By a sentence that shows the host and not the secret behind it."""
    server.status, server.content = status, content

    with pytest.raises(PerennialError, match=said) as refused:
        read_feed(server.address, home, FIRST, LAST)

    assert "private-0f3a" not in str(refused.value)
    assert kept_feed(server.address, home) is None


@pytest.mark.parametrize(
    ("rule", "said", "seconds"),
    [
        ("RRULE:FREQ=MINUTELY;COUNT=6000", "6,000 events", 5),
        ("RRULE:FREQ=SECONDLY", "recurs without measure", 1),
        ("RRULE:FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", "recurs without measure", 1),
    ],
)
def test_a_rule_without_measure_ends_its_reader_and_not_us(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    said: str,
    seconds: int,
) -> None:
    """It is read in a process that has so many seconds of a core."""
    monkeypatch.setattr(apart, "MOST_S", seconds)
    (tmp_path / "team.ics").write_bytes(icalendar(event("x", MORNING, rule)))
    began = time.monotonic()

    with pytest.raises(ConfigError, match=said):
        read_feed("team.ics", tmp_path, FIRST, LAST)

    assert time.monotonic() - began < 30


def test_an_address_that_does_not_answer_is_given_up(
    home: Path, server: CalendarServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused at once, or silent for longer than we wait."""
    monkeypatch.setattr(feeds, "_PATIENCE_S", 0.2)
    server.waits_s = 1.0

    for address in (server.address, "http://127.0.0.1:9/team.ics", "http://nowhere.invalid/t"):
        with pytest.raises(BackendError, match="does not answer"):
            read_feed(address, home, FIRST, LAST)


@pytest.mark.parametrize("source", ["gone.ics", "$NO_SUCH_CALENDAR", ".", "../../etc"])
def test_a_source_that_is_not_there_is_a_sentence(home: Path, source: str) -> None:
    """A file, a variable, a folder."""
    with pytest.raises(ConfigError, match=r"not readable|environment has no"):
        read_feed(source, home, FIRST, LAST)


def test_a_rule_that_would_hold_up_prefects_server_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It looks for 30 February minute by minute, for all models; others pass."""
    monkeypatch.setattr(apart, "MOST_S", 1)

    def declared(rule: str) -> ScheduleSpec:
        return ScheduleSpec(flow="train", rrule=rule)

    with pytest.raises(ConfigError, match=r"names no time within reach.*without measure"):
        refuse_endless(declared("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30"), FIRST)
    refuse_endless(declared("DTSTART:20260101T080000\nRRULE:FREQ=DAILY"), FIRST)
    refuse_endless(ScheduleSpec(flow="train", cron="0 6 * * *"), FIRST)

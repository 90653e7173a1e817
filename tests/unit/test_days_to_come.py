"""The next thirty days: as Prefect would hold them, explained by what is declared, and printed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from prefect.client.schemas.responses import DeploymentResponse

from deployments.ahead import Ahead, Outcome, ahead
from deployments.cli.agenda import print_ahead
from tasks.schedules import CalendarSpec, ScheduleSpec
from tasks.spec import ModelSpec
from tests.support.held import held

NOW = datetime(2026, 12, 7, 11, tzinfo=UTC)
CALENDAR = CalendarSpec.model_validate(
    {
        "holidays": [{"country": "US", "subdivision": "NY"}],
        "freezes": [{"why": "year end", "first": "2026-12-18", "last": "2027-01-03"}],
    }
)
NEW_YORK = {"timezone": "America/New_York", "active": True}


def schedules(*declared: Mapping[str, object]) -> tuple[ScheduleSpec, ...]:
    """Schedules in New York, active unless said otherwise."""
    return tuple(ScheduleSpec.model_validate({**NEW_YORK, **each}) for each in declared)


DAILY = {"flow": "ingest", "cron": "0 6 * * *"}
FRIDAYS = {"flow": "monitor", "name": "fridays", "cron": "0 8 * * 5", "day_off": "next"}
MONDAYS = {"flow": "train", "cron": "0 9 * * 1"}
BY_HAND = {"flow": "score", "cron": "0 7 1 * *", "active": False}


def seen(
    declared: tuple[ScheduleSpec, ...],
    there: dict[str, DeploymentResponse] | None = None,
    calendar: CalendarSpec = CALENDAR,
) -> Ahead:
    """The days to come of a model that was deployed as it is declared, unless said otherwise."""
    spec = SimpleNamespace(name="m", schedules=declared, calendar=calendar, folder=Path("m"))
    known = held(declared, calendar, NOW) if there is None else there
    return ahead(cast("ModelSpec", spec), known, NOW)


def test_a_time_is_told_with_what_becomes_of_it_and_why() -> None:
    """Moved by Christmas, left out by the freeze, paused, or simply run."""
    found = seen(schedules(FRIDAYS, MONDAYS, BY_HAND)).upcoming

    told = [(f"{each.due:%m-%d}", each.schedule, each.outcome.value, each.why) for each in found]
    christmas, year_end = "Christmas Day (US-NY)", "year end, frozen until 2027-01-03"
    assert told == [
        ("12-07", "train-1", "runs", ""),
        ("12-11", "fridays", "runs", ""),
        ("12-14", "train-1", "runs", ""),
        ("12-18", "fridays", "runs", ""),
        ("12-21", "train-1", "left_out", year_end),
        ("12-25", "fridays", "runs", christmas),
        ("12-28", "train-1", "left_out", year_end),
        ("01-01", "score-1", "paused", ""),
        ("01-01", "fridays", "runs", "New Year's Day (US-NY)"),
        ("01-04", "train-1", "runs", ""),
    ]
    assert [each.at for each in found if each.outcome is Outcome.LEFT_OUT] == [None, None]


def test_a_schedule_is_summed_up() -> None:
    """How many runs, the next of them, and the rule in words."""
    [status] = seen(schedules({**DAILY, "late": "latest", "late_within": "PT6H"})).schedules

    assert (status.name, status.rule, status.runs) == ("ingest-1", "0 6 * * * America/New_York", 31)
    assert status.next == datetime(2026, 12, 7, 11, tzinfo=UTC)
    assert status.active
    assert status.late == "latest only, within 6 hours"
    assert status.said == ""


def test_of_a_schedule_of_every_minute_each_day_is_told() -> None:
    """43,200 runs are counted; each day's first is listed, so that no day looks empty."""
    found = seen(schedules({"flow": "score", "interval": "PT1M"}))

    days = {each.due.astimezone(ZoneInfo("America/New_York")).date() for each in found.upcoming}
    assert found.schedules[0].runs == 30 * 24 * 60 + 1
    assert found.schedules[0].rule == "every 1 minute America/New_York"
    assert len(found.upcoming) == len(days) == 31


def test_what_is_paused_on_prefects_page_is_paused() -> None:
    """Whatever the declaration says; and the difference is told."""
    declared = schedules(MONDAYS)
    there = held(declared, CALENDAR, NOW, paused=True)

    found = seen(declared, there)

    assert {each.outcome for each in found.upcoming} == {Outcome.PAUSED, Outcome.LEFT_OUT}
    assert found.schedules[0].said == "It is declared active, and paused in Prefect."


def test_what_was_not_deployed_will_not_run() -> None:
    """Nor is it shown as if it would."""
    found = seen(schedules(MONDAYS), {})

    assert {each.outcome for each in found.upcoming} == {Outcome.NOT_IN_PREFECT, Outcome.LEFT_OUT}
    assert found.schedules[0].runs == 0
    assert "run `perennial deploy`" in found.schedules[0].said


def test_a_declaration_that_changed_since_shows_what_prefect_will_do() -> None:
    """Tuesdays are declared now; Prefect still starts a run on Mondays."""
    there = held(schedules(MONDAYS), CALENDAR, NOW)

    found = seen(schedules({**MONDAYS, "cron": "0 9 * * 2"}), there)

    mondays = [each for each in found.upcoming if each.outcome is Outcome.RUNS]
    tuesdays = [each for each in found.upcoming if each.outcome is Outcome.NOT_IN_PREFECT]
    assert [f"{each.due:%a %d}" for each in mondays] == ["Mon 07", "Mon 14", "Mon 04"]
    assert {each.why for each in mondays} == {"as it was declared at the last deploy"}
    assert [f"{each.due:%a %d}" for each in tuesdays] == ["Tue 08", "Tue 15", "Tue 05"]
    assert found.schedules[0].said.startswith("Prefect holds other times")


def test_a_calendar_that_was_never_read_here_hides_nothing() -> None:
    """What Prefect holds is shown; why it does is not known, and that is said."""
    events = {"flow": "train", "events": {"source": "team.ics"}}

    found = seen(schedules(events), held(schedules(MONDAYS), CalendarSpec(), NOW), CalendarSpec())

    assert len(found.upcoming) == 5
    assert "was not read yet" in found.schedules[0].said


def test_what_lies_beyond_the_end_of_a_list_is_no_trouble() -> None:
    """Of every hour around a freeze Prefect holds 400 runs, of which the upkeep makes more."""
    declared = schedules({"flow": "train", "interval": "PT1H"})
    later = NOW + timedelta(days=6)
    spec = SimpleNamespace(name="m", schedules=declared, calendar=CALENDAR, folder=Path("m"))

    for now in (NOW, later):
        found = ahead(cast("ModelSpec", spec), held(declared, CALENDAR, NOW), now)
        assert found.schedules[0].said == ""
        outcomes = {each.outcome for each in found.upcoming}
        assert outcomes == {Outcome.RUNS, Outcome.LEFT_OUT}

    stale = ahead(cast("ModelSpec", spec), held(declared, CALENDAR, NOW), NOW + timedelta(days=45))
    assert stale.schedules[0].said.startswith("Prefect holds other times than are declared")


def test_a_rule_of_no_use_troubles_its_own_line_alone() -> None:
    """31 February, deployed before it was refused: the other schedules are told as ever."""
    found = seen(schedules({"flow": "train", "cron": "0 6 31 2 *"}, DAILY), calendar=CalendarSpec())

    assert "names no time" in found.schedules[0].said
    assert (found.schedules[0].runs, found.schedules[1].runs) == (0, 31)


def test_the_terminal_shows_a_strip_of_days_and_the_exceptions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty-one days a line; a daily run is one line, what moved or is left out has its reason."""
    monkeypatch.setenv("COLUMNS", "140")
    found = seen(schedules(DAILY, FRIDAYS, MONDAYS, BY_HAND))

    print_ahead({"m": found}, NOW)

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    strips = {line.split()[0]: line[12:43] for line in lines[4:8]}
    assert lines[1] == "Next 30 days"
    assert lines[2] == f"{'':12}Dec                      Jan"
    assert lines[3] == f"{'':12}7      14     21     28     4"
    assert strips["ingest-1"] == "●" * 31
    assert strips["fridays"] == "····●  ····●  ·····  ▸····  ▸··"
    assert strips["train-1"] == "●····  ●····  ✕····  ✕····  ●··"
    assert strips["score-1"] == "·····  ·····  ·····  ····○  ···"
    assert lines[8] == "  ▸ runs, moved   ● runs   ✕ left out   ○ paused"
    [moved, _] = [line for line in lines if "moved  from" in line]
    assert moved.split("  ")[0] == " Mon 28 Dec 08:00 EST"
    assert moved.endswith("from Fri 25 Dec: Christmas Day (US-NY)")
    assert not any("ingest-1" in line for line in lines[9:])


def test_a_month_that_begins_at_once_is_named_beside_the_one_before_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the last day of a month two names do not run into one."""
    monkeypatch.setenv("COLUMNS", "140")

    print_ahead({"m": seen(schedules(DAILY))}, datetime(2026, 11, 30, 12, tzinfo=UTC))

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[2].strip() == "Nov Dec"
    assert lines[3].strip() == "30     7      14     21     28"


def test_of_several_models_the_exceptions_are_listed_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their plain runs are in the strips; a hundred models must still fit."""
    monkeypatch.setenv("COLUMNS", "140")
    found = seen(schedules(FRIDAYS, MONDAYS))

    print_ahead({"m": found, "n": found}, NOW)

    out = capsys.readouterr().out
    assert out.count("m/train-1") == 3
    assert out.count("left out ") == 4


def test_a_terminal_without_such_letters_gets_plain_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and nothing fails."""
    monkeypatch.setattr("deployments.cli.agenda._plain", lambda _sign, plain: plain)
    monkeypatch.setenv("COLUMNS", "140")

    print_ahead({"m": seen(schedules(FRIDAYS, MONDAYS))}, NOW)

    out = capsys.readouterr().out
    assert out.isascii()
    assert "*....  *....  x....  x....  *.." in out


def test_a_model_without_schedules_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to come of it."""
    print_ahead({"m": Ahead(schedules=(), upcoming=())}, NOW)

    assert capsys.readouterr().out == ""

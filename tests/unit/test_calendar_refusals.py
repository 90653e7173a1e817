"""Calendars and schedules that cannot be had: each is refused by a sentence before a deploy."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from deployments.timetable import Timetable
from infra.errors import ConfigError
from infra.settings import PROJECT
from tasks.calendars.agenda import HORIZON, told
from tasks.calendars.rules import times
from tasks.schedules import CalendarSpec, ScheduleSpec, called
from tasks.spec import ModelSpec

NOW = datetime(2026, 12, 7, 11, tzinfo=UTC)
YEAR_END = {"why": "year end", "first": "2026-12-18", "last": "2027-01-03"}


def calendar(**fields: object) -> CalendarSpec:
    """A calendar as declared."""
    return CalendarSpec.model_validate(fields)


def schedule(**fields: object) -> ScheduleSpec:
    """A schedule of trainings as declared."""
    return ScheduleSpec.model_validate({"flow": "train", **fields})


def test_the_example_of_the_documents_is_taken() -> None:
    """Each kind, each field: what people copy must load."""
    text = (PROJECT / "docs" / "schedules.md").read_text("utf-8")
    example = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0])

    schedules = [ScheduleSpec.model_validate(each) for each in example["schedules"]]

    assert [each.flow for each in schedules] == ["ingest", "score", "monitor", "train", "train"]
    assert len(CalendarSpec.model_validate(example["calendar"]).freezes) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cron": "0 6 * * 6", "day_off": "skip"}, "Saturday"),
        ({"cron": "0 6 24 12 *"}, "for ever"),
    ],
)
def test_a_schedule_that_never_runs_is_a_contradiction(fields: dict[str, str], said: str) -> None:
    """The message says what leaves it out; a freeze of some days, or of one year, does not."""
    for_ever = {"why": "for ever", "first": "2026-01-01", "last": "2099-12-31"}

    with pytest.raises(ConfigError, match=f"never runs.*{said}"):
        told(schedule(**fields), calendar(freezes=[{**for_ever}]), NOW)


def test_a_yearly_run_in_a_freeze_of_one_year_runs_in_the_next() -> None:
    """It is left out of the horizon, and no contradiction."""
    yearly = schedule(cron="0 6 24 12 *")

    held = told(yearly, calendar(freezes=[YEAR_END]), NOW)

    assert next(times(held, NOW, NOW + 5 * HORIZON)) == datetime(2027, 12, 24, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"holidays": [{"country": "XX"}]}, "no holiday calendar of a country 'XX'"),
        ({"holidays": [{"country": "DE", "subdivision": "XX"}]}, "no subdivision of DE 'XX'"),
        ({"holidays": [{"market": "NYSEE"}]}, "no market 'NYSEE'; did you mean NYSE"),
        ({"holidays": [{"market": "XNYS", "subdivision": "NY"}]}, "has no subdivision"),
        ({"holidays": [{}]}, "one of country and market"),
        (
            {
                "weekend": [
                    "monday",
                    *["tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
                ]
            },
            "all seven",
        ),
        ({"freezes": [{**YEAR_END, "last": "2026-12-01"}]}, "before it begins"),
        ({"freezes": [{"why": "x", "first": "2026-12-01"}]}, "first and last, or events"),
        ({"freezes": [{**YEAR_END, "last": "2027-12-18", "yearly": True}]}, "no end"),
        ({"freezes": [{**YEAR_END, "flows": []}]}, "at least 1"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(
    fields: dict[str, object], said: str
) -> None:
    """When the declaration is read, not at night."""
    with pytest.raises(ValidationError, match=said):
        calendar(**fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "exactly one of"),
        ({"cron": "0 6 * * *", "interval": "PT1H"}, "exactly one of"),
        ({"cron": "0 6 * * *", "timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        (
            {"rrule": "DTSTART;TZID=Europe/Berlin:20260101T080000\nRRULE:FREQ=DAILY"},
            "remove TZID",
        ),
        (
            {
                "rrule": "DTSTART:20260101T080000Z\nRRULE:FREQ=DAILY",
                "timezone": "Europe/Berlin",
            },
            "those of Europe/Berlin; remove their Z",
        ),
        ({"interval": "PT0S"}, "longer than nothing"),
        ({"interval": "PT30S"}, "at least a minute"),
        ({"rrule": "FREQ=SECONDLY"}, "finer than a minute"),
        ({"cron": "*/10 * * * * *"}, "has five fields.* has 6"),
        ({"cron": "0 6 * *"}, "has five fields.* has 4"),
        ({"cron": "0 6 * * *", "late_within": "-PT1H"}, "longer than nothing"),
        ({"business_day": {"nth": 0, "at": "06:00"}}, "no month has a business day 0"),
        ({"business_day": {"nth": 24, "at": "06:00"}}, "no month has a business day 24"),
        ({"business_day": {"nth": 1, "at": "06:00"}, "day_off": "next"}, "never a day off"),
        ({"cron": "0 6 * * *", "name": "Not A Slug"}, "should match pattern"),
    ],
)
def test_a_schedule_that_contradicts_itself_is_refused(
    fields: dict[str, object], said: str
) -> None:
    """When the declaration is read, not at night."""
    with pytest.raises(ValidationError, match=said):
        schedule(**fields)


@pytest.mark.parametrize(
    "fields", [{"cron": "61 * * * *"}, {"rrule": "FREQ=NEVER"}, {"cron": "0 0 30 2 *"}]
)
def test_a_rule_that_prefect_does_not_take_is_a_sentence(fields: dict[str, str]) -> None:
    """Or one that names no day at all, such as 30 February."""
    with pytest.raises(ConfigError, match=r"does not take|names no time"):
        list(times(told(schedule(**fields), calendar(), NOW), NOW, NOW + HORIZON))


@pytest.mark.parametrize("fields", [{"cron": "0 6 31 2 *"}, {"cron": "0 6 30 2 *"}])
def test_a_rule_that_names_no_day_is_not_deployed(fields: dict[str, str]) -> None:
    """Of Prefect's own rules one time is looked for before anything is applied."""
    spec = SimpleNamespace(schedules=(schedule(**fields),), calendar=calendar())

    with pytest.raises(ConfigError, match="names no time"):
        Timetable(NOW, {}).check(cast("ModelSpec", spec))


def test_a_name_that_a_place_gives_is_taken_once() -> None:
    """`train-2` by its own word and the second without a name would be one schedule."""
    two = (schedule(cron="0 6 * * *", name="train-2"), schedule(cron="0 9 * * *"))

    with pytest.raises(ValueError, match="two schedules of train are called train-2"):
        called(two)
    assert list(called(two[::-1])) == ["train-1", "train-2"]


def test_sixty_days_off_in_a_row_are_a_mistake_of_the_calendar() -> None:
    """Not an endless search for the next business day."""
    off = [date(2026, 12, 8) + timedelta(days=each) for each in range(80)]

    with pytest.raises(ConfigError, match="60 days off in a row"):
        told(schedule(cron="0 6 * * *", day_off="next"), calendar(days_off=off), NOW)

"""The sections ``schedules`` and ``calendar``: when flows start by themselves, and when not."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from tasks.sections import Section

FlowName = Literal["ingest", "train", "review", "promote", "score", "monitor"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DayOff = Literal["run", "skip", "next", "next_in_month", "previous"]

WEEK: Final[tuple[Weekday, ...]] = (
    *("monday", "tuesday", "wednesday", "thursday", "friday"),
    *("saturday", "sunday"),
)
_IN_UTC: Final = re.compile(r"\d{8}T\d{6}Z")
_UNTIL: Final = re.compile(r"(UNTIL=)(\d{8}T\d{6})Z", re.IGNORECASE)
_FOLD: Final = re.compile(r"\r?\n[ \t]")
_FINEST: Final = timedelta(minutes=1)
_CRON_FIELDS: Final = 5
_DAYS: Final = {"month": 23, "quarter": 66, "year": 262}
"""Most business days that such a period can have. Source: a week has five."""


class EventsSpec(Section):
    """Events of an iCalendar (RFC 5545) that somebody keeps: a file, or an address."""

    source: str = Field(
        description="File, relative to the model's folder, or http(s) address (webcal is https); "
        "$NAME is read from the environment, where an address is a secret.",
        min_length=1,
    )
    matching: str | None = Field(
        None, description="Only events whose summary contains this, in small or capital letters."
    )
    at: time = Field(time(0), description="Local time for events that last whole days.")


class BusinessDaySpec(Section):
    """A business day counted from the start or the end of each month, quarter or year."""

    nth: int = Field(description="1 is the first, 2 the second, -1 the last.")
    of: Literal["month", "quarter", "year"] = "month"
    at: time = Field(description="Local time, such as 06:00.")

    @model_validator(mode="after")
    def _exists(self) -> "BusinessDaySpec":
        if not 0 < abs(self.nth) <= _DAYS[self.of]:
            raise ValueError(
                f"no {self.of} has a business day {self.nth}; count from 1, or from the end with -1"
            )
        return self


class ScheduleSpec(Section):
    """One schedule of one flow: a cron line, an interval, an RRule, a business day or events."""

    flow: FlowName
    name: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="What it is called in Prefect; its flow and place in the list if left out.",
    )
    cron: str | None = None
    interval: timedelta | None = None
    rrule: str | None = None
    business_day: BusinessDaySpec | None = None
    events: EventsSpec | None = Field(None, description="Runs at the start of each event.")
    timezone: str = "UTC"
    active: bool = Field(False, description="Paused unless the declaration says otherwise.")
    day_off: DayOff = Field(
        "run",
        description="What becomes of a run that falls on a day off of the calendar: it runs all "
        "the same, is left out, or moves to the next business day, to the next within its month "
        "or else the one before, or to the one before.",
    )
    late: Literal["all", "latest"] = Field(
        "all",
        description="Which runs are made up for after an outage: each, for its own time, or only "
        "the newest that is due.",
    )
    late_within: timedelta | None = Field(
        None, description="A run that could not start for longer than this is skipped."
    )

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name

    @field_validator("interval", "late_within")
    @classmethod
    def _takes_time(cls, length: timedelta | None) -> timedelta | None:
        if length is not None and length <= timedelta(0):
            raise ValueError("a duration must be longer than nothing")
        return length

    @field_validator("interval")
    @classmethod
    def _is_no_finer(cls, length: timedelta | None) -> timedelta | None:
        if length is not None and length < _FINEST:
            raise ValueError("an interval has at least a minute, PT1M")
        return length

    @field_validator("cron")
    @classmethod
    def _has_five_fields(cls, line: str | None) -> str | None:
        if line is not None and not line.startswith("@") and len(line.split()) != _CRON_FIELDS:
            raise ValueError(
                f"a cron line has five fields (minute, hour, day, month, weekday), {line!r} has "
                f"{len(line.split())}"
            )
        return line

    @field_validator("rrule")
    @classmethod
    def _is_unfolded(cls, text: str | None) -> str | None:
        """Lines that RFC 5545 (3.1) lets go on in the next one are whole, as dateutil wants."""
        text = None if text is None else _FOLD.sub("", text)
        if text is not None and "FREQ=SECONDLY" in text.upper():
            raise ValueError("an rrule of seconds is finer than a minute")
        return text

    @model_validator(mode="after")
    def _one_kind(self) -> "ScheduleSpec":
        kinds = (self.cron, self.interval, self.rrule, self.business_day, self.events)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of cron, interval, rrule, business_day and events")
        if self.business_day is not None and self.day_off != "run":
            raise ValueError("a business_day is never a day off; remove day_off")
        return self

    @model_validator(mode="after")
    def _has_one_zone(self) -> "ScheduleSpec":
        """Prefect reads an RRule in its time zone, and drops what the times say of theirs."""
        if self.rrule is not None and "TZID=" in self.rrule:
            raise ValueError("the zone of an rrule is said by timezone; remove TZID from its times")
        if self.rrule is not None and self.timezone != "UTC" and _IN_UTC.search(self.local_rrule):
            raise ValueError(
                f"the times of an rrule are those of {self.timezone}; remove their Z, "
                "that of UNTIL may stay"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.timezone)

    @property
    def local_rrule(self) -> str:
        """The RRule with its end in local time, which RFC 5545 (3.3.10) wants in UTC."""

        def local(found: re.Match[str]) -> str:
            end = datetime.strptime(found[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return f"{found[1]}{end.astimezone(self.zone):%Y%m%dT%H%M%S}"

        return _UNTIL.sub(local, self.rrule or "")


def called(schedules: Sequence[ScheduleSpec]) -> dict[str, ScheduleSpec]:
    """The schedules of one flow by the names that they bear in Prefect.

    One without a name is called after its flow and its place: ``train-1``.

    Raises:
        ValueError: two would bear one name.
    """
    found: dict[str, ScheduleSpec] = {}
    for place, each in enumerate(schedules, start=1):
        name = each.name or f"{each.flow}-{place}"
        if name in found:
            raise ValueError(
                f"two schedules of {each.flow} are called {name}; one without a name is called "
                "after its flow and its place among the flow's schedules"
            )
        found[name] = each
    return found


class HolidaySpec(Section):
    """Public holidays of a country or a part of it, or the closing days of a market."""

    country: str | None = Field(None, description="ISO 3166 code, such as DE.")
    subdivision: str | None = Field(None, description="ISO 3166-2 code without the country: BE.")
    market: str | None = Field(None, description="ISO 10383 code of an exchange, such as XNYS.")

    @model_validator(mode="after")
    def _is_there(self) -> "HolidaySpec":
        from tasks.calendars.official import fault  # a library that only this section needs

        if (self.country is None) == (self.market is None):
            raise ValueError("give one of country and market")
        if said := fault(self.country, self.subdivision, self.market):
            raise ValueError(said)
        return self

    @property
    def title(self) -> str:
        """What people call it: ``DE-BE``, ``XNYS``."""
        return "-".join(filter(None, (self.market, self.country, self.subdivision)))


class FreezeSpec(Section):
    """Days on which nothing is changed: scheduled runs of some flows are left out or wait."""

    why: str = Field(min_length=1, description="What people read beside a run that is left out.")
    first: date | None = None
    last: date | None = Field(None, description="The last day, itself frozen.")
    yearly: bool = Field(False, description="Repeats each year from the first day on.")
    events: EventsSpec | None = Field(None, description="Each event is a freeze, instead of days.")
    flows: tuple[FlowName, ...] = Field(("train", "promote"), min_length=1)
    then: Literal["skip", "after"] = Field(
        "skip", description="Left out, or run on the first business day after the freeze."
    )

    @model_validator(mode="after")
    def _has_an_end(self) -> "FreezeSpec":
        if (self.first is None) != (self.last is None) or (self.first is None) == (
            self.events is None
        ):
            raise ValueError("give first and last, or events")
        if self.first is None or self.last is None:
            if self.yearly:
                raise ValueError("events repeat by themselves; remove yearly")
            return self
        if self.last < self.first:
            raise ValueError(f"it ends on {self.last}, before it begins on {self.first}")
        if self.yearly and (self.last - self.first).days >= 364:  # noqa: PLR2004 - of a year
            raise ValueError("a yearly freeze of a year has no end")
        return self


class CalendarSpec(Section):
    """Which days are business days for a model, and when nothing is changed."""

    holidays: tuple[HolidaySpec, ...] = ()
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    days_off: tuple[date, ...] = Field((), description="Days off of one's own.")
    events_off: EventsSpec | None = Field(None, description="Days with such an event are off.")
    freezes: tuple[FreezeSpec, ...] = ()

    @model_validator(mode="after")
    def _leaves_days(self) -> "CalendarSpec":
        if len(set(self.weekend)) == len(WEEK):
            raise ValueError("weekend holds all seven days: no business day is left")
        return self

"""The ``schedules`` section: when flows start by themselves."""

from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from tasks.sections import Section

FlowName = Literal["ingest", "train", "review", "promote", "score", "monitor"]


class ScheduleSpec(Section):
    """One schedule of one flow: a cron line, an interval or an RRule, in a time zone."""

    flow: FlowName
    cron: str | None = None
    interval: timedelta | None = None
    rrule: str | None = None
    timezone: str = "UTC"
    active: bool = Field(False, description="Paused unless the declaration says otherwise.")

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name

    @model_validator(mode="after")
    def _one_kind(self) -> "ScheduleSpec":
        if sum(kind is not None for kind in (self.cron, self.interval, self.rrule)) != 1:
            raise ValueError("give exactly one of cron, interval and rrule")
        return self

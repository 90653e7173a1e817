"""What will run in the days to come: as Prefect holds it, explained by what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from deployments.renewal import is_list, list_of
from deployments.timetable import kept_feeds
from infra.durations import exactly
from infra.errors import ConfigError
from tasks.calendars.agenda import occurrences
from tasks.calendars.rules import MOST_DATES, times, words
from tasks.calendars.settling import Occurrence
from tasks.schedules import FlowName, called

if TYPE_CHECKING:
    from prefect.client.schemas.objects import DeploymentSchedule
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.client.schemas.schedules import SCHEDULE_TYPES

    from tasks.calendars.feeds import Feed
    from tasks.schedules import ScheduleSpec
    from tasks.spec import ModelSpec

AHEAD: Final = timedelta(days=30)
_MOST: Final = 1000
"""Times of one schedule that are all listed; one of every hour has 720 in thirty days."""


class Outcome(StrEnum):
    """What becomes of a time of a schedule."""

    RUNS = "runs"
    PAUSED = "paused"
    LEFT_OUT = "left_out"
    NOT_IN_PREFECT = "not_in_prefect"


_MISSING: Final = Outcome.NOT_IN_PREFECT
_OLD: Final = "as it was declared at the last deploy"


class Upcoming(BaseModel):
    """One time of a schedule in the days to come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowName
    schedule: str = Field(description="Its name in Prefect.")
    due: datetime = Field(description="By its rule alone.")
    at: datetime | None = Field(description="When it runs; null where it is left out.")
    timezone: str = Field(description="Of the schedule; times here are UTC.")
    outcome: Outcome
    why: str = Field(description="Why it is moved or left out, or not as declared; else empty.")

    @property
    def shown(self) -> str:
        """How it is shown to people: its outcome, or ``moved``."""
        moved = self.outcome is Outcome.RUNS and self.at != self.due
        return "moved" if moved else self.outcome.value


class ScheduleStatus(BaseModel):
    """One schedule, and how it stands in Prefect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flow: FlowName
    name: str = Field(description="In Prefect.")
    rule: str = Field(description="In words: the cron line, the interval, the business day ...")
    timezone: str
    active: bool = Field(description="Whether Prefect starts its runs: declared and not paused.")
    late: str = Field(description="Which late runs start after an outage.")
    runs: int = Field(description="How many runs are to come in thirty days, paused ones too.")
    next: datetime | None = Field(description="The first of them.")
    said: str = Field(description="What differs between declaration and Prefect; else empty.")


class Ahead(BaseModel):
    """The schedules of a model, and their next thirty days."""

    model_config = ConfigDict(frozen=True)

    schedules: tuple[ScheduleStatus, ...]
    upcoming: tuple[Upcoming, ...]


def ahead(spec: ModelSpec, there: Mapping[str, DeploymentResponse], now: datetime) -> Ahead:
    """What will run of a model, in the order of time.

    Args:
        spec: its declaration.
        there: what Prefect holds, by names such as ``train/flights``.
        now: the time.

    Raises:
        ConfigError: Prefect does not take a rule that is declared.
    """
    feeds = kept_feeds(spec)
    found: list[tuple[ScheduleStatus, tuple[Upcoming, ...]]] = []
    for flow in dict.fromkeys(each.flow for each in spec.schedules):
        held = there.get(f"{flow}/{spec.name}")
        known = {each.slug: each for each in held.schedules} if held else {}
        for name, each in called([one for one in spec.schedules if one.flow == flow]).items():
            declared, said = _declared(each, spec, now, feeds)
            line = _Line(name, each, known.get(name), paused=bool(held and held.paused))
            found.append(line.read(declared, now, said))
    listed = (one for _, ahead_of in found for one in _thinned(ahead_of))
    return Ahead(
        schedules=tuple(status for status, _ in found),
        upcoming=tuple(sorted(listed, key=lambda one: (one.at or one.due, one.flow, one.due))),
    )


def _declared(
    schedule: ScheduleSpec, spec: ModelSpec, now: datetime, feeds: Mapping[str, Feed]
) -> tuple[Sequence[Occurrence] | None, str]:
    """The times by the declaration, None with the reason where they cannot be known here."""
    try:
        return occurrences(schedule, spec.calendar, now, now + AHEAD, feeds), ""
    except ConfigError as error:
        return None, str(error)


class _Line:
    """One schedule: as declared, and as Prefect holds it."""

    def __init__(
        self, name: str, declared: ScheduleSpec, held: DeploymentSchedule | None, *, paused: bool
    ) -> None:
        self._name, self._declared, self._held = name, declared, held
        self._active = held is not None and held.active and not paused

    def read(
        self, declared: Sequence[Occurrence] | None, now: datetime, said: str
    ) -> tuple[ScheduleStatus, tuple[Upcoming, ...]]:
        """How it stands, and its times."""
        try:
            held = None if self._held is None else set(times(self._held.schedule, now, now + AHEAD))
        except ConfigError as error:
            held, said = set(), said or f"Prefect holds a rule of no use. {error}"
        listed = None if self._held is None else _listed_until(self._held.schedule, now)
        merged = self._merged(declared, held, listed)
        found = tuple(sorted(merged, key=lambda one: one.at or one.due))
        to_come = [each.at for each in found if each.at and each.outcome is not _MISSING]
        status = ScheduleStatus(
            flow=self._declared.flow,
            name=self._name,
            rule=words(self._declared),
            timezone=self._declared.timezone,
            active=self._active,
            late=_late(self._declared),
            runs=len(to_come),
            next=min(to_come, default=None),
            said=said or self._difference(found),
        )
        return status, found

    def _merged(
        self,
        declared: Sequence[Occurrence] | None,
        held: set[datetime] | None,
        listed: datetime | None,
    ) -> Iterator[Upcoming]:
        going = Outcome.RUNS if self._active else Outcome.PAUSED
        expected = {each.at for each in declared or () if each.at is not None}
        for each in declared or ():
            if each.at is None:
                yield self._upcoming(each, Outcome.LEFT_OUT)
            else:
                there = held is not None and (each.at in held or (listed and each.at > listed))
                yield self._upcoming(each, going if there else _MISSING)
        for at in (held or set()) - expected:
            why = "" if declared is None else _OLD
            yield self._upcoming(Occurrence(due=at, at=at, why=why), going)

    def _upcoming(self, occurrence: Occurrence, outcome: Outcome) -> Upcoming:
        return Upcoming(
            flow=self._declared.flow,
            schedule=self._name,
            due=occurrence.due,
            at=occurrence.at,
            timezone=self._declared.timezone,
            outcome=outcome,
            why=occurrence.why,
        )

    def _difference(self, found: Iterable[Upcoming]) -> str:
        if self._held is None:
            return "It is declared, and not in Prefect: run `perennial deploy`."
        if any(each.outcome is _MISSING or each.why == _OLD for each in found):
            return "Prefect holds other times than are declared: run `perennial deploy`."
        if self._declared.active and not self._active:
            return "It is declared active, and paused in Prefect."
        return ""


def _listed_until(schedule: SCHEDULE_TYPES, now: datetime) -> datetime | None:
    """The last moment of a list that the upkeep goes on with in time; None where it has no need.

    A list holds so many moments, which is days of a schedule of every hour. It is renewed when
    half of them are gone: one that is shorter by far than that nobody has renewed.
    """
    moments = list_of(schedule, now) if is_list(schedule) else []
    return moments[-1] if len(moments) >= MOST_DATES // 3 else None


def _thinned(upcoming: tuple[Upcoming, ...]) -> Iterator[Upcoming]:
    """All times of a schedule; of one with too many each day's first, and what is out of line."""
    seen: set[tuple[date, Outcome]] = set()
    for each in upcoming:
        day = (each.at or each.due).astimezone(ZoneInfo(each.timezone)).date()
        if len(upcoming) <= _MOST or each.why or (day, each.outcome) not in seen:
            seen.add((day, each.outcome))
            yield each


def _late(declared: ScheduleSpec) -> str:
    """What becomes of late runs, in words: ``latest only, within 6 hours``."""
    kept = "latest only" if declared.late == "latest" else "all"
    within = declared.late_within
    return kept if within is None else f"{kept}, within {exactly(within)}"

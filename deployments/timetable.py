"""The schedules of a model in Prefect: what each is called there, and what it is to hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import JsonValue

from tasks.calendars.agenda import HORIZON, stretch, told
from tasks.calendars.apart import refuse_endless
from tasks.calendars.feeds import Feed, is_met, kept_feed, named_events, read_feed, sources
from tasks.calendars.rules import MOST_DATES, place, times
from tasks.references import Cause
from tasks.schedules import CalendarSpec, called

if TYPE_CHECKING:
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    from tasks.schedules import EventsSpec, FlowName, ScheduleSpec
    from tasks.spec import ModelSpec


_FAR: Final = timedelta(days=1)
"""So far ahead a rule is looked at for its next time; one that has none at all says so at once."""


def read_feeds(spec: ModelSpec, now: datetime) -> dict[str, Feed]:
    """The calendars of others that a declaration names, as they are now.

    Raises:
        ConfigError: one of them is not there, or of no use.
        BackendError: an address does not answer.
    """
    days = stretch(now, spec.calendar)
    meant: dict[str, list[EventsSpec]] = {}
    for each in named_events(spec.schedules, spec.calendar):
        meant.setdefault(each.source, []).append(each)
    return {
        source: read_feed(source, spec.folder, *days, meant=own) for source, own in meant.items()
    }


def unmet(spec: ModelSpec) -> Iterator[str]:
    """A sentence for each word that no event of its calendar contains, as it was last read.

    It may be a typo, or an event that is to come: nothing is refused for it.
    """
    feeds = kept_feeds(spec)
    for each in dict.fromkeys(named_events(spec.schedules, spec.calendar)):
        feed = feeds.get(each.source)
        if each.matching and feed is not None and not is_met(feed, each):
            yield (
                f"{spec.name}: no event of {place(each.source)} until {feed.last} contains "
                f"{each.matching!r}."
            )


def kept_feeds(spec: ModelSpec) -> dict[str, Feed]:
    """Those of them that were read before, as they were then."""
    kept = {each: kept_feed(each, spec.folder) for each in sources(spec.schedules, spec.calendar)}
    return {source: feed for source, feed in kept.items() if feed is not None}


class Timetable(NamedTuple):
    """What times are worked out from: a moment, and the calendars of others as they are known."""

    now: datetime
    feeds: Mapping[str, Feed]

    def told(
        self, schedules: Sequence[ScheduleSpec], calendar: CalendarSpec | None
    ) -> list[DeploymentScheduleCreate]:
        """What Prefect is to hold of the schedules of one flow.

        Raises:
            ConfigError: Prefect does not take one, or it never runs.
        """
        from prefect.client.schemas.actions import DeploymentScheduleCreate

        return [
            DeploymentScheduleCreate(
                schedule=told(each, calendar or CalendarSpec(), self.now, self.feeds),
                active=each.active,
                slug=name,
                parameters={"cause": Cause.SCHEDULE.value} if each.flow == "train" else {},
            )
            for name, each in called(schedules).items()
        ]

    def check(self, spec: ModelSpec) -> None:
        """Nothing, when all schedules of a model can be had.

        Raises:
            ConfigError: Prefect does not take one, one names no time, or days off and freezes
                leave nothing of it.
        """
        for each in spec.schedules:
            refuse_endless(each, self.now.date())
            held = told(each, spec.calendar, self.now, self.feeds)
            # One that names no day, such as 31 February, ends Prefect's look at all its times.
            next(times(held, self.now, self.now + _FAR), None)


def late_rules(schedules: Sequence[ScheduleSpec]) -> dict[str, JsonValue]:
    """What the worker is told of late runs, by the names of the schedules that say something."""
    rules: dict[str, JsonValue] = {}
    for name, each in called(schedules).items():
        rule: dict[str, JsonValue] = {"keep": "latest"} if each.late == "latest" else {}
        if each.late_within is not None:
            rule["within_s"] = each.late_within.total_seconds()
        if rule:
            rules[name] = rule
    return rules


_STANDS_ON: Final[dict[str, tuple[FlowName, ...]]] = {
    "score": ("ingest",),
    "monitor": ("ingest", "score", "monitor"),
    "train": ("ingest", "train"),
}
"""Which earlier runs of its model a run needs: for its rows, its predictions, or its past."""


def predecessors(schedules: Sequence[ScheduleSpec], model: str) -> list[JsonValue]:
    """What the worker is told of the order of late runs: the deployments that come first."""
    flows = {each.flow for each in schedules}
    return [f"{first}/{model}" for flow in sorted(flows) for first in _STANDS_ON.get(flow, ())]


def is_due_for_renewal(held: Iterable[datetime], fresh: Sequence[datetime], now: datetime) -> bool:
    """Whether a list of moments that Prefect holds is to be replaced by a fresh one.

    It is where the two differ in the nearer half of what a fresh one reaches. Beyond it a list
    simply ends earlier, and each replacement lets Prefect forget the runs that it made ahead.

    Args:
        held: as it is, what has passed among it.
        fresh: as it would be now, at most `MOST_DATES` of the horizon.
        now: the time.
    """
    ahead, wanted = [each for each in sorted(held) if each > now], sorted(fresh)
    if ahead != wanted[: len(ahead)]:
        return True
    reach = wanted[-1] - now if len(wanted) >= MOST_DATES else HORIZON
    return any(each < now + reach / 2 for each in wanted[len(ahead) :])

"""What keeps a model from being watched, though no run has failed: nothing runs, or too late."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from deployments.timetable import kept_feeds
from infra.durations import spoken
from infra.errors import ConfigError, few
from tasks.calendars.agenda import occurrences
from tasks.windows import EVERYTHING, end_day, first_day

if TYPE_CHECKING:
    from deployments.pages.gathering import Facts
    from deployments.pages.story import Judged
    from tasks.schedules import ScheduleSpec
    from tasks.spec import ModelSpec

_PATIENCE: Final = timedelta(minutes=1)
"""A run that is late for less is about to begin: workers ask for runs every ten seconds."""

_MISSED: Final = 2
"""So many windows, or times of the schedule, may lack a verdict; one is about to get its own."""

_LONGEST: Final = {
    "day": timedelta(days=1),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
    EVERYTHING: timedelta(days=1),
}
"""Of a window; a whole table has no length, and counts by its schedule after two days."""

_FIRST_LOOK: Final = timedelta(days=1)


@dataclass(frozen=True)
class Stall:
    """One thing that keeps a model from being watched.

    Attributes:
        kind: how bad it is, as of a want.
        word: what stands above the page where this is told first; empty where it is no more
            than worth a look.
        title: what is so.
        text: what is known of it, and what to do.
        link: where it is seen.
    """

    kind: str
    word: str
    title: str
    text: str
    link: str = ""


def stalls(facts: "Facts") -> Iterator[Stall]:
    """What keeps a model from being watched, the plainest first."""
    yield from _idle(facts)
    yield from _unjudged(facts)
    yield from _late(facts)


def _idle(facts: "Facts") -> Iterator[Stall]:
    """Pools that nobody takes a run from, where something is to run."""
    if facts.late or (facts.coming and any(each.active for each in facts.coming.schedules)):
        for said in facts.idle:
            yield Stall("bad", "Nothing runs", said, "What is due waits until then.")


def _late(facts: "Facts") -> Iterator[Stall]:
    for flow, found in facts.late.items():
        waited = facts.now - found.due
        if waited > _PATIENCE:
            many, first = (
                (f"{found.runs} runs of {flow} are", "The first")
                if found.runs > 1
                else (f"A run of {flow} is", "It")
            )
            due = f"{first} was due {spoken(waited)} ago and has not begun"
            said = f"{due}: `perennial why` says what a run waits for."
            yield Stall("look", "", f"{many} late", said, found.run_url)


def _unjudged(facts: "Facts") -> Iterator[Stall]:
    """That no window was judged lately, though windows came or would have been over."""
    newest = max(facts.story.judged, key=lambda each: each.as_of, default=None)
    if newest is None or facts.champion is None:
        return
    came, age = _since(facts, newest), facts.now - newest.at
    grain = facts.spec.data.grain
    old = age > _MISSED * _LONGEST[grain] and (grain != EVERYTHING or _is_scheduled(facts.spec))
    if (len(came) < _MISSED and not old) or _is_early(facts.spec, newest.at, facts.now):
        return
    title = (
        f"{len(came)} windows came and were not judged: {few(came)}"
        if len(came) >= _MISSED
        else f"No window was judged for {spoken(age)}"
    )
    run = f"`prefect deployment run 'monitor/{facts.spec.name}'`"
    said = f"The newest verdict is of {newest.at:%-d %b %Y}, on {newest.window}. By hand: {run}."
    yield Stall("look", "Not watched lately", title, said)


def _since(facts: "Facts", newest: "Judged") -> list[str]:
    """The windows that were let in behind the newest verdict, and whose labels are due."""
    delay = facts.spec.data.label.delay
    if newest.window == EVERYTHING:
        return [
            f"{each.as_of:%Y-%m-%d}"
            for each in facts.story.batches
            if each.is_let_in and each.as_of > newest.as_of and each.as_of + delay <= facts.now
        ]
    return [
        each.window
        for each in facts.story.batches
        if each.is_let_in
        and first_day(each.window) >= end_day(newest.window)
        and datetime.combine(end_day(each.window), time(), UTC) + delay <= facts.now
    ]


def _is_scheduled(spec: "ModelSpec") -> bool:
    return any(each.flow == "monitor" and each.active for each in spec.schedules)


def _is_early(spec: "ModelSpec", since: datetime, now: datetime) -> bool:
    """Whether the model's own schedules have not yet named so many more times; paused ones too."""
    declared = [each for each in spec.schedules if each.flow == "monitor"]
    return bool(declared) and sum(_times(each, spec, since, now) for each in declared) < _MISSED


def _times(schedule: "ScheduleSpec", spec: "ModelSpec", since: datetime, now: datetime) -> int:
    """How often it was to run since then; no more are looked for than are asked about.

    Where its calendar was never read, what is due is not known: then it counts as often enough.
    """
    feeds, reach = kept_feeds(spec), _FIRST_LOOK
    while True:
        until = min(since + reach, now)
        try:
            found = occurrences(schedule, spec.calendar, since, until, feeds)
        except ConfigError:
            return _MISSED
        ran = sum(each.at is not None for each in found)
        if ran >= _MISSED or until >= now:
            return ran
        reach *= 4

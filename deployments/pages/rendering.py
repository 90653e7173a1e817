"""The pages as HTML: one file each, drawn on the server, whatever names and reasons hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from deployments.ahead import AHEAD, Ahead, Upcoming
from deployments.pages.brief import Brief
from deployments.pages.columns import MOST, Column, columns_of
from deployments.pages.course import Course, course, value_of
from deployments.pages.frame import NAMED, NARROW, WIDE, Frame
from deployments.pages.gathering import Facts, other_reports, picture_of, report_of
from deployments.pages.headline import headline
from deployments.pages.heat import Coverage, Heat, coverage, heat, ordered, shown
from deployments.pages.money import in_money
from deployments.pages.numbers import numbers_of
from deployments.pages.story import Story
from deployments.pages.wording import (
    aged,
    ago,
    is_outdated,
    newest_judged,
    outcome_word,
    share,
    tiles,
    wants_of,
)
from infra.addresses import addresses
from infra.errors import ConfigError
from tasks.windows import EVERYTHING

_ORDER: Final = ("not_in_prefect", "moved", "runs", "left_out", "paused")
_SIGNS: Final = {"runs": "●", "moved": "▸", "paused": "○", "left_out": "✕", "not_in_prefect": "?"}
_MOST_LISTED: Final = 12
_TONES: Final = {
    "rest": "well", "alert": "look", "ask": "ask", "retrain": "act", "rollback": "bad",
}  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """The pictures of a page at one width."""

    kind: str
    course: Course
    heat: Heat | None
    coverage: Coverage | None


@dataclass(frozen=True)
class Day:
    """One day of a schedule's strip."""

    day: date
    shown: str
    sign: str
    title: str


def model_page(facts: Facts, refresh_s: int | None = None) -> str:
    """The page of a model.

    Args:
        facts: what it shows.
        refresh_s: after which a page that is served asks for itself again; a file never does.
    """
    shared = columns(facts.story, facts.spec.data.timezone)
    pictures = _pictures(facts, shared) if shared else ()
    wants = wants_of(facts)
    said = headline(facts, wants)
    newest, proved = newest_judged(facts), facts.story.proved
    judged = sorted(facts.story.judged, key=lambda each: each.as_of, reverse=True)[:MOST]
    return _template("model").render(
        facts=facts,
        refresh_s=refresh_s,
        spec=facts.spec,
        story=facts.story,
        metric=facts.metric,
        headline=said,
        wants=[each for each in wants if each is not said.told],
        tiles=tiles(facts),
        pictures=pictures,
        marks=pictures[0].course.marks if pictures else frozenset(),
        newest=newest,
        numbers=numbers_of(newest, facts.spec) if newest else (),
        judged=judged,
        currency=facts.spec.monitoring.value.currency if facts.spec.monitoring.value else "",
        tones=_TONES,
        with_money=any("value" in each.metrics for each in judged),
        compared=[(each, each.moved(facts.spec.monitoring.psi)) for each in judged],
        features=ordered(facts.story.importances, judged),
        batches=facts.story.batches[::-1][:MOST],
        strips=tuple(_strips(facts.coming, facts.now)) if facts.coming else (),
        listed=_listed(facts.coming),
        links=_links(facts),
        reports={
            each.digest: _linked(report_of, facts.spec.name, each.window, each.digest)
            for each in judged
        },
        is_outdated=is_outdated(facts),
        proof=_linked(picture_of, facts.spec.name, proved.digest) if proved else "",
        **_WORDS,
    )


_WORDS: Final[Mapping[str, Callable[..., object]]] = {
    "value_of": value_of,
    "outcome_word": outcome_word,
    "in_money": in_money,
    "ago": ago,
    "share": share,
    "aged": aged,
}
"""What a template says things with."""


def index_page(briefs: Sequence[Brief], now: datetime, refresh_s: int) -> str:
    """The list of all models, a line each, which asks for itself again after so long."""
    return _template("index").render(briefs=briefs, now=now, refresh_s=refresh_s)


def _pictures(facts: Facts, columns: Sequence[Column]) -> tuple[Pictures, ...]:
    """Those of a desk have their columns below each other; on a phone each uses its whole width."""
    story = facts.story
    desk = Frame(columns, WIDE.beside(shown(story, Frame(columns, WIDE))))
    phone, named = Frame(columns, NARROW), NAMED.beside(shown(story, Frame(columns, NAMED)))
    return (
        _drawn("wide", facts, desk, desk),
        _drawn("narrow", facts, phone, Frame(columns, named)),
    )


def _drawn(kind: str, facts: Facts, frame: Frame, named: Frame) -> Pictures:
    watched = facts.spec.monitoring
    currency = watched.value.currency if watched.value else ""
    return Pictures(
        kind=kind,
        course=course(facts.story, facts.metric, frame, currency),
        heat=heat(facts.story, watched.psi, named),
        coverage=coverage(facts.story, frame),
    )


def columns(story: Story, timezone: str) -> tuple[Column, ...]:
    """The columns of a story: windows that were judged, and those that data came for.

    Of a table without time each verdict is a column, and each delivery that none has come after.
    """
    looks = [(each.window, each.as_of) for each in story.judged]
    newest = max((at for _, at in looks), default=None)
    came = [
        (each.window, each.as_of)
        for each in story.batches
        if each.window != EVERYTHING or newest is None or each.as_of > newest
    ]
    return columns_of([*looks, *came], timezone)


def _strips(coming: Ahead, now: datetime) -> Iterator[tuple[object, tuple[Day, ...]]]:
    """Each schedule with its days: the most telling of what is on each."""
    for schedule in coming.schedules:
        own = [
            each
            for each in coming.upcoming
            if (each.flow, each.schedule) == (schedule.flow, schedule.name)
        ]
        first = now.astimezone(ZoneInfo(schedule.timezone)).date()
        days = (first + timedelta(days=place) for place in range(AHEAD.days + 1))
        yield schedule, tuple(_day(day, own) for day in days)


def _day(day: date, upcoming: Sequence[Upcoming]) -> Day:
    on = [each for each in upcoming if _local(each).date() == day]
    shown = next((word for word in _ORDER if any(each.shown == word for each in on)), "")
    told = "; ".join(
        f"{_local(each):%H:%M} {each.flow}, {each.shown.replace('_', ' ')}"
        f"{f': {each.why}' if each.why else ''}"
        for each in on[:_MOST_LISTED]
    )
    return Day(day, shown, _SIGNS.get(shown, ""), f"{day:%a %-d %b}{f': {told}' if told else ''}")


def _local(upcoming: Upcoming) -> datetime:
    return (upcoming.at or upcoming.due).astimezone(ZoneInfo(upcoming.timezone))


def _listed(coming: Ahead | None) -> tuple[tuple[str, Upcoming], ...]:
    """The first times that are to come, in the time of their schedules."""
    upcoming = coming.upcoming if coming else ()
    return tuple((f"{_local(each):%a %-d %b %H:%M %Z}", each) for each in upcoming[:_MOST_LISTED])


def _links(facts: Facts) -> dict[str, str]:
    """Where to read more; nothing where no server was ever started."""
    try:
        found = addresses()
    except ConfigError:
        return {}
    name = facts.spec.name
    others = {f"Last {kind}": found.page(path) for kind, path in other_reports(name).items()}
    return {
        "All models": f"{found.pages}/models",
        "Runs in Prefect": f"{found.prefect_ui}/runs?tags={name}",
        "Versions in MLflow": f"{found.mlflow}/#/models/{name}",
        **others,
        "Reports": found.pages,
    }


def _linked(address: Callable[..., str], *names: str) -> str:
    try:
        return address(*names)
    except ConfigError:  # no server was ever started here: there is no address to link to
        return ""


def coded(text: str) -> Markup:
    """A sentence, safe to show, what stands between backticks as code.

    >>> coded("`perennial up` repairs <it>.")
    Markup('<code>perennial up</code> repairs &lt;it&gt;.')
    """
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # one backtick is left over: it is nobody's mark
        return escape(text)
    marked = (Markup("<code>{}</code>").format(part) for part in parts[1::2])
    return Markup("").join(
        each for pair in zip_longest(parts[::2], marked) for each in pair if each
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.html.j2")

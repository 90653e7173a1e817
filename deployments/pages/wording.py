"""What the top of a page says: what wants a person, and the numbers of the morning."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from deployments.pages.course import told, value_of
from deployments.pages.gathering import Facts
from deployments.pages.money import gained, in_money
from deployments.pages.stalls import stalls
from deployments.pages.story import Judged, Outcome
from deployments.proof.subject import subject_of
from infra.durations import exactly, spoken
from infra.errors import few
from tasks.metrics import direction
from tasks.references import Cause, LabelCoverage

_MOST_HELD: Final = 3

TRAINED: Final = {
    Cause.PERSON: "by hand",
    Cause.SCHEDULE: "on schedule",
    Cause.DRIFT: "for drift",
    Cause.DATA: "for new data",
    Cause.CODE: "for new code",
    Cause.APPLICATION: "for a changed application",
    Cause.EVENT: "for an event",
    Cause.CI: "by CI",
}
"""How a version came to be trained, behind the word ``trained``."""


@dataclass(frozen=True)
class Want:
    """One thing that wants a person, with where to go."""

    kind: str
    title: str
    text: str
    link: str = ""
    word: str = ""
    """What stands above the page where this comes first; empty where its kind says enough."""


@dataclass(frozen=True)
class Tile:
    """One number at the top of the page."""

    name: str
    value: str
    note: str
    share: float | None = None
    """Of the limit of what is shown: 0 to 1 and beyond."""


def wants_of(facts: Facts) -> tuple[Want, ...]:
    """What wants a person, the most urgent first."""
    return tuple(_wants(facts))


def newest_judged(facts: Facts) -> Judged | None:
    """The newest verdict."""
    return max(facts.story.judged, key=lambda each: each.as_of, default=None)


def tiles(facts: Facts) -> tuple[Tile, ...]:
    """The numbers at the top of the page."""
    return tuple(_tiles(facts))


def ago(then: datetime, now: datetime) -> str:
    """How long a moment is past or ahead, in words."""
    length = now - then
    return f"{_long(length)} ago" if length.total_seconds() >= 0 else f"in {_long(-length)}"


def aged(ages: LabelCoverage) -> str:
    """How old rows are, in words: ``0 to 6 days``."""
    return f"{exactly(ages.least) if ages.least else 0} to {exactly(ages.most)}"


def share(part: float) -> str:
    """A share as a percentage that says all only where it is all.

    >>> share(1.0), share(0.99996), share(0.934)
    ('100%', '>99.9%', '93.4%')
    """
    if part == 1:
        return "100%"
    return ">99.9%" if part >= 0.9995 else f"{part:.1%}"  # noqa: PLR2004 - what rounds to all


def _long(length: timedelta) -> str:
    years = length / timedelta(days=365.25)
    return spoken(length) if years < 2 else f"{years:.0f} years"  # noqa: PLR2004 - days tell more


def _wants(facts: Facts) -> Iterator[Want]:
    yield from _asked(facts)
    for flow, run in (facts.last or {}).items():
        if run is not None and run.failed:
            yield Want("bad", f"The last run of {flow} {run.state.lower()}", "", run.run_url)
    for trouble in facts.troubles:
        yield Want("bad", trouble, "")
    for each in stalls(facts):
        yield Want(each.kind, each.title, each.text, each.link, each.word)
    yield from _unproved(facts)
    yield from _held_up(facts)


def _asked(facts: Facts) -> Iterator[Want]:
    for each in facts.waiting:
        text = (
            f"Asked {ago(each.since, facts.now)}; the deadline is {each.deadline:%-d %b %H:%M} "
            f"UTC, then the default is {each.default}."
            f"{f' Approved by {few(list(each.approved_by))} so far.' if each.approved_by else ''}"
        )
        yield Want("ask", each.title, text, each.run_url)


def is_outdated(facts: Facts) -> bool:
    """Whether the last proof is of another declaration, or of other code of the model."""
    proved = facts.story.proved
    return bool(proved and proved.declared and proved.declared != subject_of(facts.spec))


def _unproved(facts: Facts) -> Iterator[Want]:
    """That the watching was proved not to work, or that what was proved is declared no more."""
    proved, again = facts.story.proved, f"`perennial verify continuous {facts.spec.name}`"
    if proved is None:
        return
    if not proved.passed:
        yield Want("look", "The last proof of the watching failed", proved.reason, "#proof")
    if is_outdated(facts):
        said = f"What is declared or coded now was never tried: {again}."
        yield Want("look", "The last proof of the watching is outdated", said, "#proof")


def _held_up(facts: Facts) -> Iterator[Want]:
    held = facts.story.held
    for batch in held[:_MOST_HELD]:
        ended = "is on hold" if batch.ending == "hold" else "was rejected"
        text = f"{batch.reason} Nothing of it is in the tables."
        yield Want("look", f"The batch {batch.window} {ended}", text)
    if len(held) > _MOST_HELD:
        older = few([each.window for each in held[_MOST_HELD:]])
        yield Want("look", f"Older batches were not let in either: {older}", "")
    for schedule in facts.coming.schedules if facts.coming else ():
        if schedule.said:
            yield Want("look", f"Schedule {schedule.name} is not as declared", schedule.said)


def _tiles(facts: Facts) -> Iterator[Tile]:
    yield _in_charge(facts)
    newest = newest_judged(facts)
    if newest is not None:
        yield from _window_tiles(newest, facts)
    yield _next(facts)


def _in_charge(facts: Facts) -> Tile:
    champion = facts.champion
    if champion is None:
        return Tile("In charge", "none", "no version was promoted so far")
    reign = facts.story.reigns[-1]
    trained = f", trained {TRAINED[Cause(reign.cause)]}"
    note = f"since {champion.since:%-d %b %Y} ({ago(champion.since, facts.now)}){trained}"
    return Tile("In charge", f"version {champion.version}", note)


def _window_tiles(newest: Judged, facts: Facts) -> Iterator[Tile]:
    value, metric = value_of(newest, facts.metric), facts.metric
    if value is None:
        yield Tile(f"{metric}, {newest.window}", "unknown", "no labels, and no estimate")
    else:
        yield Tile(f"{metric}, {newest.window}", told(value), _beside(newest, metric, value))
    if "severity" in newest.metrics:
        limit, severity = facts.spec.monitoring.severity, newest.metrics["severity"]
        most = facts.spec.monitoring.psi
        moved = len(newest.moved(most))
        said = f"{moved} of {len(newest.psi)} features moved (PSI above {most:g})"
        note = f"{said}; severe from {limit:g}"
        yield Tile("Drift", f"{severity:.2f}", note, severity / limit)
    if newest.labelled is not None:
        note = f"of {newest.rows:,} predictions have their label"
        yield Tile("Labels", share(newest.labelled), note)
    if "value" in newest.metrics:
        yield _money(newest, facts)


def _beside(newest: Judged, metric: str, value: float) -> str:
    expected = newest.metrics.get(f"expected_{metric}")
    if metric not in newest.metrics:
        return "an estimate: labels have not come"
    if expected is None:
        return f"on {newest.rows:,} rows"
    gain = (value - expected) * direction(metric)
    word = "better" if gain >= 0 else "worse"
    return f"{told(abs(gain))} {word} than was expected of these rows"


def _money(newest: Judged, facts: Facts) -> Tile:
    declared = facts.spec.monitoring.value
    currency = declared.currency if declared else ""
    worth = in_money(newest.metrics["value"], currency)
    return Tile(f"Worth, {newest.window}", worth, gained(newest, currency))


def _next(facts: Facts) -> Tile:
    if facts.coming is None:
        return Tile("Next", "unknown", "Prefect's server did not answer")
    runs = [each for each in facts.coming.upcoming if each.shown in {"runs", "moved"}]
    if not runs:
        paused = any(each.shown == "paused" for each in facts.coming.upcoming)
        note = "every schedule is paused" if paused else "within thirty days"
        return Tile("Next", "nothing", note)
    first = min(runs, key=lambda each: each.at or each.due)
    at = first.at or first.due
    if facts.idle:
        return Tile("Next", "nothing", f"{first.flow} is due {ago(at, facts.now)}: nobody takes it")
    return Tile("Next", first.flow, f"{at:%a %-d %b %H:%M} UTC, {ago(at, facts.now)}")


def outcome_word(outcome: Outcome) -> str:
    """An outcome as a table shows it."""
    return {
        Outcome.VOID: "void: led to nothing",
        Outcome.WAITING: "waits",
        Outcome.ALLOWED: "approved, not in charge yet",
    }.get(outcome, outcome.value)

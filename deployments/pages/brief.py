"""One line for each model: how it is, what its metric did lately, what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from deployments.pages.course import told, value_of
from deployments.pages.frame import scale
from deployments.pages.gathering import Facts, gather
from deployments.pages.wording import Headline, Tile, headline, newest_judged, tiles, wants_of
from infra.errors import PerennialError
from tasks.spec import declared_models, load_spec

_LATELY: Final = 24
_WIDTH, _HEIGHT = 180.0, 40.0


@dataclass(frozen=True)
class Brief:
    """One line of the list of models.

    Attributes:
        name: of the model.
        title: what it answers; empty where its declaration cannot be read.
        headline: how it is.
        charge: who is in charge, and since when.
        next: what runs next.
        metric: its newest value, in words.
        spark: the metric of the last windows, as points of a line.
    """

    name: str
    title: str
    headline: Headline
    charge: Tile | None = None
    next: Tile | None = None
    metric: str = ""
    spark: str = ""


def briefs(now: datetime) -> Iterator[Brief]:
    """A line for each declared model; one that cannot be read is a line that says why.

    Raises:
        ConfigError: the stack was never started.
    """
    for name in declared_models():
        try:
            yield _brief(gather(load_spec(name), now))
        except PerennialError as error:
            yield Brief(name, "", Headline("bad", "It cannot be told", str(error)))


def _brief(facts: Facts) -> Brief:
    newest, shown = newest_judged(facts), tiles(facts)
    value = None if newest is None else value_of(newest, facts.metric)
    return Brief(
        name=facts.spec.name,
        title=facts.spec.title,
        headline=headline(facts, wants_of(facts)),
        charge=shown[0],
        next=shown[-1],
        metric="" if value is None or newest is None else f"{facts.metric} {told(value)}",
        spark=_spark(facts),
    )


def _spark(facts: Facts) -> str:
    judged = sorted(facts.story.judged, key=lambda each: each.as_of)[-_LATELY:]
    values = [value for each in judged if (value := value_of(each, facts.metric)) is not None]
    if len(values) < 2:  # noqa: PLR2004 - one point is no line
        return ""
    drawn, step = scale(values, 4, _HEIGHT - 4), (_WIDTH - 8) / (len(values) - 1)
    points = ((4 + place * step, drawn.y(value)) for place, value in enumerate(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)

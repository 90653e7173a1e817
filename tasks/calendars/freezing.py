"""Freezes: stretches of days on which some flows do not run."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.schedules import CalendarSpec, FlowName, FreezeSpec


class Freeze(BaseModel):
    """One stretch of frozen days, both ends among them."""

    model_config = ConfigDict(frozen=True)

    first: date
    last: date
    why: str
    flows: tuple[FlowName, ...]
    then: Literal["skip", "after"]

    @property
    def words(self) -> str:
        """Why, and until when: ``year end, frozen until 2027-01-03``."""
        return f"{self.why}, frozen until {self.last}"


def declared_freezes(calendar: CalendarSpec, first: date, last: date) -> tuple[Freeze, ...]:
    """The freezes that a declaration names by their days, where they touch a stretch of days."""
    found = (
        Freeze(first=begin, last=end, why=each.why, flows=each.flows, then=each.then)
        for each in calendar.freezes
        for begin, end in _stretches(each, last.year)
        if begin <= last and end >= first
    )
    return tuple(sorted(found, key=lambda freeze: (freeze.first, freeze.last)))


def freeze_of(freezes: Iterable[Freeze], flow: FlowName, day: date) -> Freeze | None:
    """The freeze of a flow on a local day, None where it may run; of several the longest."""
    held = [each for each in freezes if flow in each.flows and each.first <= day <= each.last]
    return max(held, key=lambda each: each.last, default=None)


def _stretches(freeze: FreezeSpec, until: int) -> Iterator[tuple[date, date]]:
    """The stretches of a freeze up to a year: one, or one a year from its first on."""
    if freeze.first is None or freeze.last is None:
        return
    length = freeze.last - freeze.first
    for year in range(freeze.first.year, (until if freeze.yearly else freeze.first.year) + 1):
        begin = _in_year(freeze.first, year)
        yield begin, begin + length


def _in_year(day: date, year: int) -> date:
    """The same day of another year; of 29 February the day before, where there is none."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)

"""Business days: which days are off, by what, and which business day is near."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Final

from infra.errors import ConfigError
from tasks.calendars.official import holiday
from tasks.schedules import WEEK, CalendarSpec, DayOff

_DAY: Final = timedelta(days=1)
_FARTHEST: Final = 60
"""Days in a row that may all be off. The longest closure of a market since 1970 has 14."""


class Workdays:
    """Tells business days from days off."""

    def __init__(self, calendar: CalendarSpec, events: Mapping[date, str] | None = None) -> None:
        """Read a calendar.

        Args:
            calendar: as declared.
            events: days off by a shared calendar, with what they are called there.
        """
        self._weekend = {WEEK.index(day) for day in calendar.weekend}
        self._own = set(calendar.days_off)
        self._events = dict(events or {})
        self._official = [
            (each.title, holiday(each.country, each.subdivision, each.market))
            for each in calendar.holidays
        ]

    def off(self, day: date) -> str | None:
        """Why a day is off, None for a business day."""
        for title, named in self._official:
            name = named(day)
            if name is not None:
                return f"{name} ({title})"
        if day in self._events:
            return self._events[day]
        if day in self._own:
            return "day off"
        return f"{day:%A}" if day.weekday() in self._weekend else None

    def next(self, day: date) -> date:
        """The first business day on or after a day."""
        return self._near(day, _DAY)

    def previous(self, day: date) -> date:
        """The last business day on or before a day."""
        return self._near(day, -_DAY)

    def shifted(self, day: date, how: DayOff) -> date | None:
        """Where a run of a day goes, None where it is left out.

        Source:
            The business day conventions of ISDA's definitions: following, modified following
            and preceding are ``next``, ``next_in_month`` and ``previous``.
        """
        if how == "run" or self.off(day) is None:
            return day
        moves: dict[DayOff, Callable[[date], date]] = {
            "next": self.next,
            "next_in_month": self._next_in_month,
            "previous": self.previous,
        }
        return moves[how](day) if how in moves else None

    def nth(self, days: Iterable[date], n: int) -> date | None:
        """The n-th business day of a period, from its end where n is negative.

        Args:
            days: the period's days, in order.
            n: 1 is the first, -1 the last.
        """
        found = [day for day in days if self.off(day) is None]
        place = n - 1 if n > 0 else n
        return found[place] if -len(found) <= place < len(found) else None

    def _next_in_month(self, day: date) -> date:
        ahead = self.next(day)
        return ahead if ahead.month == day.month else self.previous(day)

    def _near(self, day: date, step: timedelta) -> date:
        for _ in range(_FARTHEST):
            if self.off(day) is None:
                return day
            day += step
        raise ConfigError(
            f"There are {_FARTHEST} days off in a row around {day}: no business day is near.",
            hint="Look at weekend, days_off and events_off of the calendar in model.yaml.",
        )

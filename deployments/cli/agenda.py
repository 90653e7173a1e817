"""The next thirty days on a terminal: a strip of days for each schedule, then the exceptions."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from deployments.ahead import AHEAD, Ahead, ScheduleStatus, Upcoming
from deployments.cli.screen import console, show
from tasks.schedules import WEEK

_FEW: Final = 6
"""A schedule with at most so many times has each of them listed; of others the exceptions are."""

_DAYS: Final = AHEAD.days + 1
_MARKS: Final = {
    "runs": ("●", "*", "green"),
    "moved": ("▸", ">", "yellow"),
    "paused": ("○", "o", "dim"),
    "left_out": ("✕", "x", "red"),
    "not_in_prefect": ("?", "?", "magenta"),
}
_WEEK: Final = {day.capitalize() for day in WEEK}
"""A run that is left out for its weekday alone is no news."""

_ORDER: Final = ("not_in_prefect", "moved", "runs", "left_out", "paused")
_SAID: Final = {
    "runs": "runs",
    "moved": "runs, moved",
    "paused": "paused",
    "left_out": "left out",
    "not_in_prefect": "not in Prefect",
}


def print_ahead(found: Mapping[str, Ahead], now: datetime) -> None:
    """Print the schedules of some models: a strip for each, then what needs a word.

    Args:
        found: by model.
        now: the time; the strips begin with its day.
    """
    screen, several = console(), len(found) > 1
    lines = [
        (f"{model}/{each.name}" if several else each.name, model, each)
        for model, ahead in found.items()
        for each in ahead.schedules
    ]
    if not lines:
        return
    wide = max(len(title) for title, _, _ in lines)
    screen.print(Text("\nNext 30 days", style="bold"))
    for header in _headers(now.date()):
        screen.print(Text(f"  {'':<{wide}}  {header}", style="dim"))
    for title, model, each in lines:
        own = [one for one in found[model].upcoming if _is_of(one, each)]
        strip = _strip(own, now.date())
        line = Text(f"  {title:<{wide}}  ") + strip + Text(f"  {_short(each)}", style="dim")
        screen.print(line, soft_wrap=True)
    _legend(screen, [one for ahead in found.values() for one in ahead.upcoming])
    for title, _, each in lines:
        if each.said:
            screen.print(Text(f"{title}: {each.said}", style="yellow"), soft_wrap=True)
    _table(found, several=several)


def _is_of(upcoming: Upcoming, schedule: ScheduleStatus) -> bool:
    return (upcoming.flow, upcoming.schedule) == (schedule.flow, schedule.name)


def _headers(first: date) -> Iterator[str]:
    """Two lines above the strips: months, and the day of the month of each Monday.

    A month that begins right after the first day stands a little to the right of its own.
    """
    months, days = "", [" "] * (_DAYS + 3)
    for place in range(_DAYS):
        day = first + timedelta(days=place)
        if place == 0 or day.day == 1:
            before = f"{months} " if months else ""
            months = f"{before:<{place}}{day:%b}"
        if day.weekday() == 0 or (place == 0 and day.weekday() < 5):  # noqa: PLR2004 - Friday
            days[place : place + 2] = f"{day.day:<2}"
    yield months
    yield "".join(days).rstrip()


def _strip(upcoming: Sequence[Upcoming], first: date) -> Text:
    """A mark for each day: the most telling of what is on it."""
    held: dict[date, set[str]] = {}
    for each in upcoming:
        held.setdefault(_local(each).date(), set()).add(each.shown)
    strip = Text()
    for place in range(_DAYS):
        day = first + timedelta(days=place)
        on = next((each for each in _ORDER if each in held.get(day, ())), None)
        if on is None:
            strip.append(" " if day.weekday() > 4 else _plain("·", "."), style="dim")  # noqa: PLR2004 - Friday
        else:
            strip.append(_mark(on), style=_MARKS[on][2])
    return strip


def _short(schedule: ScheduleStatus) -> str:
    late = "" if schedule.late == "all" else f"; late: {schedule.late}"
    count = f"{schedule.runs} {'run' if schedule.runs == 1 else 'runs'}"
    return f"{schedule.rule} ({count}{'' if schedule.active else ', paused'}{late})"


def _legend(screen: Console, upcoming: Iterable[Upcoming]) -> None:
    there = Counter(each.shown for each in upcoming)
    parts = [
        Text(_mark(each), style=_MARKS[each][2]) + Text(f" {_SAID[each]}", style="dim")
        for each in _ORDER
        if there[each]
    ]
    if parts:
        screen.print(Text("  ") + Text("   ").join(parts))


def _table(found: Mapping[str, Ahead], *, several: bool) -> None:
    """Each time that needs a word: all of a rare schedule, the exceptions of a frequent one."""
    rows = []
    for model, ahead in found.items():
        often = Counter((each.flow, each.schedule) for each in ahead.upcoming)
        for each in ahead.upcoming:
            shown = each.shown
            frequent = several or often[each.flow, each.schedule] > _FEW
            if frequent and (shown in {"runs", "paused"} or each.why in _WEEK):
                continue  # the strip says as much
            name = f"{model}/{each.schedule}" if several else each.schedule
            what = Text(_SAID[shown], style=_MARKS[shown][2])
            rows.append((_local(each), (_when(_local(each)), name, what, _reason(each))))
    if rows:
        console().print()
        ordered = [row for _, row in sorted(rows, key=lambda row: row[0])]
        show(("when", "schedule", "what", "why"), ordered)


def _reason(upcoming: Upcoming) -> str:
    if upcoming.at is None or upcoming.at == upcoming.due:
        return upcoming.why
    due = upcoming.due.astimezone(ZoneInfo(upcoming.timezone))
    return f"from {due:%a} {due.day} {due:%b}: {upcoming.why}"


def _local(upcoming: Upcoming) -> datetime:
    return (upcoming.at or upcoming.due).astimezone(ZoneInfo(upcoming.timezone))


def _when(local: datetime) -> str:
    return f"{local:%a} {local.day:>2} {local:%b %H:%M %Z}"


def _mark(name: str) -> str:
    return _plain(*_MARKS[name][:2])


def _plain(sign: str, plain: str) -> str:
    """A sign, or what stands for it on a terminal that has no such letters."""
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return plain
    return sign

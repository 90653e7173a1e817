"""Whether a freeze holds something back at a moment: one of days, or of a calendar others keep."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tasks.calendars.feeds import kept_feed, stretches
from tasks.calendars.freezing import Freeze, declared_freezes, freeze_of
from tasks.schedules import CalendarSpec, FlowName


def freeze_at(
    calendar: CalendarSpec, folder: Path, flow: FlowName, at: datetime, zone: ZoneInfo
) -> Freeze | None:
    """The freeze of a flow at a moment; of a calendar that was never read nothing is known.

    Args:
        calendar: as declared.
        folder: the model's.
        flow: what would start.
        at: the moment.
        zone: where days begin and end.
    """
    day = at.astimezone(zone).date()
    known = (*declared_freezes(calendar, day, day), *_of_events(calendar, folder, zone))
    return freeze_of(known, flow, day)


def _of_events(calendar: CalendarSpec, folder: Path, zone: ZoneInfo) -> Iterator[Freeze]:
    for each in calendar.freezes:
        feed = kept_feed(each.events.source, folder) if each.events else None
        if each.events is None or feed is None:
            continue
        for begin, end, named in stretches(feed, each.events, zone):
            why = f"{each.why} ({named})"
            yield Freeze(first=begin, last=end, why=why, flows=each.flows, then=each.then)

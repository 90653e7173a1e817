"""Calendars and rules of others, read in a process of its own that ends at its bounds."""

import subprocess
import sys
from datetime import date, timedelta
from typing import Final

from infra.errors import ConfigError
from infra.files import shown
from infra.settings import PROJECT
from tasks.calendars.expansion import Expanded
from tasks.calendars.rules import words
from tasks.schedules import ScheduleSpec

MOST_S: Final = 10
"""Seconds of a core that a calendar may take to be read; one of 5,000 events takes two."""

_LOOKED_AT: Final = timedelta(days=2)


def read_apart(content: bytes, first: date, last: date) -> Expanded:
    """The events of an iCalendar that touch a stretch of days, and those of no use.

    Raises:
        ConfigError: it is no calendar, or takes more than `MOST_S`; the fact ``endless`` tells.
    """
    bounds = (str(first), str(last), str(MOST_S))
    command = [sys.executable, "-m", "tasks.calendars.expansion", *bounds]
    try:
        done = subprocess.run(
            command,
            input=content,
            capture_output=True,
            cwd=PROJECT,
            timeout=6 * MOST_S,  # of a loaded machine; its own bound is seconds of a core
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _endless() from error
    if done.returncode < 0:
        raise _endless()
    if done.returncode:
        said = shown(done.stderr.decode("utf-8", "replace").strip())
        raise ConfigError(said.partition(": ")[2] or said, endless=False)
    return Expanded.model_validate_json(done.stdout)


def refuse_endless(declared: ScheduleSpec, day: date) -> None:
    """Nothing, where a schedule is no RRule or its next time can be found.

    Prefect's server looks for it each minute, by the same library, and schedules nothing of
    anybody until it has found one.

    Args:
        declared: the schedule.
        day: from where on it is looked at.

    Raises:
        ConfigError: to look for its next time takes more than `MOST_S`.
    """
    if declared.rrule is None:
        return
    lines = [line.strip() for line in declared.local_rrule.splitlines() if line.strip()]
    named = [line if ":" in line else f"RRULE:{line}" for line in lines]
    start = [] if any(line.startswith("DTSTART") for line in named) else ["DTSTART:20200101T000000"]
    event = ["BEGIN:VEVENT", "UID:1", *start, *named, "END:VEVENT"]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:perennial", *event, "END:VCALENDAR", ""]
    try:
        read_apart("\r\n".join(whole).encode(), day, day + _LOOKED_AT)
    except ConfigError as error:
        if error.facts["endless"]:  # what else it is, Prefect has taken
            raise ConfigError(
                f"The schedule {words(declared)!r} of {declared.flow} names no time within reach: "
                f"{error.args[0]}.",
                hint="Prefect's server would look as long each minute. Say which days are meant.",
            ) from error


def _endless() -> ConfigError:
    return ConfigError(
        f"reading it takes more than {MOST_S} s of a core: it recurs without measure", endless=True
    )

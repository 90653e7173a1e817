"""What the demo finds, and what it deploys, before the story begins."""

from collections.abc import Sequence

from deployments.apply import Applied, deploy
from deployments.demo.story import CAST, FIRST, LATER, MODEL, close_of
from tasks.data import read_history


def cast() -> tuple[Applied, ...]:
    """The deployments of the demo's models, their schedules paused; no other model is touched."""
    return tuple(each for model in CAST for each in deploy(model, paused=True))


def found() -> str:
    """Whether the story starts afresh or goes on from months that are here, in a sentence."""
    return opening(read_history.fn(MODEL, close_of(LATER[-1])).windows)


def opening(windows: Sequence[str]) -> str:
    """The sentence about windows that were ingested before, of which some may be the story's.

    >>> opening(["2013-01", "2013-02"])
    'Continues: 2 of 12 months are here (2013-01 to 2013-02); finished steps are not done again.'
    """
    year = FIRST + LATER
    here = [window for window in windows if window in year]
    if not here:
        return f"Starts afresh: none of the {len(year)} months is here yet."
    there = here[0] if len(here) == 1 else f"{here[0]} to {here[-1]}"
    verb = "is" if len(here) == 1 else "are"
    return (
        f"Continues: {len(here)} of {len(year)} months {verb} here ({there}); "
        "finished steps are not done again."
    )

"""``python -m deployments.demo``: start the stack, play the year, show what came of it, stop."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.cli.failing import INTERRUPTED, explain, never_garble

if TYPE_CHECKING:
    from deployments.demo.summary import Month
    from infra.addresses import Addresses


_UNFOLDED = 160
"""Columns where no terminal says how many it has: in a file or a pipe no line has to fold."""


class Screen:
    """The demo's terminal: a line with elapsed time for each event, a bar below them."""

    def __init__(self, console: Console, progress: Progress, total: int) -> None:
        self._console, self._progress = console, progress
        self._task = progress.add_task("", total=total)
        self._began = time.monotonic()
        self._beats = 0

    def line(self, text: str) -> None:
        """Print a line with the time since the start."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._console.print(
            f"[dim]{minutes:02d}:{seconds:02d}[/dim]  {text}", highlight=False, soft_wrap=True
        )

    def beat(self, text: str) -> None:
        """Say what happens next and move the bar."""
        self._progress.update(
            self._task, completed=self._beats, description=text.split(":", maxsplit=1)[0]
        )
        self._beats += 1
        self.line(f"[bold]{text}[/bold]")

    def done(self) -> None:
        """Fill the bar."""
        self._progress.update(self._task, completed=self._beats, description="done")


def main() -> int:
    """Play the demo; 0 when the story was told to its end."""
    never_garble()
    console = wide_enough(Console())
    try:
        _play(console)
    except Exception as error:
        if os.environ.get("PERENNIAL_DEBUG", "") not in {"", "0"}:
            raise
        explain(error)
    except KeyboardInterrupt:
        console.print("[yellow]Stopped. Run `make demo` again: it goes on where it was.[/yellow]")
        return INTERRUPTED
    return 0


def wide_enough(console: Console) -> Console:
    """The console, with room for the whole table where its output is no terminal."""
    if not console.is_terminal:
        console.width = max(console.width, _UNFOLDED)
    return console


def _play(console: Console) -> None:
    from infra.places import make_folders
    from infra.stack import is_up

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        from deployments.demo import story

        screen = Screen(console, progress, story.beats())
        make_folders()  # before Prefect is imported, which looks for its own
        from deployments.demo.opening import found

        screen.line(found())
        stays = is_up()
        with standing(screen.line, stays=stays) as addresses:
            months = _tell(screen)
        screen.done()
    from deployments.demo.summary import show

    show(console, months, addresses, stays=stays)


@contextmanager
def standing(say: Callable[[str], None], *, stays: bool) -> "Iterator[Addresses]":
    """The stack's addresses; at the end it is stopped, unless it stays.

    Args:
        say: told line by line what is started.
        stays: whether it was up before.
    """
    from infra.stack import down, up

    if stays:
        say("The stack is up already and stays up")
    else:
        say("PostgreSQL, Prefect, MLflow, the report pages and a worker are started")
    addresses = up(owner=os.getpid(), progress=say)
    try:
        yield addresses
    finally:
        if not stays:
            down()


def _tell(screen: Screen) -> "list[Month]":
    from deployments.demo import story
    from deployments.demo.conductor import Conductor
    from deployments.demo.opening import cast
    from deployments.demo.summary import collect

    applied, models = cast(), " and ".join(story.CAST)
    screen.line(f"{len(applied)} deployments of {models} applied, their schedules paused")

    with Conductor(story.MODEL, screen.line) as conductor:
        for _run in story.play(conductor, screen):
            pass
    return collect(story.MODEL)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m deployments.demo``: start the stack, play the year, show what came of it, stop."""

import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.cli.failing import INTERRUPTED, explain, never_garble

if TYPE_CHECKING:
    from deployments.demo.summary import Month


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
    console = Console()
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


def _play(console: Console) -> None:
    from infra.stack import down, up

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        from deployments.demo import story

        screen = Screen(console, progress, story.beats())
        screen.line("PostgreSQL, Prefect, MLflow, the report pages and a worker are started")
        addresses = up(owner=os.getpid(), progress=screen.line)
        try:
            months = _tell(screen)
        finally:
            down()
        screen.done()
    from deployments.demo.summary import show

    show(console, months, addresses)


def _tell(screen: Screen) -> "list[Month]":
    from deployments.apply import deploy
    from deployments.demo import story
    from deployments.demo.conductor import Conductor
    from deployments.demo.summary import collect

    applied = deploy(paused=True)
    screen.line(f"{len(applied)} deployments applied, their schedules paused")

    with Conductor(story.MODEL, screen.line) as conductor:
        for _run in story.play(conductor, screen):
            pass
    return collect(story.MODEL)


if __name__ == "__main__":
    sys.exit(main())

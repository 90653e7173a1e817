"""``perennial replay``: history once more, under as many policies as one likes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from deployments.replay.playing import Told
    from deployments.replay.results import Replay

_DEFAULT: Final = ("never", "monthly", "declared")


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``replay``."""
    app.command("replay")(replay)


def replay(  # noqa: PLR0913 - a command's options are its arguments
    name: Annotated[str, typer.Argument(help="The model.")],
    *,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="declared, never, weekly, monthly, quarterly, yearly, or NAME=FILE with sections "
            "of one's own; as often as there are policies to compare."
        ),
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="The first window.")] = None,
    last: Annotated[str | None, typer.Option("--until", help="The last window.")] = None,
    reviewer: Annotated[
        str, typer.Option(help="Who answers what asks a person: gates, approve or refuse.")
    ] = "gates",
    out: Annotated[
        Path | None, typer.Option(help="A file for the page (.html) or the picture (.png).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play history once more under several policies: what each would have gained and cost."""
    from deployments.replay.publishing import publish, shown_at
    from deployments.shadow.outputs import require_writable

    require_writable(out, (".html", ".png"), "a page or a picture")
    with _progress() as told:
        found, picture = _played(name, policy or list(_DEFAULT), (first, last), reviewer, told)
    place = publish(found, picture, out)
    found = found.model_copy(update={"picture": shown_at(place)})
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show(found)


def _played(
    name: str,
    policies: list[str],
    span: tuple[str | None, str | None],
    reviewer: str,
    told: "Told",
) -> "tuple[Replay, bytes]":
    from deployments.replay.picture import draw
    from deployments.replay.playing import play, reviewer_of, windows_of
    from deployments.replay.policies import rules_of
    from deployments.replay.publishing import alone
    from deployments.replay.world import World
    from deployments.shadow.feed import read_feed
    from deployments.shadow.home import shadow_home
    from tasks.spec import load_spec

    spec = load_spec(name)
    rules, answers = rules_of(spec, policies), reviewer_of(reviewer, spec)
    with alone(name) as home, shadow_home(home):
        told("its source is read", 0, 1)
        feed = read_feed(spec)
        found = play(World(feed), windows_of(feed, *span), rules, answers, told)
    return found, draw(found)


def _show(found: "Replay") -> None:
    from deployments.cli.screen import show
    from deployments.replay.page import table

    headers, rows = table(found)
    span = f"{found.arrivals[0].window} to {found.arrivals[-1].window}"
    show(headers, rows, title=f"{found.model}, {span}; a person is answered by {found.reviewer}")
    kept_out = [each for each in found.arrivals if not each.admitted]
    for each in kept_out:
        typer.echo(f"{each.window} did not come in ({each.ending.value}): {each.why}")
    typer.echo(found.picture)


@contextmanager
def _progress() -> "Iterator[Told]":
    """A bar on a terminal; elsewhere a line for each window, on the error stream."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda text, done, total: typer.echo(f"{done}/{total} {text}", err=True)
        return
    columns = (
        TextColumn("{task.description:<48}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda text, done, total: progress.update(
            task, description=text, completed=done, total=total
        )

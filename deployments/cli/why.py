"""``perennial why RUN``: what a run waits for, where it runs, or how it ended."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from deployments.cli.screen import show
from deployments.reasons import Blocker, Why
from deployments.reasons import why as reasons


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``why``."""
    app.command("why")(why)


def why(
    run: Annotated[
        str, typer.Argument(help="A flow run's name or id, or the beginning of either.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run waits for, since when, and what would free it; or where it runs."""
    found = reasons(run)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)


def _print(found: Why) -> None:
    since = f"{found.since:%Y-%m-%d %H:%M:%S} UTC"
    word = {"waits": "waits", "runs": "runs", "is over": "is over", "is not due": "is not due yet"}
    typer.echo(f"{found.run.name} {word[found.standing]} ({found.state}, since {since}).")
    typer.echo(found.why)
    if found.place is not None:
        before = "; nobody is before it" if not found.ahead else ", after " + _names(found)
        typer.echo(f"Place {found.place} in the queue of this machine{before}.")
    if found.standing == "waits" and found.place is not None:
        typer.echo(_expected(found.expected))
    if found.blocking:
        columns = ("device", "held by", "until")
        show(columns, [_blocker(each) for each in found.blocking], title="\nWhat would free it")
    typer.echo(f"\n{found.run.url}")


def _names(found: Why) -> str:
    shown = [each.name or each.id for each in found.ahead[:5]]
    more = len(found.ahead) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _expected(moment: datetime | None) -> str:
    if moment is None:
        return "When it starts is not known: not every run before it says how long it takes."
    minutes = max(int((moment - datetime.now(UTC)).total_seconds() // 60), 0)
    return f"It starts by {moment:%Y-%m-%d %H:%M:%S} UTC at the latest, in {minutes} min."


def _blocker(each: Blocker) -> tuple[str, ...]:
    who = each.why if each.run is None else f"{each.run.name or each.run.id}\n{each.run.url}"
    until = "not known" if each.until is None else f"{each.until:%Y-%m-%d %H:%M} UTC"
    return each.device, who, until

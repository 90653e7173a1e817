"""The commands of the embedded stack: up, down, status, logs, doctor."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.errors import PerennialError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployments.ahead import Ahead
    from infra.addresses import Addresses
    from infra.stack import Progress
    from infra.stack.doctor import Check
    from infra.stack.health import ServerStatus

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
_WELL = {"running", "own"}
_MARKS = {"ok": ("green", "ok"), "warn": ("yellow", "note"), "fail": ("red", "FAIL")}


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (up, down, status, upkeep, logs, doctor):
        app.command()(command)


def up(
    *,
    as_json: AsJson = False,
    owner: Annotated[
        int | None, typer.Option(hidden=True, help="The process with whose end all ends.")
    ] = None,
) -> None:
    """Start the servers and the worker, or what is missing of them.

    What a crash left is put right first, and what became due meanwhile is done afterwards.
    """
    from infra.environment import OVERRIDES
    from infra.stack import up as start

    def say(line: str) -> None:
        typer.echo(f"  {line}", err=as_json)

    known = os.environ.get(OVERRIDES["prefect"], "").rstrip("/")  # `up` sets it for itself
    started = start(owner, progress=say, before_work=lambda: _before_work(say))
    _put_right(say)
    if as_json:
        typer.echo(json.dumps(started.model_dump(), indent=2))
    else:
        _show_addresses(started, known)


def down(*, as_json: AsJson = False) -> None:
    """Stop everything that belongs to this home."""
    from infra.stack import down as stop

    ended = stop(progress=lambda line: typer.echo(f"  {line}", err=as_json))
    if as_json:
        typer.echo(json.dumps({"ended": ended}))
    else:
        typer.echo(f"Stopped {ended} processes." if ended else "Nothing was running.")


def status(
    name: Annotated[str | None, typer.Argument(help="A model; without one, the servers.")] = None,
    *,
    as_json: AsJson = False,
    html: Annotated[
        bool, typer.Option("--html", help="Write the model's page to a file of its own.")
    ] = False,
    to: Annotated[
        Path | None, typer.Argument(help="With --html: the file; NAME.html if left out.")
    ] = None,
) -> None:
    """Show the servers, or with a name everything about that model."""
    if html or to is not None:
        _write_page(name, to, html=html, as_json=as_json)
        return
    if name is not None:
        from deployments.cli.models import show

        show(name, as_json=as_json)
        return
    from infra.stack.health import server_status

    found = server_status()
    ahead = _ahead(found)
    if as_json:
        facts = {"servers": [server.model_dump() for server in found]}
        coming = {name: each.model_dump(mode="json") for name, each in (ahead or {}).items()}
        typer.echo(json.dumps({**facts, "ahead": None if ahead is None else coming}, indent=2))
        return
    _show_servers(found)
    if ahead is not None:
        from deployments.cli.agenda import print_ahead

        print_ahead(ahead, datetime.now(UTC))


def _write_page(name: str | None, to: Path | None, *, html: bool, as_json: bool) -> None:
    from deployments.cli.models import write_page

    if name is None or not html or as_json:
        raise typer.BadParameter("a page is asked for as: perennial status NAME --html [FILE]")
    write_page(name, to or Path(f"{name}.html"))


def _ahead(servers: "list[ServerStatus]") -> "dict[str, Ahead] | None":
    """What will run of every model; None where Prefect's server does not run, or cannot say."""
    from infra.addresses import ports_file
    from infra.environment import OVERRIDES

    runs = any(each.name == "prefect" and each.state in _WELL for each in servers)
    elsewhere = not ports_file().exists() and OVERRIDES["prefect"] in os.environ
    if not (runs or elsewhere):
        return None
    from deployments.apply import orphans
    from deployments.standing import coming

    try:
        for said in orphans():
            typer.secho(said, fg="yellow", err=True)
        return coming()
    except PerennialError as error:
        typer.secho(f"What runs next is not known. {error}", fg="yellow", err=True)
        return None


def upkeep(*, as_json: AsJson = False) -> None:
    """Do what has become due: calendars, missed runs, reviews past their end.

    The embedded stack does it every ten minutes; with servers of one's own, a timer does.
    """
    from deployments.upkeep import tend

    done = list(tend(datetime.now(UTC)))
    if as_json:
        typer.echo(json.dumps({"done": done}, indent=2))
        return
    typer.echo("\n".join(done) if done else "Nothing was due.")


def logs(
    server: Annotated[
        str | None, typer.Argument(help="postgres, prefect, mlflow, pages or worker.")
    ] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many lines.")] = 40,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what the servers last said."""
    from infra.stack.health import log_tails

    tails = log_tails(server, lines)
    if as_json:
        typer.echo(json.dumps(tails, indent=2))
        return
    if not tails:
        typer.echo("There are no logs yet.")
    for name, tail in tails.items():
        if len(tails) > 1:
            typer.secho(f"{name}", bold=True)
        typer.echo("\n".join(tail))


def doctor(*, as_json: AsJson = False) -> None:
    """Look at this machine: is everything there that Perennial needs?"""
    from infra.stack.doctor import examine

    checks = [*examine(), *_declared_channels()]
    if as_json:
        typer.echo(json.dumps({"checks": [check.model_dump() for check in checks]}, indent=2))
    else:
        _show_checks(checks)
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(1)


def _declared_channels() -> "Iterator[Check]":
    from deployments.channels import unheard
    from infra.stack.doctor import Check
    from tasks.spec import declared_models

    for sentence in unheard(declared_models()):
        yield Check(name="alerts", verdict="warn", finding=sentence)


def _before_work(say: "Progress") -> None:
    from deployments.upkeep import catch_up  # reads the environment that `up` has set

    try:
        for line in catch_up(datetime.now(UTC)):
            say(line)
    except PerennialError as error:  # the servers run, and runs that wait are as good as before
        say(f"The schedules were not looked at. {error.args[0]}")


def _put_right(say: "Progress") -> None:
    from deployments.channels import untold
    from deployments.upkeep import put_right  # reads the environment that `up` has set
    from tasks.spec import declared_models

    for line in put_right(datetime.now(UTC)):
        say(line)
    for line in untold(declared_models()):
        say(line)


def _show_addresses(found: "Addresses", known: str) -> None:
    """Print where the servers are, and how Prefect's own command finds its server from here.

    Args:
        found: their addresses.
        known: where the shell's environment says that Prefect's server is.
    """
    from infra.environment import OVERRIDES
    from infra.prefect_file import found_from

    typer.echo("Perennial is up.")
    for title, address in (
        ("Prefect", found.prefect_ui),
        ("MLflow", found.mlflow),
        ("Reports", found.pages),
        ("Models", f"{found.pages}/models"),
    ):
        typer.echo(f"  {title:<8} {address}")
    if known != found.prefect_api and not found_from(Path.cwd()):
        typer.echo("In this folder `prefect` finds no server. To let it find this one:")
        typer.echo(f"  export {OVERRIDES['prefect']}={found.prefect_api}")


def _show_servers(found: "list[ServerStatus]") -> None:
    from rich.text import Text

    from deployments.cli.screen import show

    show(
        ("server", "state", "since", "address"),
        [
            (
                server.name,
                Text(server.state, style="green" if server.state in _WELL else "red"),
                server.since or "",
                server.address or "",
            )
            for server in found
        ],
    )


def _show_checks(checks: "list[Check]") -> None:
    for check in checks:
        colour, word = _MARKS[check.verdict]
        mark = typer.style(f"{word:<5}", fg=colour)
        typer.echo(f"{mark} {check.name:<12} {check.finding}")
        if check.hint and check.verdict != "ok":
            typer.echo(f"{'':<18} {check.hint}")

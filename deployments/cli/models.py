"""``perennial deploy`` and ``perennial status NAME``: what is declared, and how it stands."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from deployments.ahead import Ahead
from deployments.apply import Applied, Change
from deployments.apply import deploy as apply
from deployments.beginning import to_begin
from deployments.changes import follow_code
from deployments.channels import untold
from deployments.cli.agenda import print_ahead
from deployments.cli.screen import console
from deployments.cli.screen import show as show_table
from deployments.standing import LastRun, Status
from deployments.standing import status as standing
from deployments.timetable import unmet
from infra.addresses import addresses
from infra.errors import ConfigError
from infra.halves import put_whole
from tasks.references import remarks
from tasks.schedules import FlowName
from tasks.spec import declared_models, load_spec

_COLOUR = {
    Change.CREATED: "green",
    Change.UPDATED: "yellow",
    Change.UNCHANGED: "dim",
    Change.REMOVED: "red",
}


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``deploy``; ``status`` calls `show` for a model."""
    app.command("deploy")(deploy)


def deploy(
    name: Annotated[str | None, typer.Argument(help="A model; all of them if left out.")] = None,
    paused: Annotated[
        bool, typer.Option("--paused", help="Leave every schedule paused, whatever is declared.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make Prefect hold what is declared: six deployments for each model, and its triggers."""
    applied = apply(name, paused=paused)
    models = sorted({each.name.partition("/")[2] for each in applied} & set(declared_models()))
    missed = (sentence for each in models for sentence in unmet(load_spec(each)))
    for said in (*untold(models), *missed):
        typer.secho(said, fg="yellow", err=True)
    started = [] if paused else list(follow_code(models, datetime.now(UTC)))
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in applied], indent=2))
    else:
        _print_deployments(applied)
        for said in started:
            typer.echo(said)


def show(model: str, *, as_json: bool) -> None:
    """Print how a model stands.

    Args:
        model: its name.
        as_json: print the JSON that ``docs/status-schema.md`` describes.
    """
    found = standing(model)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)


def write_page(model: str, to: Path) -> None:
    """Write the page of a model to a file that needs no other, and say where to see it live.

    Args:
        model: its name.
        to: the file; one that is there is replaced.

    Raises:
        ConfigError: no such model is declared, or the file cannot be written.
        BackendError: the database does not answer.
    """
    from deployments.pages.gathering import declared_as, gather
    from deployments.pages.rendering import model_page

    page = model_page(gather(declared_as(model), datetime.now(UTC)))
    try:
        put_whole(to.absolute(), page.encode())
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}.") from error
    typer.echo(f"Wrote {to}. The page as it is at any time: {addresses().pages}/models/{model}")


def _print_deployments(applied: tuple[Applied, ...]) -> None:
    show_table(
        ("deployment", "change", "schedules"),
        [
            (each.name, Text(each.change, style=_COLOUR[each.change]), "\n".join(each.schedules))
            for each in applied
        ],
    )


def _print(found: Status) -> None:
    screen = console()
    screen.print(_in_charge(found), markup=False)
    screen.print(f"Its page: {addresses().pages}/models/{found.model}", soft_wrap=True)
    for difference in found.differs:
        screen.print(f"{difference} `perennial up` repairs it.", style="red", markup=False)
    if found.verdict is not None:
        verdict = found.verdict
        screen.print(f"{verdict.window}: {verdict.done}. {verdict.reasons}", markup=False)
        for remark in remarks(verdict.weights, verdict.unjudged):
            screen.print(remark, markup=False)
    for review in found.pending_reviews:
        said = f"{review.title} waits for a person: {review.run_url}"
        screen.print(said, markup=False, soft_wrap=True)
    _print_runs(found.last)
    if found.candidates:
        _print_candidates(found)
    coming = Ahead(schedules=found.schedules, upcoming=found.next_30_days)
    print_ahead({found.model: coming}, datetime.now(UTC))


def _in_charge(found: Status) -> str:
    champion = found.champion
    if champion is None:
        first = to_begin(found.model, with_data=found.newest_window is not None)
        return f"{found.model}: nothing is in charge yet. {first}"
    return (
        f"{found.model}: version {champion.version} is in charge since "
        f"{champion.since:%Y-%m-%d %H:%M} ({champion.metric} {champion.value:.4f}, "
        f"data {champion.data_version[:12]}, commit {champion.commit[:12]}, {champion.bento})."
    )


def _print_runs(last: Mapping[FlowName, LastRun | None]) -> None:
    show_table(
        ("flow", "last run", "at", "page"),
        [
            (flow, run.state, f"{run.at:%Y-%m-%d %H:%M}", run.run_url)
            if run
            else (flow, "-", "", "")
            for flow, run in last.items()
        ],
    )


def _print_candidates(found: Status) -> None:
    show_table(
        ("version", "as of", "gates say", "metric", "gain", "why"),
        [
            (
                str(each.version),
                f"{each.as_of:%Y-%m-%d}",
                each.verdict,
                f"{each.metric} {each.value:.4f}",
                f"{each.gain:+.4f}",
                each.why,
            )
            for each in found.candidates
        ],
    )

"""``perennial deploy`` and ``perennial status NAME``: what is declared, and how it stands."""

import json
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.apply import Applied, Change
from deployments.apply import deploy as apply
from deployments.standing import LastRun, Status
from deployments.standing import status as standing
from tasks.schedules import FlowName

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
    """Make Prefect hold what is declared: six deployments for each model."""
    applied = apply(name, paused=paused)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in applied], indent=2))
    else:
        Console().print(_deployments(applied))


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
        _print(found, Console())


def _deployments(applied: tuple[Applied, ...]) -> Table:
    table = Table("deployment", "change", "schedules")
    for each in applied:
        change = f"[{_COLOUR[each.change]}]{each.change}[/]"
        table.add_row(each.name, change, "\n".join(each.schedules) or "-")
    return table


def _print(found: Status, console: Console) -> None:
    console.print(_in_charge(found))
    for difference in found.differs:
        console.print(f"{difference} `perennial up` repairs it.", style="red", markup=False)
    if found.verdict is not None:
        verdict = found.verdict
        console.print(f"{verdict.window}: {verdict.action}. {verdict.reasons}", markup=False)
    for review in found.pending_reviews:
        console.print(f"{review.title} waits for a person: {review.run_url}", markup=False)
    console.print(_runs(found.last))
    if found.candidates:
        console.print(_candidates(found))


def _in_charge(found: Status) -> str:
    champion = found.champion
    if champion is None:
        return f"{found.model} has no champion. `prefect deployment run 'train/{found.model}'`"
    return (
        f"{found.model}: version {champion.version} is in charge since "
        f"{champion.since:%Y-%m-%d %H:%M} ({champion.metric} {champion.value:.4f}, "
        f"data {champion.data_version[:12]}, commit {champion.commit[:12]}, {champion.bento})."
    )


def _runs(last: Mapping[FlowName, LastRun | None]) -> Table:
    table = Table("flow", "last run", "at", "page")
    for flow, run in last.items():
        if run is None:
            table.add_row(flow, "-", "", "")
        else:
            table.add_row(flow, run.state, f"{run.at:%Y-%m-%d %H:%M}", run.run_url)
    return table


def _candidates(found: Status) -> Table:
    table = Table("version", "as of", "gates say", "metric", "gain", "why")
    for each in found.candidates:
        metric, gain = f"{each.metric} {each.value:.4f}", f"{each.gain:+.4f}"
        day = f"{each.as_of:%Y-%m-%d}"
        table.add_row(str(each.version), day, each.verdict, metric, gain, each.why)
    return table

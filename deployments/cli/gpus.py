"""``perennial gpus``: the devices of this machine, who holds them, how they are, who waits."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from deployments.cli.screen import show
from deployments.occupancy import Gpu, Held, Neighbour, Occupancy, Waiter, occupancy
from infra.gpu.suitability import gib

_STYLES = {"ok": "green", "occupied": "yellow", "unhealthy": "red", "quarantined": "red"}


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``gpus``."""
    app.command("gpus")(gpus)


def gpus(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show this machine's GPUs: who holds what, how they are, and who waits for them."""
    found = occupancy()
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    _print(found)


def _print(found: Occupancy) -> None:
    typer.echo(_headline(found))
    for trouble in found.troubles:
        typer.secho(trouble, fg="yellow")
    if found.devices:
        typer.echo()
        show(
            ("device", "what", "state", "memory", "busy", "held by"),
            [_device(each, found) for each in found.devices],
        )
        for each in found.devices:
            if each.why:
                typer.echo(f"{each.uuid} is {each.state}: {each.why}")
    others = [each for each in found.leases if not each.parts]
    if others:
        show(
            ("run", "since", "cores", "memory"),
            [_other(each) for each in others],
            title="\nRuns without GPUs",
        )
    if found.neighbours:
        columns = ("machine", "pool", "worker", "devices", "cores", "memory")
        show(columns, [_neighbour(each) for each in found.neighbours], title="\nOther machines")
    if found.queue:
        rows = [_waiter(each) for each in found.queue]
        show(("place", "run", "since", "expected", "why"), rows, title="\nWaiting")


def _neighbour(each: Neighbour) -> tuple[str, ...]:
    devices = ", ".join(each.devices) or "no GPUs"
    size = gib(each.memory_bytes)
    return each.machine, each.pool, each.worker, devices, str(each.cpus), size


def _headline(found: Occupancy) -> str:
    cores = f"{found.cpus} cores and {gib(found.memory_bytes)} for runs"
    if not found.devices:
        return f"{found.machine}: no GPUs ({found.absent or 'none can be leased'}); {cores}."
    driver = f"driver {found.driver}, CUDA {found.cuda}" if found.cuda else f"driver {found.driver}"
    return f"{found.machine}: {len(found.devices)} devices, {driver}; {cores}."


def _device(each: Gpu, found: Occupancy) -> tuple[str | Text, ...]:
    used = "?" if each.used_bytes is None else gib(each.used_bytes)
    holders = [held for held in found.leases if held.lease in each.leases]
    lines = [_holder(held, each) for held in holders]
    return (
        each.uuid,
        each.name,
        Text(each.state, style=_STYLES.get(each.state, "")),
        f"{used} of {gib(each.memory_bytes)}",
        "" if each.busy_percent is None else f"{each.busy_percent} %",
        "\n".join(lines),
    )


def _holder(held: Held, device: Gpu) -> str:
    part = next(each for each in held.parts if each.device == device.uuid)
    share = (
        "" if part.alone else f" ({part.share:.0%}, {gib(part.memory_bytes)}, {part.enforcement})"
    )
    return f"{held.run.name or held.run.id}{share} {_since(held.since)}\n{held.run.url}".rstrip()


def _other(held: Held) -> tuple[str, ...]:
    name = held.run.name or held.run.id
    memory = gib(held.memory_bytes) if held.memory_bytes else "shared"
    return name, _since(held.since), str(held.cpus or "shared"), memory


def _waiter(each: Waiter) -> tuple[str, ...]:
    expected = "" if each.expected is None else f"by {each.expected:%Y-%m-%d %H:%M}"
    name = each.run.name or each.run.id
    return str(each.place), name, _since(each.since), expected, each.why


def _since(moment: datetime) -> str:
    """How long ago, in the largest unit that says something."""
    minutes = max(int((datetime.now(UTC) - moment).total_seconds() // 60), 0)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"for {minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"for {hours} h {rest} min" if hours < 48 else f"since {moment:%Y-%m-%d %H:%M}"  # noqa: PLR2004 - two days

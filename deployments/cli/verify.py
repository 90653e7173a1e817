"""``perennial verify``: the tests that a model is held to; the proof that it is watched is one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from deployments.cli.screen import console
from deployments.cli.screen import show as show_table
from infra.errors import ConfigError

if TYPE_CHECKING:
    from deployments.proof.result import Calm, Continuous, Shift

FAILED_PROOF: Final = 3
"""Exit code of a test that could be made, and failed."""


class Statement(StrEnum):
    """Which of the statements about a model is held to a test."""

    CONTINUOUS = "continuous"


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``verify``."""
    app.command("verify")(verify)


def verify(
    test: Annotated[Statement, typer.Argument(help="What is verified.")],
    name: Annotated[str, typer.Argument(help="The model.")],
    out: Annotated[
        Path | None, typer.Option(help="The picture's file; by default among the reports.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int | None:
    """Hold a model to a test: does its monitor see shifts that are known?

    Exit code 0: it passes; 3: it fails; 1 or 2: it could not be made, and what is missing is named.

    continuous: known shifts are injected into a shadow of the model's own data. Contract and
    monitor must see them, and be silent without one.
    """
    from deployments.proof.keeping import keep, record
    from deployments.proof.running import prove
    from deployments.proof.subject import subject_of
    from deployments.shadow.outputs import require_writable
    from tasks.spec import load_spec

    require_writable(out, (".png",), "a picture")

    model, _, version = name.partition("@")
    if version:
        raise ConfigError(
            f"{test} is about {model}'s declaration and data, and not about one version.",
            hint=f"Run `perennial verify {test} {model}`.",
        )
    declared = subject_of(load_spec(name))
    with _progress(f"{test} {name}") as say:
        found = prove(name, say)
    path, address = keep(found, out)
    lost = record(found, declared)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)
        console().print(address or str(path), markup=False, soft_wrap=True)
    if lost:
        typer.echo(f"The ledger has no record of this proof: {lost}", err=True)
    return None if found.passed else FAILED_PROOF


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, float], None]]:
    """A line on stderr that says how far it is; without a terminal there is none."""
    screen = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, TimeElapsedColumn(), console=screen, transient=True, disable=not _watched()
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share)


def _watched() -> bool:
    return sys.stderr.isatty()


def _print(found: "Continuous") -> None:
    from deployments.proof.wording import notes

    screen = console()
    show_table(
        ("shift", "size", "seen", "windows", "days", "by", "followed"),
        [_row(each) for each in found.shifts],
        title=f"{found.model}: known shifts in {found.repetitions} shadows (gross ones in bold)",
    )
    screen.print()
    for name, calm in (
        ("dealt anew, without a season", found.unshifted),
        ("as they came", found.steady),
        ("the contract, as they came", found.contract),
    ):
        if calm is not None:
            screen.print(f"{name}: {_calm(calm)}", markup=False, soft_wrap=True)
    for line in notes(found):
        screen.print(line, markup=False, soft_wrap=True)
    for failure in found.failures:
        screen.print(failure, style="red", markup=False, soft_wrap=True)
    said, colour = ("PASS", "green") if found.passed else ("FAIL", "red")
    screen.print(Text(f"{said} in {found.seconds:.0f} s", style=f"bold {colour}"))


def _row(shift: "Shift") -> tuple[str | Text, ...]:
    from deployments.proof.wording import TITLES, sized

    cells = (
        TITLES[shift.kind],
        sized(shift.kind, shift.size),
        f"{shift.seen}/{shift.tried}",
        "-" if shift.delay is None else str(shift.delay),
        "-" if shift.days is None else f"{shift.days:.0f}",
        ", ".join(shift.by),
        ", ".join(shift.followed),
    )
    return tuple(Text(cell, style="bold") for cell in cells) if shift.gross else cells


def _calm(calm: "Calm") -> str:
    noun = "alarm" if calm.alarms == 1 else "alarms"
    bound = f"; at most {calm.at_most_a_year:.2f} with 95 %" if calm.at_most_a_year else ""
    return (
        f"{calm.alarms} {noun} in {calm.windows} windows, {calm.alarms_a_month:.2f} a month, "
        f"{calm.alarms_a_year:.2f} a year{bound}"
    )

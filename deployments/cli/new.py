"""``perennial new``: a first declaration of a model from a file of its data."""

import getpass
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field

from infra.settings import settings

if TYPE_CHECKING:
    from deployments.new.dialect import Written


class Kind(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class New(BaseModel):
    """What was written, and what was understood of the file."""

    model_config = ConfigDict(frozen=True)

    model: str
    folder: str
    files: tuple[str, ...]
    rows: int
    target: str
    kind: str
    key: tuple[str, ...]
    time: str | None
    grain: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: dict[str, str]
    written: str = Field("", description="How its text is written; empty for plain CSV in UTF-8.")


def add_to(app: typer.Typer) -> None:
    """Give the command line its ``new``."""
    app.command("new")(new)


def new(  # noqa: PLR0913 - a command's options are its arguments
    name: Annotated[str, typer.Argument(help="Name of the model: letters, digits, underscores.")],
    *,
    source: Annotated[Path, typer.Option("--from", help="CSV or Parquet file of its data.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str, typer.Option(help="The column that says when; none if left out.")] = "",
    key: Annotated[list[str] | None, typer.Option(help="A column that names a row.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Told from the values if left out.")] = None,
    delimiter: Annotated[str, typer.Option(help="Of a text file; told from it if left out.")] = "",
    decimal: Annotated[str, typer.Option(help="Decimal mark, . or ,; likewise.")] = "",
    encoding: Annotated[str, typer.Option(help="Such as cp1252; UTF-8 if left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a model's folder from a file of its data; it deploys and trains as it stands."""
    from deployments.new.dialect import Dialect, Written

    file = Written(source, Dialect(delimiter or None, decimal or None, encoding or None))
    made = found(name, file, target, time=time or None, key=tuple(key or ()), kind=kind)
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
        return
    typer.echo(
        f"{made.folder}: {made.kind}, {made.rows:,} rows, {len(made.numeric)} numbers and "
        f"{len(made.categorical)} categories, key {', '.join(made.key)}, windows of {made.grain}."
    )
    if made.written:
        typer.echo(f"  read with {made.written}")
    for column, why in made.left_out.items():
        typer.echo(f"  left out {column}: {why}")
    typer.echo(f"Read its model.yaml, then run `perennial deploy {name}`.")


def found(
    name: str,
    source: "Path | Written",
    target: str,
    *,
    time: str | None = None,
    key: tuple[str, ...] = (),
    kind: Kind | None = None,
) -> New:
    """Write the folder of a new model under the folder of models.

    Args:
        name: of the model.
        source: CSV or Parquet file; how its text is written is told from it if left out.
        target: the column to predict.
        time: the column that says when a row happened; rows have no time if left out.
        key: columns that name a row; found, or rows numbered, if left out.
        kind: binary, multiclass or regression; told from the target's values if left out.

    Raises:
        ConfigError: the name, the folder, the file or a column is not as it must be.
        DataError: the file cannot be read or does not vary.
    """
    from deployments.new.dialect import Written, told
    from deployments.new.inference import Wishes, understand
    from deployments.new.reading import read_table
    from deployments.new.rendering import render
    from deployments.new.writing import hold_name, write_folder

    folder = hold_name(name, settings().models)
    wishes = Wishes(target, time, key, kind.value if kind else None)
    file = source if isinstance(source, Written) else Written(source)
    table, written = read_table(file)
    sheet = replace(understand(table, wishes), written=written)
    files = write_folder(folder, render(name, sheet, file.path.name, getpass.getuser()), sheet)
    return New(
        model=name,
        folder=str(folder),
        files=files,
        rows=sheet.table.num_rows,
        target=sheet.target,
        kind=sheet.kind,
        key=sheet.key,
        time=sheet.time,
        grain=sheet.grain,
        numeric=sheet.numeric,
        categorical=sheet.categorical,
        left_out=sheet.left_out,
        written=told(sheet.written),
    )

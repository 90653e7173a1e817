"""What commands print: tables that lose nothing, whatever the terminal's width and letters."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_UNBOUNDED: Final = 10_000
"""Columns of what is no terminal: a line that a program reads is not folded."""


def console() -> Console:
    """Standard output as wide as the terminal, or as ``COLUMNS`` says."""
    fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if fixed else _UNBOUNDED, highlight=False)


def show(
    headers: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str | None = None
) -> None:
    """Print a table, or where it is wider than the terminal a block of lines for each row.

    Args:
        headers: of the columns.
        rows: their cells; a text is shown as it stands, whatever it holds.
        title: what stands above it.
    """
    screen, filled = console(), [[_text(cell) for cell in row] for row in rows]
    table = Table(*headers, title=title, title_justify="left", box=None, header_style="bold")
    for row in filled:
        table.add_row(*row)
    if (
        Measurement.get(screen, screen.options.update(width=_UNBOUNDED), table).maximum
        <= screen.width
    ):
        screen.print(table)
        return
    if title:
        screen.print(Text(title, style="bold"))
    _blocks(screen, headers, filled)


def _blocks(screen: Console, headers: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    wide = max(len(header) for header in headers)
    for row in rows:
        for header, cell in zip(headers, row, strict=True):
            if cell.plain:
                screen.print(Text(f"{header:<{wide}}  ", style="bold") + cell, soft_wrap=True)
        screen.print()


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)

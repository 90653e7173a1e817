"""The rows of one delivered table on their way through the checks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from infra.files import shown
from tasks.data.spec import TableSpec
from tasks.references import Ending, Finding

EXAMPLES = 5
"""Most examples that a finding carries."""


_BREAKS = re.compile("\r\n|[\t\n\v\f\r\x85\u2028\u2029]")


def plain(value: object, longest: int = 60) -> str:
    r"""A value as text that is safe in a sentence: bounded, one line, without markup.

    What cannot be seen is shown escaped: controls, half characters, and the marks that would turn
    the rest of a line around (Unicode's bidirectional controls).

    >>> plain("two\nlines"), plain("a\u202eb")
    ('two lines', 'a\\u202eb')
    """
    text = _BREAKS.sub(" ", str(value)[: 2 * longest + 2])  # two, as a line may end in two of them
    text = shown(text).replace("<", "‹").replace(">", "›").replace("`", "'")  # noqa: RUF001 - they stand for < and >
    return text if len(text) <= longest else text[: longest - 1] + "…"


@dataclass
class Batch:
    """One table of a delivery: rows that still stand, rows set aside, and what was found.

    Rows are named by their position in the delivery, from 1: the index of `frame`.
    """

    table: str
    spec: TableSpec
    frame: pd.DataFrame
    lines: "pd.Series[int] | None" = None
    texts: pd.DataFrame | None = None
    stray: dict[int, str] = field(default_factory=dict)
    unexpected: tuple[str, ...] = ()
    unfit: set[str] = field(default_factory=set)
    delivered: int = 0
    dropped: int = 0
    findings: list[Finding] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    removed: list[pd.DataFrame] = field(default_factory=list)

    @property
    def rejected(self) -> bool:
        """Whether something was found that no row can be saved from."""
        return any(finding.ending is Ending.REJECT for finding in self.findings)

    def find(
        self,
        ending: Ending,
        check: str,
        message: str,
        *,
        column: str | None = None,
        rows: int = 0,
        examples: Iterable[str] = (),
    ) -> None:
        """Write down what a check saw."""
        self.findings.append(
            Finding(
                table=self.table,
                check=check,
                ending=ending,
                message=message,
                column=column,
                rows=rows,
                examples=tuple(examples)[:EXAMPLES],
            )
        )

    def set_aside(
        self,
        rows: "pd.Index[int]",
        check: str,
        message: str,
        *,
        column: str | None = None,
        examples: Iterable[str] | None = None,
    ) -> None:
        """Take rows out of the batch, with the reason; `message` goes on after their number."""
        rows = rows[~rows.isin(list(self.reasons))]
        if len(rows) == 0:
            return
        cells = self.cells(rows, column) if examples is None else examples
        text = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} {message}"
        first = self.place(int(rows[0]))
        self.find(
            Ending.QUARANTINE,
            check,
            f"{text}; first: {first}.",
            column=column,
            rows=len(rows),
            examples=cells,
        )
        self.reasons.update(dict.fromkeys((int(row) for row in rows), f"{check}: {message}"))
        gone = self.frame.index.isin(rows)
        self.removed.append(self.frame[gone])
        self.frame = self.frame[~gone]

    def place(self, row: int) -> str:
        """Where a row stands, as people look for it."""
        line = self.line(row)
        return f"row {row}" if line == row else f"row {row} (line {line})"

    def line(self, row: int) -> int:
        """The line of the file at which a row begins; its number where there are no lines."""
        return row if self.lines is None else int(self.lines[row])

    def cells(self, rows: "pd.Index[int]", *columns: str | None) -> list[str]:
        """Some of the rows with the cells in question, as they were delivered."""
        source = self.texts if self.texts is not None else self.frame
        named = [column for column in columns if column in source.columns]
        told = []
        for row in rows[:EXAMPLES]:
            cells = [f"{name} = {_shown(source.at[row, name])}" for name in named]  # noqa: PD008 - one cell
            if row in self.stray:
                cells = [plain(self.stray[int(row)])]
            place = self.place(int(row))
            told.append(f"{place}: {', '.join(cells)}" if cells else place)
        return told


def _shown(value: object) -> str:
    return "empty" if value is None or value is pd.NA or value != value else f"'{plain(value)}'"  # noqa: PLR0124 - NaN

"""A delivered file as a batch of typed rows: whatever the bytes are, it answers or refuses."""

from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import DataError
from tasks.data.batch import Batch, plain
from tasks.data.columnar import column_of, read_parquet, shown
from tasks.data.conversion import DTYPES, Converted, convert
from tasks.data.formats import Payload, unpack
from tasks.data.json_lines import read_json_lines
from tasks.data.records import Records, decode, read_delimited
from tasks.data.spec import TableSpec
from tasks.data.structure import inside
from tasks.references import Ending

_DAMAGE = (pa.ArrowException, UnicodeError, ValueError, OverflowError)
"""What libraries raise of bytes that passed for a file and are none."""

_MOST_WORDS = 200
_NOTHING = frozenset(
    ("na", "n/a", "#n/a", "nan", "nil", "none", "null", "<na>", "(null)", "\\n", "-", "--", "?")
)
"""What programs write for no value, in small letters."""

_FEWEST_WORDS = 3
"""Cells from which such a word is a habit of the writer and no slip."""


@dataclass(frozen=True)
class Part:
    """The window whose rows are wanted, where a source holds more than one batch."""

    window: str
    timezone: str

    def expression(self, spec: TableSpec) -> pc.Expression | None:
        """The condition as Parquet's reader takes it; None where only the rows can tell."""
        if any(spec.columns[column] != "int" for column in spec.calendar):
            return None
        values = [int(part) for part in self.window.split("-")]
        pairs = zip(spec.calendar, values, strict=False)
        return reduce(and_, (pc.field(column) == value for column, value in pairs))


def read(data: bytes, table: str, spec: TableSpec, part: Part | None = None) -> Batch:
    """The rows of a delivered file, typed as declared; cells that do not fit are findings.

    Args:
        data: the bytes of the file.
        table: the table's name in the declaration.
        spec: the table's declaration.
        part: which rows are wanted, where the source holds more than this batch.

    Raises:
        DataError: no rows can be told from these bytes; nothing else is raised, whatever they are.
    """
    payload = unpack(data)
    try:
        if payload.kind == "parquet":
            return _from_parquet(payload.data, table, spec, part)
        return _from_text(payload, table, spec, part)
    except _DAMAGE as error:
        raise DataError(
            f"The {payload.kind} file of {table} holds bytes that are no values: "
            f"{type(error).__name__}, {plain(error, _MOST_WORDS)}.",
        ) from error


def _from_parquet(data: bytes, table: str, spec: TableSpec, part: Part | None) -> Batch:
    rows = read_parquet(data, part.expression(spec) if part else None, spec)
    index = pd.RangeIndex(1, len(rows) + 1)
    batch = Batch(table, spec, pd.DataFrame(index=index), delivered=len(rows))
    batch.unexpected = tuple(name for name in rows.column_names if name not in spec.columns)
    columns: dict[str, Converted] = {}
    for name, kind in spec.columns.items():
        if name not in rows.column_names:
            continue
        column = column_of(rows.column(name), kind, index)
        if column.converted is None:
            batch.find(Ending.REJECT, "type", f"{name} {column.why}.", column=name)
        else:
            columns[name] = column.converted
    _settle(batch, columns, shown(rows.select(list(columns)), index), part)
    return batch


def _from_text(payload: Payload, table: str, spec: TableSpec, part: Part | None) -> Batch:
    names = tuple(spec.columns)
    text = decode(payload.data, spec.csv, names)
    if payload.kind == "jsonl":
        numeric = frozenset(n for n, k in spec.columns.items() if k in {"int", "float", "bool"})
        records = read_json_lines(text, numeric)
    else:
        records = read_delimited(text, spec.csv, names)
    index = pd.Index(records.rows, dtype="int64")
    batch = Batch(table, spec, pd.DataFrame(index=index), delivered=records.delivered)
    batch.lines = pd.Series(records.lines, dtype="int64")
    batch.stray = records.stray
    batch.unexpected = tuple(name for name in records.columns if name not in spec.columns)
    columns = {
        name: _converted(records, name, spec, index) for name in names if name in records.columns
    }
    _refuse_cut_cell(records, columns)
    texts = pd.DataFrame(
        {name: records.columns[name] for name in columns}, index=index, dtype="object"
    )
    _settle(batch, columns, texts, part)
    _set_stray_aside(batch, records)
    return batch


def _converted(records: Records, name: str, spec: TableSpec, index: "pd.Index[int]") -> Converted:
    texts, kind = pa.array(records.columns[name], pa.string()), spec.columns[name]
    if records.decimal == "," and kind in {"int", "float"}:
        texts = _with_points(texts)
    converted = convert(texts, kind, index)
    wrong = records.wrong.get(name)
    if not wrong:
        return converted
    bad = converted.bad | pd.Series(index.isin(list(wrong)), index=index)
    return Converted(converted.cells.mask(bad), bad, converted.decimals)


def _with_points(texts: pa.Array) -> pa.Array:
    """Numbers with decimal commas as they are with points; a point of theirs makes none of them."""
    return pc.replace_substring(pc.replace_substring(texts, ".", "'"), ",", ".")


def _refuse_cut_cell(records: Records, columns: dict[str, Converted]) -> None:
    """A file without a final newline whose very last cell does not fit was cut inside it."""
    if not (records.unterminated and records.rows and records.columns):
        return
    last = list(records.columns)[-1]
    row = records.rows[-1]
    if row == max(records.lines) and last in columns and bool(columns[last].bad[row]):
        raise DataError(
            f"The last record, row {row} (line {records.lines[row]}), is incomplete: {last} is cut "
            "off in its middle and the file has no final newline."
        )


def _settle(
    batch: Batch, columns: dict[str, Converted], texts: pd.DataFrame, part: Part | None
) -> None:
    """Put the columns into the batch and what did not fit aside."""
    values: dict[str, pd.Series[Any]] = {name: each.cells for name, each in columns.items()}
    batch.frame = pd.DataFrame(values, index=batch.frame.index)
    batch.texts = texts
    if part is not None and set(batch.spec.calendar) <= set(columns):
        batch.frame = batch.frame[inside(batch, part.window, part.timezone)]
        batch.delivered = len(batch.frame) + len(batch.stray)
    for name, each in columns.items():
        kind = batch.spec.columns[name]
        if str(each.cells.dtype) != DTYPES[kind] and kind == "int":
            batch.unfit.add(name)
            batch.find(
                Ending.HOLD,
                "type",
                f"{name} holds decimals in {each.decimals:.0%} of its cells, where whole numbers "
                "are declared: its unit may have changed.",
                column=name,
            )
    for name, each in columns.items():
        if word := _word_for_nothing(batch, name, each):
            batch.find(
                Ending.REJECT,
                "type",
                f"{name} is never empty and says '{plain(word)}' in {int(each.bad.sum())} rows: a "
                "word for no value that nobody declared. To set these rows aside would drop just "
                f"the ones without {name}. Deliver empty cells, or declare csv: {{nulls: [...]}}.",
                column=name,
                rows=int(each.bad.sum()),
                examples=batch.cells(each.bad.index[each.bad], name),
            )
            continue
        message = f"where {name} is no {batch.spec.columns[name]}"
        bad = batch.frame.index[each.bad[batch.frame.index]]
        batch.set_aside(bad, "type", message, column=name)


def _word_for_nothing(batch: Batch, name: str, column: Converted) -> str:
    """What a writer put where a cell that may be empty has no value; nothing where it put nothing.

    Such rows are no accident: of flights they are the cancelled ones, and without them the batch
    would say that none was.
    """
    if name not in batch.spec.optional or batch.texts is None or column.bad.sum() < _FEWEST_WORDS:
        return ""
    words = batch.texts.loc[column.bad, name].unique()
    word = str(words[0]) if len(words) == 1 else ""
    empty = batch.texts.loc[~column.bad, name].isna().any()
    return word if not empty and word.strip().casefold() in _NOTHING else ""


def _set_stray_aside(batch: Batch, records: Records) -> None:
    if not records.stray:
        return
    reasons = dict.fromkeys(records.stray_why.values())
    for reason in reasons:
        rows = pd.Index([row for row, why in records.stray_why.items() if why == reason])
        batch.set_aside(rows, "record", f"with {plain(reason)}", column=None)

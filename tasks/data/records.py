"""Text taken apart into cells: nothing guessed, nothing padded, every row with its line."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from infra.errors import DataError, few
from infra.files import MOST_BYTES
from tasks.data.batch import plain
from tasks.data.spec import CsvSpec

Cell = str | None

_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", ":": "colon"}
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_USUAL: Final = "cp1252"
"""What Windows writes west of Poland, and by far most of what is not UTF-8."""

_LOOKED_AT: Final = 32_768
_DIVIDES: Final = re.compile(rb"[,;|:\s\"']")


@dataclass
class Records:
    """Cells as text, by column, with the rows that had another number of fields beside them.

    `wrong` names cells whose kind was wrong before they became text, by column; `decimal` is what
    divides their numbers from their decimals.
    """

    columns: dict[str, list[Cell]]
    rows: list[int]
    lines: dict[int, int]
    stray: dict[int, str] = field(default_factory=dict)
    stray_why: dict[int, str] = field(default_factory=dict)
    wrong: dict[str, set[int]] = field(default_factory=dict)
    unterminated: bool = False
    decimal: str = "."

    @property
    def delivered(self) -> int:
        """Rows in the file, good or bad."""
        return len(self.rows) + len(self.stray)


def decode(data: bytes, spec: CsvSpec, names: tuple[str, ...]) -> str:
    """The text of a file.

    Raises:
        DataError: it is not in the declared encoding, or it holds NUL bytes.
    """
    mark = next((name for start, name in _MARKS if data.startswith(start)), None)
    declared = spec.encoding.lower().replace("_", "-")
    if declared in {"utf-8", "utf8"} and mark:
        raise DataError(_foreign(data, mark, names), hint=_redeliver(mark))
    if declared in {"utf-8", "utf8"} and b"\x00" in data:
        raise DataError(_nul(data))
    try:
        return data.decode("utf-8-sig" if declared in {"utf-8", "utf8"} else declared)
    except LookupError as error:
        raise DataError(f"There is no encoding {spec.encoding!r}.") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        maybe = _readings(data, error.start)
        listed = " or ".join(f"{name} ({said!r})" for name, said in maybe.items())
        raise DataError(
            f"The file is not {spec.encoding}: byte {error.start} in line {line} does not fit. "
            + (f"It may be {listed}." if maybe else "It is no text at all, or damaged."),
            hint=_redeliver(next(iter(maybe), "utf-8")),
        ) from error


def read_delimited(text: str, spec: CsvSpec, names: tuple[str, ...]) -> Records:
    """The cells of delimited text; `names` are the declared columns.

    Raises:
        DataError: no header, another delimiter, a quote that is never closed, or a last record
            that was cut off.
    """
    csv.field_size_limit(MOST_BYTES)  # a long text is no fault; its own bound is that of the file
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=spec.delimiter, strict=True)
    header = _header(reader, text, spec, names)
    width, nulls = len(header), frozenset(spec.nulls)
    unterminated = not text.endswith(("\n", "\r"))
    records = Records({}, [], {}, unterminated=unterminated, decimal=spec.decimal)
    kept: list[list[str]] = []
    last: list[str] = []
    row = 0
    while True:
        start = reader.line_num + 1
        cells = _next(reader, start)
        if cells is None:
            break
        if not cells:
            continue
        row, last = row + 1, cells
        records.lines[row] = start
        if len(cells) == width:
            kept.append(cells)
            records.rows.append(row)
            continue
        if reader.line_num > start:
            raise DataError(
                f"A quote in line {start} is not closed before line {reader.line_num}: "
                f"{len(cells)} fields where the header has {width}. The rows between are swallowed."
            )
        records.stray[row] = spec.delimiter.join(cells)
        fields = f"{len(cells)} field{'' if len(cells) == 1 else 's'}"
        records.stray_why[row] = f"{fields} where the header has {width}"
    if records.unterminated and last and len(last) < width:
        _refuse_cut(records, last, header, row)
    columns = zip(*kept, strict=True) if kept else ([] for _ in header)
    records.columns = {
        name: [None if cell in nulls else cell for cell in cells]
        for name, cells in zip(header, columns, strict=True)
    }
    return records


def _next(reader: object, start: int) -> list[str] | None:
    try:
        cells: list[str] = next(reader)  # type: ignore[call-overload]
    except StopIteration:
        return None
    except csv.Error as error:
        raise DataError(
            f"A quote that opens in line {start} is never closed, or closes where it should not "
            f"({error}). What follows cannot be told apart into rows."
        ) from error
    return cells


def _header(reader: object, text: str, spec: CsvSpec, names: tuple[str, ...]) -> list[str]:
    header = _next(reader, 1)
    while header == []:
        header = _next(reader, 1)
    if header is None:
        raise DataError("The file holds nothing but blank lines.")
    twice = sorted(plain(name) for name, times in Counter(header).items() if times > 1)
    if not set(names) & set(header):
        other = _delimiter(text, names)
        if other and other != spec.delimiter:
            comma = " and decimal commas" if re.search(r"\d,\d", text[:20_000]) else ""
            raise DataError(
                f"The header is {len(header)} column where {len(names)} are declared: the "
                f"delimiter is a {_DELIMITERS[other]}{comma if other != ',' else ''}, not a "
                f"{_DELIMITERS.get(spec.delimiter, spec.delimiter)}.",
                hint=_redeliver("utf-8"),
            )
        raise DataError(
            "The first line is no header: none of its fields is a declared column. It begins "
            f"with {plain(', '.join(header[:3]))!r}; expected {few(list(names), 3)}."
        )
    if twice:
        raise DataError(f"The header names a column twice: {few(twice)}.")
    return header


def _refuse_cut(records: Records, last: list[str], header: list[str], row: int) -> None:
    """A short last record without a newline is a cut upload, unless it reads like a footer."""
    if len(last) == 1 and " " in last[0].strip():
        return  # words in a single field: a summary line, set aside as such
    raise DataError(
        f"The last record, row {row} (line {records.lines[row]}), is incomplete: {len(last)} of "
        f"{len(header)} fields and no final newline. The upload was cut off after {row - 1} rows."
    )


def _delimiter(text: str, names: tuple[str, ...]) -> str | None:
    line = text.lstrip("\ufeff").lstrip().split("\n", 1)[0].rstrip("\r")
    hits = {
        each: len({part.strip('" ') for part in line.split(each)} & set(names))
        for each in _DELIMITERS
    }
    best = max(hits, key=lambda each: hits[each])
    return best if hits[best] else None


def _foreign(data: bytes, encoding: str, names: tuple[str, ...]) -> str:
    text = data.decode(encoding, errors="replace")
    delimiter = _delimiter(text, names)
    told = f" with a {_DELIMITERS[delimiter]} as delimiter" if delimiter else ""
    return f"The file is {encoding.upper()}{told}, where UTF-8 with commas is declared."


def _nul(data: bytes) -> str:
    count, first = data.count(b"\x00"), data.index(b"\x00")
    if count > len(data) // 4:
        return f"The file is not UTF-8: {count} of its {len(data)} bytes are NUL; perhaps UTF-16."
    line = data[:first].count(b"\n") + 1
    return f"The file holds {count} NUL bytes, the first at byte {first} in line {line}: damaged."


def _readings(data: bytes, at: int) -> dict[str, str]:
    """Encodings that a file may be in, and what the word at a byte says in each.

    One letter beyond ASCII fits dozens of them, and a person sees at once which word is meant.
    """
    from charset_normalizer import from_bytes

    around = data[max(0, at - _LOOKED_AT) : at + _LOOKED_AT]
    best = from_bytes(around).best()
    word = _DIVIDES.split(data[max(0, at - 40) : at])[-1] + _DIVIDES.split(data[at : at + 40])[0]
    found: dict[str, str] = {}
    for name in dict.fromkeys([_USUAL, *([best.encoding] if best else [])]):
        try:
            around.decode(name)
            said = word.decode(name)
        except UnicodeDecodeError:
            continue
        if said not in found.values() and said.isprintable():
            found[name.replace("_", "-")] = said
    return found


def _redeliver(encoding: str) -> str:
    declared = "" if encoding == "utf-8" else f", encoding: {encoding}"
    return (
        "Deliver comma-separated UTF-8 with decimal points, or declare "
        f"csv: {{delimiter: ..., decimal: ...{declared}}} for the table in model.yaml."
    )

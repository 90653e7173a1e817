"""How a delimited file is written: told by its text where that is certain, else asked for."""

import csv
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from infra.errors import ConfigError, DataError, few
from tasks.data.records import decode
from tasks.data.spec import CsvSpec

NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_LOOKED_AT: Final = 50
"""Records from which the delimiter is told: all of them have as many fields as the header."""


@dataclass(frozen=True)
class Dialect:
    """What the user said of how the file is written; None for what its text must tell."""

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class Written:
    """A file, and what the user said of how it is written."""

    path: Path
    dialect: Dialect = Dialect()


def recognised(data: bytes, asked: Dialect) -> tuple[str, CsvSpec]:
    """The text of a file, and how it is written.

    Raises:
        ConfigError: what was asked for is no delimiter or mark, or the text fits more than one.
        DataError: it is in another encoding.
    """
    mark = next((name for start, name in _MARKS.items() if data.startswith(start)), "utf-8")
    encoding = asked.encoding or mark
    text = _text(data, encoding)
    delimiter = _one(asked.delimiter) if asked.delimiter else _delimiter(text)
    decimal = asked.decimal or _decimal(text, delimiter)
    if decimal not in {".", ","} or decimal == delimiter:
        raise ConfigError(
            f"{decimal!r} cannot divide numbers from their decimals here.",
            hint="Say --decimal . or, where another delimiter is, --decimal ,",
        )
    return text, CsvSpec.model_validate(
        {"delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    )


def told(found: CsvSpec) -> str:
    """How a file is written where that is not plain CSV in UTF-8; else nothing.

    >>> told(CsvSpec(delimiter=";", decimal=",", encoding="cp1252"))
    'semicolons between values, decimal commas, in cp1252'
    >>> told(CsvSpec())
    ''
    """
    named = NAMES.get(found.delimiter, repr(found.delimiter))
    return ", ".join(
        said
        for said, differs in (
            (f"{named} between values", found.delimiter != ","),
            ("decimal commas", found.decimal != "."),
            (f"in {found.encoding}", found.encoding != "utf-8"),
        )
        if differs
    )


def _text(data: bytes, encoding: str) -> str:
    try:
        return decode(data, CsvSpec(encoding=encoding), ()).removeprefix("\ufeff")
    except DataError as error:
        hint = "Say which it is, as in --encoding cp1252, or save the file as UTF-8."
        raise DataError(str(error.args[0]), hint=hint) from error


def _one(delimiter: str) -> str:
    plain = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(plain) != 1:
        raise ConfigError(
            f"{delimiter!r} is no delimiter.", hint="Give one character, such as ';', or tab."
        )
    return plain


def _delimiter(text: str) -> str:
    """The one by which the first records fall into as many fields as the header; commas for none.

    Raises:
        ConfigError: more than one does that.
    """
    fitting = [each for each in NAMES if _divides(text, each)]
    if len(fitting) > 1:
        raise ConfigError(
            f"The values may be divided by {few([NAMES[each] for each in fitting])}.",
            hint="Say which it is, as in --delimiter ';'.",
        )
    return fitting[0] if fitting else ","


def _divides(text: str, delimiter: str) -> bool:
    lines = (line for line in text.split("\n") if line.strip())
    try:
        records = list(islice(csv.reader(lines, delimiter=delimiter, strict=True), _LOOKED_AT))
    except csv.Error:
        return False
    return len({len(record) for record in records}) == 1 and len(records[0]) > 1


def _decimal(text: str, delimiter: str) -> str:
    """A comma, where numbers have one and none has a point.

    Raises:
        ConfigError: some have a comma and some have a point.
    """
    if delimiter == ",":
        return "."
    begins, ends = rf"(?:^|{re.escape(delimiter)})\"?", rf"\"?\s*(?=$|{re.escape(delimiter)})"
    commas, points = (
        re.search(f"{begins}([+-]?[0-9]+{mark}[0-9]+){ends}", text, re.MULTILINE)
        for mark in (",", r"\.")
    )
    if commas and points:
        raise ConfigError(
            f"Some numbers have a decimal comma ({commas[1]!r}), others a point ({points[1]!r}).",
            hint="Say which of them divides decimals, as in --decimal ',': the others become text.",
        )
    return "," if commas else "."

"""JSON Lines taken apart into cells: numbers as they were written, and no key twice."""

import json
import re
from collections import Counter
from typing import Final

from infra.errors import DataError
from tasks.data.batch import plain
from tasks.data.records import Cell, Records

_HALF: Final = re.compile("[\ud800-\udfff]")
"""Half of a character: JSON can write it down, and no text can hold it."""


class _Number(str):
    """A number as it was written: nothing is rounded, and 1e999 is not infinity."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _NoJson(_Number):
    """``NaN`` and ``Infinity``, which some writers put where JSON knows no value."""

    __slots__ = ()


class _Rows:
    """A reader of lines that notices the keys which an object names twice."""

    def __init__(self) -> None:
        self.twice: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_NoJson,
        )

    def read(self, content: str) -> tuple[dict[str, object] | None, str]:
        """The object of a line, or None and what stands there instead."""
        self.twice.clear()
        try:
            value = self._decoder.decode(content)
        except (ValueError, RecursionError):
            return None, "no JSON object"
        if not isinstance(value, dict):
            return None, "no JSON object"
        if self.twice:
            return None, f"the key {plain(self.twice[0])!r} twice"
        return value, ""

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(name for name, _ in pairs)
            self.twice += [name for name, number in times.items() if number > 1]
        return found


def read_json_lines(text: str, numeric: frozenset[str]) -> Records:
    """The cells of JSON Lines; values that the type of their column cannot have are marked wrong.

    Args:
        text: the file.
        numeric: columns in which text is wrong, because JSON has numbers and booleans of its own.

    Raises:
        DataError: the last line was cut off.
    """
    records = Records({}, [], {}, unterminated=not text.endswith("\n"))
    rows, objects = _Rows(), []
    found = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for row, (line, content) in enumerate(found, start=1):
        records.lines[row] = line
        value, why = rows.read(content.strip())
        if value is not None:
            objects.append(value)
            records.rows.append(row)
        elif records.unterminated and row == len(found):
            raise DataError(
                f"The last record, row {row} (line {line}), is incomplete and the file has no "
                "final newline: it was cut off."
            )
        else:
            records.stray[row] = content
            records.stray_why[row] = why
    for name in dict.fromkeys(name for each in objects for name in each):
        _add(records, name, [each.get(name) for each in objects], numeric)
    return records


def _add(records: Records, name: str, values: list[object], numeric: frozenset[str]) -> None:
    shown = _whole(name)
    records.columns[shown] = [_text(value) for value in values]
    records.wrong[shown] = {
        row
        for row, value in zip(records.rows, values, strict=True)
        if _is_wrong(value, number=name in numeric)
    }


def _is_wrong(value: object, *, number: bool) -> bool:
    if isinstance(value, dict | list | _NoJson):
        return True
    if not isinstance(value, str) or isinstance(value, _Number):
        return False
    return number or _HALF.search(value) is not None


def _text(value: object) -> Cell:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return _whole(str(value))
    except RecursionError:
        return "nested too deeply to be shown"


def _whole(text: str) -> str:
    """Text with its half characters escaped."""
    return _HALF.sub(lambda half: ascii(half[0])[1:-1], text)

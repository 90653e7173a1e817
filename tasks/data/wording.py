"""Expectations in words: what was expected of a column, and what was found instead."""

import math
import re
from typing import Any, Final

from infra.errors import few
from tasks.data.batch import plain

_MOST: Final = 6
_STATISTICS: Final = {
    "mean": "mean",
    "median": "median",
    "max": "largest value",
    "min": "smallest value",
    "sum": "sum",
    "stdev": "standard deviation",
    "unique_value_count": "number of different values",
    "proportion_of_unique_values": "share of different values",
    "proportion_of_non_null_values": "share of filled cells",
}
_PLAIN: Final = {
    "expect_column_values_to_not_be_null": "not empty",
    "expect_column_values_to_be_null": "empty",
    "expect_column_values_to_be_unique": "no value twice",
    "expect_column_values_to_be_increasing": "never falling",
    "expect_column_values_to_be_decreasing": "never rising",
}


def rule_of(kind: str, kwargs: dict[str, Any]) -> str:
    """What an expectation asks for, as words that follow a colon.

    >>> rule_of("expect_column_values_to_be_between", {"column": "month", "min_value": 1})
    'at least 1'
    >>> rule_of("expect_column_values_to_be_in_set", {"column": "dst", "value_set": ["A", "U"]})
    'one of A, U'
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind.endswith("_to_be_between"):
        asked = bounds(kwargs)
        return f"{asked} characters" if "value_lengths" in kind else asked
    if "value_set" in kwargs:
        shown = few([plain(each) for each in kwargs["value_set"]], _MOST)
        return f"{'none' if '_not_' in kind else 'one'} of {shown}"
    if "regex" in kwargs:
        return f"{'not like' if '_not_' in kind else 'like'} {plain(kwargs['regex'], 120)}"
    told = [
        f"{name.replace('_', ' ')} {few(value, _MOST)}"
        for name, value in sorted(kwargs.items())
        if name not in {"column", "batch_id"} and value is not None
    ]
    words = kind.removeprefix("expect_").removeprefix("column_").replace("_", " ")
    return plain(f"{words} ({', '.join(told)})" if told else words, 160)


def bounds(kwargs: dict[str, Any]) -> str:
    """The range that an expectation allows.

    >>> bounds({"min_value": 0.95, "max_value": 1.05})
    '0.95 to 1.05'
    """
    least, most = _exact(kwargs.get("min_value")), _exact(kwargs.get("max_value"))
    above, below = kwargs.get("strict_min"), kwargs.get("strict_max")
    if least and most:
        if above or below:
            low, high = "above" if above else "from", "below" if below else "up to"
            return f"{low} {least} and {high} {most}"
        return f"{least} to {most}"
    if least:
        return f"{'more than' if above else 'at least'} {least}"
    return f"{'less than' if below else 'at most'} {most}"


def _exact(value: object) -> str:
    """A bound as it was declared: Great Expectations turns 1 into 1.0."""
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, int | float) else plain(value)


def whole_table(kind: str, kwargs: dict[str, Any], says: str | None, seen: object) -> str:
    """A sentence about a number of the whole column: what was expected and what was found."""
    column = kwargs.get("column")
    words = kind.removeprefix("expect_").removeprefix("column_").removesuffix("_to_be_between")
    asked = says or rule_of(kind, kwargs)
    if column is None or words not in _STATISTICS:
        subject = f" of {subject_of(column)}" if column and not says else ""
        found = "" if seen is None else f" Found: {number(seen)}."
        return f"Expected{subject}: {asked}.{found}"
    what = f"the {_STATISTICS[words]} of {subject_of(column)}"
    if says is None:
        return f"T{what[1:]} is {number(seen)}, where {bounds(kwargs)} is fine."
    return f"Expected: {says}. Found: {what} is {number(seen)}, where {bounds(kwargs)} is fine."


def subject_of(column: str) -> str:
    """A column as people call it; what only the contract sees has a name and no mark.

    >>> subject_of("_distance_ratio")
    'the observed distance ratio'
    """
    return f"the observed {column[1:].replace('_', ' ')}" if column.startswith("_") else column


def columns_said(says: str, columns: list[str]) -> list[str]:
    """The columns of a table that a rule names in its words, in their order."""
    words = dict.fromkeys(re.findall(r"\w+", says))
    return [word for word in words if word in columns]


def number(value: object) -> str:
    """A number in four digits; anything else as text that is safe in a sentence."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return f"{value:.4g}"
    return plain(value)

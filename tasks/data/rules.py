"""One expectation of a suite: what must be true of it before any data are held against it."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from infra.errors import ConfigError, few
from tasks.data.batch import plain
from tasks.data.spec import ColumnType
from tasks.references import Ending

Columns = Mapping[str, ColumnType | None]
"""What expectations may be about: column to declared type, None where only data can tell."""

ENDINGS: Final = {each.value: each for each in Ending if each is not Ending.ACCEPT}

_BROKEN: Final = {
    "expect_column_quantile_values_to_be_between": "it fails inside Great Expectations 1.24.1; "
    "bound the median, the mean, the minimum or the maximum instead"
}
_NAMES: Final = ("column", "column_A", "column_B")
_OF_TEXT: Final = ("regex", "value_lengths", "strftime", "json", "dateutil")
_KINDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "int": ("whole numbers", (int,)),
    "float": ("numbers", (int, float)),
    "string": ("text", (str,)),
    "bool": ("true or false", (bool,)),
    "timestamp": ("instants as text", (str,)),
    "date": ("days as text", (str,)),
}


def check_rule(place: str, expectation: Any, columns: Columns) -> None:  # noqa: ANN401 - it is what is checked
    """Nothing, where an expectation is one that can be held against the columns of its table.

    Args:
        place: the file and the position, for the message.
        expectation: an element of the suite's list.
        columns: what it may be about.

    Raises:
        ConfigError: it is not; the message names the place, the expectation and the fault.
    """
    if (
        not isinstance(expectation, dict)
        or not isinstance(expectation.get("kwargs"), dict)
        or not isinstance(expectation.get("type"), str)
    ):
        raise ConfigError(f"{place}: it must have a type, kwargs and meta.")
    kind, kwargs = expectation["type"], expectation["kwargs"]
    place = f"{place}: {plain(kind, 120)}"
    if kind in _BROKEN:
        raise ConfigError(f"{place} cannot be used: {_BROKEN[kind]}.")
    _check_meta(place, expectation.get("meta"))
    _check_columns(place, kwargs, columns)
    _check_bounds(place, kind, kwargs, columns.get(str(kwargs.get("column"))))
    _check_share(place, kwargs)
    _check_values(place, kwargs, columns.get(str(kwargs.get("column"))))
    _check_patterns(place, kind, kwargs, columns.get(str(kwargs.get("column"))))


def identity(expectation: dict[str, Any]) -> str:
    """What an expectation checks, whatever follows from it: the same text for the same check."""
    return json.dumps([expectation["type"], expectation["kwargs"]], sort_keys=True)


def _check_meta(place: str, meta: object) -> None:
    meta = meta if isinstance(meta, dict) else {}
    if str(meta.get("on_failure")) not in ENDINGS:
        raise ConfigError(
            f"{place} needs meta.on_failure, one of {', '.join(ENDINGS)}; "
            f"it is {plain(repr(meta.get('on_failure')))}."
        )
    if str(meta.get("when_most", "hold")) not in ENDINGS:
        raise ConfigError(
            f"{place}: meta.when_most is {plain(repr(meta['when_most']))}, which is no ending.",
            hint=f"Write one of {', '.join(ENDINGS)}.",
        )
    says = meta.get("says", "said")
    if not isinstance(says, str) or not says.strip():
        raise ConfigError(
            f"{place}: meta.says is {plain(repr(says))}, and no words.",
            hint="Say in a few words what must be true, or leave it out.",
        )
    unknown = sorted(set(meta) - {"on_failure", "when_most", "says"})
    if unknown:
        raise ConfigError(f"{place}: meta.{plain(unknown[0])} is not known.")


def _check_columns(place: str, kwargs: dict[str, Any], columns: Columns) -> None:
    listed = kwargs.get("column_list", kwargs.get("column_set", []))
    named = [kwargs[name] for name in _NAMES if name in kwargs]
    for name in [*named, *(listed if isinstance(listed, list) else [listed])]:
        if not isinstance(name, str) or name not in columns:
            raise ConfigError(
                f"{place} is about {plain(name)!r}, which nobody declares.",
                hint=f"Its table has {few(sorted(columns), 12)}.",
            )


def _check_bounds(
    place: str, kind: str, kwargs: dict[str, Any], declared: ColumnType | None
) -> None:
    least, most = kwargs.get("min_value"), kwargs.get("max_value")
    if kind.endswith("_to_be_between") and least is None and most is None:
        raise ConfigError(f"{place} has neither min_value nor max_value: it would bound nothing.")
    for name in ("min_value", "max_value"):
        if kwargs.get(name) is not None and not _is_bound(kwargs[name], declared):
            raise ConfigError(
                f"{place}: {name} is {plain(repr(kwargs[name]))}, and no bound of "
                f"{'this column' if declared is None else f'a column of {declared}'}.",
                hint="Bounds of numbers are numbers, without quotes.",
            )
    if least is None or most is None:
        return
    if type(least) is str or type(most) is str:
        wrong = str(least) > str(most)
    else:
        strict = bool(kwargs.get("strict_min") or kwargs.get("strict_max"))
        wrong = least > most or (strict and least == most)
    if wrong:
        raise ConfigError(
            f"{place}: min_value {least} and max_value {most} leave no value between them.",
            hint="Exchange them, or correct the one that is wrong.",
        )


def _is_bound(value: object, declared: ColumnType | None) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return math.isfinite(value) and declared not in {"timestamp", "date"}
    if not isinstance(value, str) or declared in {"int", "float", "bool"}:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _check_share(place: str, kwargs: dict[str, Any]) -> None:
    share = kwargs.get("mostly", 1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ConfigError(
            f"{place}: mostly is {plain(repr(share))}; it is a share above 0 and up to 1.",
            hint="Write 0.95 for 95 percent.",
        )


def _check_values(place: str, kwargs: dict[str, Any], declared: ColumnType | None) -> None:
    if "value_set" not in kwargs:
        return
    values = kwargs["value_set"]
    if not isinstance(values, list) or not values:
        raise ConfigError(
            f"{place}: value_set is {plain(repr(values))}, and no list of values.",
            hint="Write the values between brackets.",
        )
    if declared is None:
        return
    words, types = _KINDS[declared]
    odd = [v for v in values if type(v) not in types]
    if odd:
        raise ConfigError(
            f"{place}: value_set holds {few([plain(repr(v)) for v in odd])}, but "
            f"{plain(kwargs.get('column'))} is a column of {declared}: no cell could ever match.",
            hint=f"Write {words}.",
        )


def _check_patterns(
    place: str, kind: str, kwargs: dict[str, Any], declared: ColumnType | None
) -> None:
    if declared not in {None, "string"} and any(f"_{part}" in kind for part in _OF_TEXT):
        raise ConfigError(
            f"{place} is about text, but {plain(kwargs.get('column'))} is a column of {declared}."
        )
    listed = kwargs.get("regex_list", [])
    patterns = [kwargs["regex"]] if "regex" in kwargs else []
    for pattern in [*patterns, *(listed if isinstance(listed, list) else [listed])]:
        try:
            re.compile(pattern)
        except (re.error, TypeError, RecursionError, OverflowError) as error:
            raise ConfigError(
                f"{place}: {plain(repr(pattern), 120)} is no regular expression: {plain(error)}.",
                hint="A backslash is written twice in JSON; brackets close, or are escaped.",
            ) from error

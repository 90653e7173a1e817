"""A table against its Great Expectations suite: counted when it is read, judged as it declares."""

import contextlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch import Batch as Rows

from infra.errors import ConfigError, few
from tasks.data.batch import EXAMPLES, Batch, plain
from tasks.references import Ending

MOST: Final = 0.5
"""Share of the rows from which ``when_most`` speaks: then no row is wrong, but all of them are."""

_BROKEN: Final = {
    "expect_column_quantile_values_to_be_between": "it fails inside Great Expectations 1.24.1; "
    "bound the median, the mean, the minimum or the maximum instead"
}
_ENDINGS: Final = {
    "reject": Ending.REJECT,
    "hold": Ending.HOLD,
    "quarantine": Ending.QUARANTINE,
    "warn": Ending.WARN,
}


_LOGGERS: Final = ("great_expectations", "great_expectations.data_context.types.base")
"""Its loggers with a level of their own; each change of a level empties every logger's cache."""


@dataclass(frozen=True)
class Suite:
    """Expectations as Great Expectations read them, as many as the file has."""

    name: str
    suite: gx.ExpectationSuite


def read_suite(path: Path, columns: set[str]) -> Suite:
    """The suite of a file.

    Args:
        path: JSON with a name and expectations; each has ``meta.on_failure`` (reject, hold,
            quarantine or warn) and may have ``meta.when_most`` for when most rows fail.
        columns: what expectations may be about: declared and observed columns.

    Raises:
        ConfigError: no JSON, an unknown expectation or argument, a column that nobody declares, or
            a severity that is none. Great Expectations drops some of these without a word.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        listed = document["expectations"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no suite: {plain(error)}.") from error
    with _quiet():
        for position, expectation in enumerate(listed, start=1):
            _check(path, position, expectation, columns)
        read = gx.ExpectationSuite(name=path.stem, expectations=listed)
    if len(read.expectations) != len(listed):
        raise ConfigError(
            f"{path} has {len(listed)} expectations, Great Expectations kept "
            f"{len(read.expectations)} of them."
        )
    return Suite(path.stem, read)


def check_contract(batch: Batch, observed: pd.DataFrame, suite: Suite) -> None:
    """Hold the rows of a batch against a suite; what fails becomes findings, as each one declares.

    Args:
        batch: the batch; its rows are the ones of `observed`.
        observed: its rows with the observed columns, same index.
        suite: the table's suite.

    Raises:
        ConfigError: an expectation cannot be computed on these columns.
    """
    for result in _results(_floats(observed), suite):
        config = result.expectation_config
        if result.exception_info and _raised(result.exception_info):
            raise ConfigError(
                f"{config.type} of the suite {suite.name} cannot be computed: "
                f"{few(_why(result.exception_info), 1)}."
            )
        if not result.success:
            _judge(batch, observed, config, result.result)


def _results(frame: pd.DataFrame, suite: Suite) -> list[Any]:
    with _quiet():
        rows: Rows = _frames().get_batch(batch_parameters={"dataframe": frame})
        return list(rows.validate(suite.suite, result_format="COMPLETE").results)


@lru_cache(maxsize=1)
def _frames() -> Any:  # noqa: ANN401 - GX is untyped
    """What takes a frame in: one context for the process, since each makes a folder and logs it."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole")


def _judge(batch: Batch, observed: pd.DataFrame, config: Any, result: dict[str, Any]) -> None:  # noqa: ANN401 - GX is untyped
    ending = _ENDINGS[config.meta["on_failure"]]
    column = config.kwargs.get("column")
    rule = config.meta.get("says") or _rule(config)
    wrong = result.get("unexpected_index_list")
    if wrong is None:
        seen = result.get("observed_value")
        told = "" if seen is None else f"; it is {_number(seen)}"
        batch.find(ending, config.type, f"{_subject(column)}{rule}{told}.", column=column)
        return
    rows = pd.Index(sorted({int(row) for row in wrong}))
    share = len(rows) / max(result["element_count"] - (result.get("missing_count") or 0), 1)
    examples = _examples(batch, observed, rows, column)
    if "when_most" in config.meta and share > MOST:
        ending = _ENDINGS[config.meta["when_most"]]
    if ending is Ending.QUARANTINE:
        message = f"where {column} breaks a rule: {rule}"
        batch.set_aside(rows, config.type, message, column=column, examples=examples)
        return
    first = batch.place(int(rows[0]))
    batch.find(
        ending,
        config.type,
        f"{_subject(column)}{rule}; {len(rows)} rows ({share:.0%}) do not, first {first}.",
        column=column,
        rows=len(rows),
        examples=examples,
    )


def _examples(
    batch: Batch, observed: pd.DataFrame, rows: "pd.Index[int]", column: str | None
) -> list[str]:
    if column in batch.frame or column is None:
        return batch.cells(rows, column)
    return [
        f"{batch.place(int(row))}: {column} = {_number(observed.loc[row, column])}"
        for row in rows[:EXAMPLES]
    ]


def _floats(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as plain floats: Great Expectations is several times faster on them."""
    numbers = {name: "float64" for name, kind in frame.dtypes.items() if str(kind) == "Int64"}
    flags = {name: "object" for name, kind in frame.dtypes.items() if str(kind) == "boolean"}
    return frame.astype({**numbers, **flags})


def _check(path: Path, position: int, expectation: Any, columns: set[str]) -> None:  # noqa: ANN401 - it is what is checked
    place = f"{path}, expectation {position}"
    if not isinstance(expectation, dict) or not isinstance(expectation.get("kwargs"), dict):
        raise ConfigError(f"{place}: it must have a type, kwargs and meta.")
    kind = str(expectation.get("type"))
    if kind in _BROKEN:
        raise ConfigError(f"{place}: {kind} cannot be used: {_BROKEN[kind]}.")
    _check_meta(place, kind, expectation.get("meta"))
    named = [v for k, v in expectation["kwargs"].items() if k in {"column", "column_A", "column_B"}]
    named += list(expectation["kwargs"].get("column_list", []))
    for name in named:
        if name not in columns:
            raise ConfigError(f"{place}: {kind} is about {plain(name)!r}, which nobody declares.")
    try:
        kept = gx.ExpectationSuite(name="one", expectations=[expectation]).expectations
    except Exception as error:
        raise ConfigError(f"{place}: {kind} is refused: {plain(error, 200)}.") from error
    if not kept:
        raise ConfigError(f"{place}: Great Expectations knows no {plain(kind)!r}.")


def _check_meta(place: str, kind: str, meta: object) -> None:
    meta = meta if isinstance(meta, dict) else {}
    if meta.get("on_failure") not in _ENDINGS:
        raise ConfigError(
            f"{place}: {kind} needs meta.on_failure, one of {', '.join(_ENDINGS)}; "
            f"it is {meta.get('on_failure')!r}."
        )
    if meta.get("when_most", "hold") not in _ENDINGS:
        raise ConfigError(f"{place}: meta.when_most is {meta['when_most']!r}, which is no ending.")
    unknown = sorted(set(meta) - {"on_failure", "when_most", "says"})
    if unknown:
        raise ConfigError(f"{place}: meta.{unknown[0]} is not known.")


def _rule(config: Any) -> str:  # noqa: ANN401 - GX is untyped
    words = config.type.removeprefix("expect_").removeprefix("column_").replace("_", " ")
    kwargs = {
        name: value
        for name, value in sorted(config.kwargs.items())
        if name not in {"column", "batch_id"} and value is not None
    }
    told = ", ".join(f"{name} {few(value, 6)}" for name, value in kwargs.items())
    return plain(f"{words} ({told})" if told else words)


def _subject(column: str | None) -> str:
    return f"{column}: " if column else ""


def _number(value: object) -> str:
    if isinstance(value, int | float) and math.isfinite(value):
        return f"{value:.4g}"
    return plain(value)


def _raised(info: dict[str, Any]) -> bool:
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(each.get("raised_exception") for each in info.values())


def _why(info: dict[str, Any]) -> list[str]:
    found = [info] if "exception_message" in info else list(info.values())
    return [plain(each.get("exception_message"), 200) for each in found]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations logs what we say better, and folders that nobody looks into."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

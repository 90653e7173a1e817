"""Suites of expectations: read in full and checked in each part, or refused by name and place."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import great_expectations as gx

from infra.errors import ConfigError, DataError
from infra.files import read_file
from tasks.data.batch import plain
from tasks.data.rules import Columns, check_rule, identity

_MOST_BYTES: Final = 1 << 20
_AGAIN: Final = "Correct the suite and run `perennial deploy` again."
_LOGGERS: Final = ("great_expectations", "great_expectations.data_context.types.base")
"""Its loggers with a level of their own; each change of a level empties every logger's cache."""


@dataclass(frozen=True)
class Suite:
    """Expectations as Great Expectations read them, as many as the file has."""

    name: str
    suite: gx.ExpectationSuite


def read_suite(path: Path, columns: Columns) -> Suite:
    """The suite of a file.

    Args:
        path: JSON with a name and expectations; each has ``meta.on_failure`` (reject, hold,
            quarantine or warn) and may have ``meta.when_most`` for when most rows fail.
        columns: what expectations may be about, with the declared types; None for an observed one.

    Raises:
        ConfigError: no JSON, no expectation, one that is unknown or comes twice, an argument that
            is unknown, of a wrong type or out of order, a column that nobody declares, or a
            severity that is none. Great Expectations drops some of these without a word.
    """
    listed = _listed(path)
    first: dict[str, int] = {}
    with quiet():
        for position, expectation in enumerate(listed, start=1):
            _check(f"{path}, expectation {position}", expectation, columns)
            earlier = first.setdefault(identity(expectation), position)
            if earlier != position:
                raise ConfigError(
                    f"{path}, expectation {position}: it is expectation {earlier} once more.",
                    hint=f"Take one of them out. {_AGAIN}",
                )
        read = gx.ExpectationSuite(name=path.stem, expectations=listed)
    if len(read.expectations) != len(listed):
        raise ConfigError(
            f"{path} has {len(listed)} expectations, Great Expectations kept "
            f"{len(read.expectations)} of them.",
            hint=_AGAIN,
        )
    return Suite(path.stem, read)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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


def _listed(path: Path) -> list[Any]:
    try:
        document = json.loads(read_file(path, _MOST_BYTES), object_pairs_hook=_once)
    except DataError as error:
        raise ConfigError(f"The suite {error.args[0]}", hint=error.advice) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no suite: {plain(error, 200)}.", hint=_AGAIN) from error
    listed = document.get("expectations") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ConfigError(
            f"{path} is no suite: it has no list of expectations.",
            hint='Write {"name": ..., "expectations": [...]}, as in expectations/flights.',
        )
    if not listed:
        raise ConfigError(
            f"{path} is no suite: its list of expectations is empty, and would let everything "
            "through.",
            hint="Write one, or remove the file: a table without a suite is held to its columns.",
        )
    return listed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {plain(twice)!r} comes twice in one object")
    return found


def _check(place: str, expectation: Any, columns: Columns) -> None:  # noqa: ANN401 - it is what is checked
    check_rule(place, expectation, columns)
    kind = plain(expectation["type"], 120)
    try:
        kept = gx.ExpectationSuite(name="one", expectations=[expectation]).expectations
    except Exception as error:
        raise ConfigError(
            f"{place}: {kind} is refused: {plain(error, 200)}.", hint=_AGAIN
        ) from error
    if not kept:
        raise ConfigError(f"{place}: Great Expectations knows no {kind!r}.", hint=_AGAIN)

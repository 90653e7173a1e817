"""What a file's columns are to a new model: key, time, target, features."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from infra.errors import ConfigError, DataError, few
from tasks.data.spec import CsvSpec
from tasks.labels import FEWEST_ROWS

Kind = Literal["binary", "multiclass", "regression"]
Grain = Literal["day", "month", "year", "all"]

MOST_CLASSES: Final = 20
"""Whole numbers or texts with more values than this are no classes unless somebody says so."""

MOST_CATEGORIES: Final = 254
"""Text with more values than this is no feature of a first model: it names rows or is prose."""

RESERVED: Final = frozenset({"event_time", "prediction_time", "label_time", "_window", "_digest"})
HOLDOUT_SHARE: Final = 0.2
"""Of rows without a time, how many a candidate is judged on."""

_FEWEST_WINDOWS: Final = 3
_KEY_NAME: Final = re.compile(
    r"(^|_)(id|key|uuid|guid|code|number|no)$|^(row|index)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Wishes:
    """What the user said of the file."""

    target: str
    time: str | None = None
    key: tuple[str, ...] = ()
    kind: Kind | None = None


@dataclass(frozen=True)
class Sheet:
    """What was understood of the file."""

    table: pa.Table
    target: str
    kind: Kind
    key: tuple[str, ...]
    time: str | None
    grain: Grain
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    positive: object = None
    left_out: dict[str, str] = field(default_factory=dict)
    written: CsvSpec = field(default_factory=CsvSpec)

    @property
    def features(self) -> tuple[str, ...]:
        """The features in the order of the file."""
        chosen = {*self.numeric, *self.categorical}
        return tuple(name for name in self.table.column_names if name in chosen)


def understand(table: pa.Table, wishes: Wishes) -> Sheet:
    """Key, time, target and features of a table, with what was left out and why.

    Raises:
        ConfigError: a wish names no column or cannot be true, or nothing is left to learn from.
        DataError: the target or the time does not vary enough, or there are too few rows.
    """
    _hold_names(table, wishes)
    table, left_out = _without_empty(table, wishes)
    kind = wishes.kind or guess_kind(table[wishes.target], wishes.target)
    positive = _positive(table[wishes.target], wishes.target) if kind == "binary" else None
    _hold_target(table[wishes.target], wishes.target, kind)
    table, key = _with_key(table, wishes)
    used = {*key, wishes.target, *([wishes.time] if wishes.time else [])}
    others = [name for name in table.column_names if name not in used]
    left_out |= {name: why for name in others if (why := _unfit(table[name]))}
    fit = [name for name in others if name not in left_out]
    if not fit:
        raise ConfigError(
            f"Beside key, time and target no column is left to learn from: {few(left_out)}.",
            hint="Give a file with at least one column of numbers or categories.",
        )
    grain = _grain(table[wishes.time], wishes.time) if wishes.time else "all"
    _hold_rows(table, wishes, grain)
    return Sheet(
        table=table,
        target=wishes.target,
        kind=kind,
        key=key,
        time=wishes.time,
        grain=grain,
        numeric=tuple(name for name in fit if not pa.types.is_string(table[name].type)),
        categorical=tuple(name for name in fit if pa.types.is_string(table[name].type)),
        positive=positive,
        left_out=left_out,
    )


def guess_kind(values: pa.ChunkedArray, name: str) -> Kind:
    """What is predicted, by the target's values: two, a few, or numbers.

    Raises:
        ConfigError: text with too many values, dates or instants.
    """
    distinct, kind = len(_distinct(values)), values.type
    if distinct == 2:  # noqa: PLR2004 - that is what binary means
        return "binary"
    if pa.types.is_floating(kind):
        return "regression"
    if pa.types.is_integer(kind) or pa.types.is_string(kind):
        if distinct <= MOST_CLASSES:
            return "multiclass"
        if pa.types.is_integer(kind):
            return "regression"
    raise ConfigError(
        f"The target {name!r} holds {distinct:,} values of {kind}; that is neither a number nor a "
        "class.",
        hint="Choose another column, or say --kind multiclass if these are classes.",
    )


def _hold_names(table: pa.Table, wishes: Wishes) -> None:
    asked = [wishes.target, *wishes.key, *([wishes.time] if wishes.time else [])]
    unknown = [name for name in asked if name not in table.column_names]
    if unknown:
        raise ConfigError(
            f"The file has no column {few(unknown)}.",
            hint=f"Its columns are {few(table.column_names, most=20)}.",
        )
    if len(set(asked)) < len(asked) and wishes.target in [*wishes.key, wishes.time]:
        raise ConfigError(f"{wishes.target!r} cannot be the target and the key or time as well.")
    taken = sorted(name for name in table.column_names if name in RESERVED or name.startswith("_"))
    if taken:
        raise ConfigError(
            f"The names {few(taken)} are taken.", hint="Rename these columns in the file."
        )


def _without_empty(table: pa.Table, wishes: Wishes) -> tuple[pa.Table, dict[str, str]]:
    empty = [n for n in table.column_names if table[n].null_count == table.num_rows]
    if wishes.target in empty:
        raise DataError(f"The target {wishes.target!r} has no value in any row.")
    return table.drop_columns(empty), dict.fromkeys(empty, "no value in any row")


def _hold_target(values: pa.ChunkedArray, name: str, kind: Kind) -> None:
    distinct = len(_distinct(values))
    if distinct < 2:  # noqa: PLR2004 - one value teaches nothing
        raise DataError(f"The target {name!r} has the same value in every row.")
    if kind == "binary" and distinct > 2:  # noqa: PLR2004 - that is what binary means
        raise ConfigError(
            f"The target {name!r} has {distinct:,} values, too many for binary.",
            hint="Say --kind multiclass or --kind regression.",
        )
    if kind == "regression" and not _is_number(values.type):
        raise ConfigError(f"The target {name!r} holds {values.type}; regression wants numbers.")
    if kind == "multiclass" and pa.types.is_floating(values.type):
        whole = pc.all(pc.equal(values, pc.floor(values))).as_py()
        if not whole:
            raise ConfigError(f"The target {name!r} holds fractions, which are no classes.")


def _hold_rows(table: pa.Table, wishes: Wishes, grain: Grain) -> None:
    """A training learns from rows with a target, but for those that it is judged on."""
    rows = table.filter(pc.is_valid(table[wishes.target]))
    if wishes.time:
        windows = _windows(_days(rows[wishes.time], wishes.time), grain)
        learned = pc.sum(pc.not_equal(windows, pc.max(windows))).as_py() or 0
        beside = f"before the newest {grain}, which is held out"
    else:
        learned = int(rows.num_rows * (1 - HOLDOUT_SHARE))
        beside = f"beside the {HOLDOUT_SHARE:.0%} that are held out"
    if learned < FEWEST_ROWS:
        raise DataError(
            f"Of {rows.num_rows:,} rows with a target {learned:,} are left to learn from {beside}; "
            f"{FEWEST_ROWS} are the least.",
            hint="Give a file with more rows.",
        )


def _positive(values: pa.ChunkedArray, name: str) -> object:
    """The value that counts as 1: the greater of two numbers, the later of two words."""
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        raise ConfigError(f"The target {name!r} holds {values.type}, which is no class.")
    return max(_distinct(values))


def _with_key(table: pa.Table, wishes: Wishes) -> tuple[pa.Table, tuple[str, ...]]:
    if wishes.key:
        rows = table.select(list(wishes.key)).group_by(list(wishes.key)).aggregate([]).num_rows
        if rows < table.num_rows:
            raise ConfigError(
                f"{few(list(wishes.key))} names {rows:,} of {table.num_rows:,} rows, so it is no "
                "key.",
                hint="Name more columns, or leave --key out to have the rows numbered.",
            )
        return table, wishes.key
    for place, name in enumerate(table.column_names):
        by_name = bool(_KEY_NAME.search(name)) or place == 0
        if name not in {wishes.target, wishes.time} and by_name and _names_rows(table[name]):
            return table, (name,)
    name = next(n for n in ("row", "row_number", "row_of_file") if n not in table.column_names)
    numbers = pa.array(range(1, table.num_rows + 1), pa.int64())
    return table.add_column(0, name, numbers), (name,)


def _names_rows(values: pa.ChunkedArray) -> bool:
    fits = pa.types.is_integer(values.type) or pa.types.is_string(values.type)
    return fits and not values.null_count and len(_distinct(values)) == len(values)


def _unfit(values: pa.ChunkedArray) -> str:
    """Why a column is no feature; empty if it is one."""
    if _is_number(values.type) or pa.types.is_boolean(values.type):
        return ""
    if not pa.types.is_string(values.type):
        return "a date or an instant: derive numbers from it in features.py"
    distinct = len(_distinct(values))
    return f"text with {distinct:,} values" if distinct > MOST_CATEGORIES else ""


def _grain(values: pa.ChunkedArray, name: str) -> Grain:
    """The longest window of which the times fill at least three; else the longest with two."""
    days = _days(values, name)
    if values.null_count:
        raise DataError(f"The time {name!r} is missing in {values.null_count:,} rows.")
    if pa.types.is_integer(values.type):
        return "year"
    grains: tuple[Grain, ...] = ("year", "month", "day")
    windows = {grain: len(_distinct(_windows(days, grain))) for grain in grains}
    for fewest in (_FEWEST_WINDOWS, 2):
        for grain, count in windows.items():
            if count >= fewest:
                return grain
    raise DataError(
        f"The times in {name!r} are all of one day; training and judging need two windows.",
        hint="Leave --time out to hold out a share of the rows instead.",
    )


def _windows(days: pa.ChunkedArray, grain: Grain) -> pa.ChunkedArray:
    """What sorts as the windows of a grain do, for each of the days; whole years as they are."""
    if grain == "day" or pa.types.is_integer(days.type):
        return days
    return pc.year(days) if grain == "year" else pc.strftime(days, "%Y-%m")


def _days(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return values.cast(pa.date32())
    if pa.types.is_integer(values.type):
        limits = pc.min_max(values).as_py()
        if 1000 <= limits["min"] < limits["max"] <= 9999:  # noqa: PLR2004 - years of four digits
            return values
    raise ConfigError(
        f"The time {name!r} holds {values.type} and no dates, instants or several years.",
        hint="Write 2026-03-29, 2026-03-29T07:30:00Z, or the year as a number.",
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _distinct(values: pa.ChunkedArray) -> list[Any]:
    found: list[Any] = pc.unique(values.drop_null()).to_pylist()
    return found

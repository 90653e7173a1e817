"""Whether a batch has the declared shape: its columns, keys, days and points in time."""

from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from infra.errors import few
from tasks.data.batch import Batch, plain
from tasks.data.spec import CadenceSpec, DataSpec, TableSpec
from tasks.references import Ending
from tasks.windows import EVERYTHING, end_day, first_day, grain_of

_EVERY_STEP = 3


def check_columns(batch: Batch) -> None:
    """Columns that are missing (reject), undeclared (hold) or empty though required (reject)."""
    missing = [
        name
        for name in batch.spec.columns
        if name not in batch.frame and not _typed_wrong(batch, name)
    ]
    if missing:
        likely = [
            f"{plain(repr(found))} is likely {name}"
            for name in missing
            if (found := _likely(name, batch.unexpected)) is not None
        ]
        told = (
            f" Undeclared: {few([plain(repr(n)) for n in batch.unexpected])}."
            if batch.unexpected
            else ""
        )
        suggestion = f" Suggested mapping: {few(likely)}." if likely else ""
        batch.find(
            Ending.REJECT,
            "columns",
            f"{_count(missing, 'column')} missing: {few(missing)}.{told}{suggestion}",
            column=missing[0],
        )
    elif batch.unexpected:
        names = [plain(repr(name)) for name in batch.unexpected]
        batch.find(
            Ending.HOLD,
            "columns",
            f"{_count(names, 'undeclared column')}: {few(names)}. "
            f"{'It is' if len(names) == 1 else 'They are'} in no feature until model.yaml declares "
            f"{'it' if len(names) == 1 else 'them'}.",
            column=plain(batch.unexpected[0]),
        )
    if len(batch.frame):
        for name in _required(batch):
            if batch.frame[name].isna().all():
                batch.find(
                    Ending.REJECT,
                    "nulls",
                    f"{name} is required and empty in all {len(batch.frame)} rows.",
                    column=name,
                    rows=len(batch.frame),
                )


def check_nulls(batch: Batch) -> None:
    """Rows whose required cells are empty are set aside."""
    for name in _required(batch):
        empty = batch.frame.index[batch.frame[name].isna()]
        batch.set_aside(empty, "nulls", f"where {name} is required and empty", column=name)


def check_window(batch: Batch, window: str, as_of: datetime, data: DataSpec) -> None:
    """Rows of another time than the window's, or later than the ingest, are set aside."""
    calendar = batch.spec.calendar
    if not calendar or grain_of(window) == EVERYTHING or batch.frame.empty:
        return
    outside = ~inside(batch, window, data.timezone)
    rows = batch.frame.index[outside]
    if len(rows):
        held = written_days(batch, data.timezone)[outside].fillna("no day").value_counts()
        named = few([f"{day} ({count})" for day, count in held.items()], 3)
        batch.set_aside(
            rows,
            "window",
            f"outside the window {window}, dated {named}",
            column=calendar[0],
            examples=batch.cells(rows, *calendar),
        )
    days = local_days(batch.frame, batch.spec, data.timezone)
    if days is not None:
        today = as_of.astimezone(ZoneInfo(data.timezone)).date()
        late = batch.frame.index[(days > _number(today)).astype(bool)]
        batch.set_aside(
            late,
            "future",
            f"dated after the ingest of {today}",
            column=calendar[0],
            examples=batch.cells(late, *calendar),
        )


def check_keys(batch: Batch, most_dropped: float) -> None:
    """Copies of a row are dropped and counted; rows that contradict each other are set aside."""
    copies = batch.frame.duplicated()
    batch.dropped = int(copies.sum())
    if batch.dropped:
        rows = batch.frame.index[copies]
        share = batch.dropped / batch.delivered
        again = share > most_dropped
        batch.find(
            Ending.REJECT if again else Ending.WARN,
            "duplicates",
            f"{batch.dropped} of {batch.delivered} rows ({share:.0%}) are exact copies of others"
            + (": the batch was delivered more than once." if again else ", and were dropped."),
            rows=batch.dropped,
            examples=batch.cells(rows, None),
        )
        batch.frame = batch.frame[~copies]
    key = list(batch.spec.key)
    twins = batch.frame.index[batch.frame.duplicated(subset=key, keep=False)]
    batch.set_aside(
        twins, "key", f"that share a key ({', '.join(key)}) and differ elsewhere", column=key[-1]
    )


def check_cadence(batch: Batch, window: str, data: DataSpec) -> None:
    """Stretches without a point in time that last longer than is fine, at the edges too."""
    cadence = batch.spec.cadence
    if cadence is None or batch.frame.empty:
        return
    longest = cadence.gap or _EVERY_STEP * cadence.every
    edges = _edges(window, cadence, data.timezone) if batch.spec.calendar else None
    groups = batch.frame.groupby(list(cadence.by)) if cadence.by else [((), batch.frame)]
    for name, rows in groups:
        times = rows[cadence.column].drop_duplicates().sort_values()
        if edges is not None:
            times = pd.concat(
                [pd.Series([edges[0]]), times, pd.Series([edges[1]])], ignore_index=True
            )
        steps = times.diff()
        for at in steps.index[steps > longest]:
            start, end = times[at] - steps[at], times[at]
            points = round(steps[at] / cadence.every) - 1
            group = ", ".join(
                f"{by} {plain(value)}" for by, value in zip(cadence.by, name, strict=True)
            )
            batch.find(
                Ending.WARN,
                "cadence",
                f"{points} points of {cadence.column} are missing"
                f"{' for ' + group if group else ''}: nothing between {start:%Y-%m-%d %H:%M} "
                f"and {end:%Y-%m-%d %H:%M} UTC.",
                column=cadence.column,
            )


def inside(batch: Batch, window: str, timezone: str) -> "pd.Series[bool]":
    """Which rows a window holds, by their calendar, shape (n_rows,)."""
    days = local_days(batch.frame, batch.spec, timezone)
    if days is not None:
        start, end = _number(first_day(window)), _number(end_day(window))
        return ((days >= start) & (days < end)).fillna(value=False).astype(bool)
    held = pd.Series(data=True, index=batch.frame.index)
    for column, part in zip(batch.spec.calendar, window.split("-"), strict=False):
        held &= (batch.frame[column] == int(part)).fillna(value=False).astype(bool)
    return held


def days_of(window: str) -> int:
    """How many days a window has; one for a table that has no time."""
    if grain_of(window) == EVERYTHING:
        return 1
    return (end_day(window) - first_day(window)).days


def _required(batch: Batch) -> list[str]:
    return [n for n in batch.spec.columns if n not in batch.spec.optional and n in batch.frame]


def _typed_wrong(batch: Batch, name: str) -> bool:
    return any(f.check == "type" and f.column == name for f in batch.findings)


def _likely(name: str, candidates: tuple[str, ...]) -> str | None:
    folded = {each.strip().lower().replace(" ", "_"): each for each in candidates}
    close = get_close_matches(name, list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _count(items: list[str], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def written_days(batch: Batch, timezone: str) -> "pd.Series[str]":
    """Each row's day, month or year as people write it; none where it has none."""
    days = local_days(batch.frame, batch.spec, timezone)
    if days is None:
        days = _numbered([batch.frame[column] for column in batch.spec.calendar])
    return days.map({number: _written(int(number)) for number in days.dropna().unique()})


def _written(number: int) -> str:
    """A year, month or day out of its digits: 20130710 is 2013-07-10."""
    text = str(number)
    return "-".join(part for part in (text[:4], text[4:6], text[6:]) if part)


def _numbered(parts: list["pd.Series[Any]"]) -> "pd.Series[Any]":
    """Years, months and days as one number; none where a part has too many digits for a date.

    Beyond its digits a part would run over into the next, and a year of 17 digits into nowhere.
    """
    number: pd.Series[Any] = pd.Series(0, index=parts[0].index, dtype="Int64")
    for part, most in zip(parts, (9_999, 99, 99), strict=False):
        digits = part.astype("Int64")
        number = number * 100 + digits.where((digits >= 0) & (digits <= most))
    return number


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def local_days(frame: pd.DataFrame, spec: TableSpec, timezone: str) -> "pd.Series[Any] | None":
    """Each row's local day as the number yyyymmdd; None where only years or months stand."""
    calendar = spec.calendar
    if len(calendar) == len(("year", "month", "day")):
        return _numbered([frame[column] for column in calendar])
    kind = spec.columns[calendar[0]]
    if kind == "timestamp":
        local = frame[calendar[0]].dt.tz_convert(timezone).dt
        days: pd.Series[Any] = local.year * 10_000 + local.month * 100 + local.day
        return days
    if kind == "date":
        return frame[calendar[0]].map(_number, na_action="ignore").astype("Int64")
    return None


def _edges(
    window: str, cadence: CadenceSpec, timezone: str
) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    if grain_of(window) == EVERYTHING:
        return None
    zone = ZoneInfo(timezone)
    start = datetime.combine(first_day(window), time(), zone).astimezone(UTC) - cadence.every
    end = datetime.combine(end_day(window), time(), zone).astimezone(UTC)
    return pd.Timestamp(start), pd.Timestamp(end)

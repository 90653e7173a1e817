"""Shape and history: what is found in rows of the right types."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from infra.store import WINDOW
from tasks.data.batch import Batch, plain
from tasks.data.known import check_known
from tasks.data.quarantine import as_csv, quarantined
from tasks.data.reading import read
from tasks.data.spec import CadenceSpec, ColumnType, DataSpec, LabelSpec, StableSpec, TableSpec
from tasks.data.structure import check_cadence, check_columns, check_keys, check_window
from tasks.data.usual import (
    DAYS,
    WINDOWS,
    Past,
    check_complete,
    check_constant,
    check_dark,
    check_stable,
    check_volume,
    newest,
)
from tasks.references import Ending

SPEC = TableSpec(
    path="x.csv",
    key=("at", "site"),
    columns={"at": "timestamp", "site": "string", "speed": "float"},
    optional=("speed",),
    calendar=("at",),
    complete=("site",),
    stable=(StableSpec(column="speed", unseen=0.5),),
    cadence=CadenceSpec(column="at", every=timedelta(hours=1), by=("site",)),
)
DATA = DataSpec(
    tables={"wind": SPEC}, label=LabelSpec(name="y", kind="regression"), timezone="Europe/Berlin"
)
DAY = "2026-03-01"
LATER = datetime(2026, 4, 1, tzinfo=UTC)


def _frame(hours: int = 24, sites: tuple[str, ...] = ("a", "b"), unit: float = 1.0) -> pd.DataFrame:
    start = pd.Timestamp("2026-02-28T23:00Z")  # midnight in Berlin
    rows = [
        (start + pd.Timedelta(hours=hour), site, (hour * 7 + len(site)) % 12 * 1.15 * unit)
        for hour in range(hours)
        for site in sites
    ]
    return pd.DataFrame(rows, columns=["at", "site", "speed"])


def _batch(frame: pd.DataFrame, spec: TableSpec = SPEC) -> Batch:
    text = frame.assign(at=frame["at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(index=False)
    return read(text.encode(), "wind", spec)


def _past(frame: pd.DataFrame | None = None) -> Past:
    kept = _frame() if frame is None else frame
    days = pd.date_range("2026-02-01", "2026-02-28").strftime("%Y-%m-%d")
    return Past(dict.fromkeys(days, len(kept)), pd.concat([kept] * len(days)))


def test_a_day_is_local_to_the_feed() -> None:
    """Midnight in Berlin is still yesterday in UTC, and belongs to today."""
    batch = _batch(_frame(25))

    check_window(batch, DAY, LATER, DATA)

    assert list(batch.reasons) == [49, 50]
    assert "dated 2026-03-02 (2)" in batch.findings[0].message


def test_rows_later_than_the_ingest_are_set_aside() -> None:
    """They cannot have happened yet, and must not become the newest data."""
    batch = _batch(_frame(48))

    check_window(batch, "2026-03", datetime(2026, 3, 1, 12, tzinfo=UTC), DATA)

    assert len(batch.reasons) == 48
    assert "dated after the ingest of 2026-03-01" in batch.findings[0].message


def test_copies_are_dropped_and_contradictions_set_aside() -> None:
    """A row that was delivered twice is one row; two that differ are none."""
    frame = _frame()
    twice = pd.concat([frame, frame.head(2), frame.tail(1).assign(speed=99.0)])
    batch = _batch(twice)

    check_keys(batch, 0.2)

    assert [finding.ending for finding in batch.findings] == [Ending.WARN, Ending.QUARANTINE]
    assert len(batch.frame) == 47
    assert batch.dropped == 2


@pytest.mark.parametrize(
    ("rows", "found"), [(slice(0, 48), 0), (slice(0, 44), 0), (slice(0, 30), 2), (slice(12, 48), 2)]
)
def test_a_gap_in_time_is_a_warning_at_the_edges_too(rows: slice, found: int) -> None:
    """Three steps are fine, more are told with their hours."""
    batch = _batch(_frame().iloc[rows])

    check_cadence(batch, DAY, DATA)

    assert [finding.ending for finding in batch.findings] == [Ending.WARN] * found


def test_a_few_days_do_not_tell_which_values_are_new() -> None:
    """The first warm day of a young feed is no change of its unit."""
    batch = _batch(_frame(unit=1.05))

    check_stable(batch, Past({"2026-02-27": 48, "2026-02-28": 48}, _frame()))

    assert batch.findings == []


def test_what_is_usual_comes_from_a_dozen_windows_or_a_quarter_of_days() -> None:
    """Short windows are many, long ones are enough by number."""
    days = pd.date_range("2026-01-01", "2026-12-31").strftime("%Y-%m-%d").tolist()
    months = [f"20{year}-{month:02}" for year in (24, 25) for month in range(1, 13)]

    assert len(newest(days)) == DAYS
    assert newest(months) == tuple(months[-WINDOWS:])
    assert newest(["2024", "2025"]) == ("2024", "2025")


def test_without_a_history_nothing_is_unusual() -> None:
    """The first batch of a feed has nothing to be compared with."""
    batch, nothing = _batch(_frame()), Past({}, pd.DataFrame())

    check_volume(batch, DAY, nothing, DATA)
    check_complete(batch, DAY, nothing)
    check_stable(batch, nothing)

    assert batch.findings == []


@pytest.mark.parametrize(("hours", "rejected"), [(24, False), (14, False), (12, True), (46, True)])
def test_the_usual_rows_a_day_are_the_measure_of_volume(hours: int, rejected: bool) -> None:
    """A half and a double batch are told by number alone."""
    batch = _batch(_frame(hours))

    check_volume(batch, DAY, _past(), DATA)

    assert batch.rejected is rejected


def test_usual_values_must_turn_up_and_rare_ones_need_not() -> None:
    """One reading in two hundred does not make a site usual."""
    past = pd.concat([_frame(120), _frame(1, ("rare",))])
    complete, partial = _batch(_frame()), _batch(_frame(sites=("a", "c")))

    check_complete(complete, DAY, _past(past))
    check_complete(partial, DAY, _past(past))

    assert complete.findings == []
    assert (
        "1 of 2 usual values of site are not in the batch, or hardly: b (0 rows"
        in partial.findings[0].message
    )


def test_rows_that_were_set_aside_are_no_part_that_is_missing() -> None:
    """A station whose clock is wrong was delivered: that is said of its rows, not of the file."""
    late = _frame().assign(at=lambda f: f["at"].mask(f["site"] == "b", f["at"] + timedelta(days=9)))
    batch = _batch(late)

    check_window(batch, DAY, LATER, DATA)
    check_complete(batch, DAY, _past())

    assert [each.ending for each in batch.findings] == [Ending.QUARANTINE]


@pytest.mark.parametrize(("unit", "held"), [(1.0, False), (1.05, True), (0.447, True), (40, True)])
def test_a_change_of_unit_leaves_the_grid_of_values(unit: float, held: bool) -> None:
    """Even by five percent, where neither level nor spread tells."""
    batch = _batch(_frame(unit=unit))

    check_stable(batch, _past())

    assert [finding.ending for finding in batch.findings] == [Ending.HOLD] * held


def test_a_level_is_compared_within_its_group() -> None:
    """A column that is constant for each site moves as soon as one site's does."""
    spec = SPEC.model_copy(update={"stable": (StableSpec(column="speed", by=("site",)),)})
    levels = {"a": 100.0, "b": 900.0}
    frame = _frame().assign(speed=lambda f: f["site"].map(levels))
    same, moved = _batch(frame, spec), _batch(frame.assign(speed=frame["speed"] * 1.609), spec)

    check_stable(same, _past(frame))
    check_stable(moved, _past(frame))

    assert same.findings == []
    assert "by a factor of 1.609; for site a it is 160.9, usually 100" in moved.findings[0].message


def test_a_calm_day_has_no_other_unit() -> None:
    """Half of the hours of a clear day are at the end of the scale: their spread is nothing."""
    spec = SPEC.model_copy(update={"stable": (StableSpec(column="speed", shift=9),)})
    batch = _batch(_frame().assign(speed=[10.0] * 47 + [9.0]), spec)

    check_stable(batch, _past())

    assert batch.findings == []


@pytest.mark.parametrize(("hours", "unit", "held"), [(24, 0.0, True), (24, 1.0, False)])
def test_a_column_of_one_value_is_held(hours: int, unit: float, held: bool) -> None:
    """A default that was filled in is a value like others, in every row."""
    batch = _batch(_frame(hours, unit=unit))

    check_constant(batch, _past())

    assert [each.check for each in batch.findings] == ["constant"] * held


def test_a_value_that_is_usual_may_be_the_only_one() -> None:
    """No rain all day is a dry day; none in two thousand hours is a gauge that is broken."""
    dry = _frame(24, unit=0.0)
    wet = pd.concat([dry.assign(speed=[0.0] * 45 + [1.0] * 3)])
    day, month = _batch(dry), _batch(_frame(24 * 40, unit=0.0))

    check_constant(day, _past(wet))
    check_constant(month, _past(wet))

    assert day.findings == []
    assert "speed is '0.0' in all 1920 rows that have it" in month.findings[0].message


@pytest.mark.parametrize(
    ("empty", "endings"), [(0, []), (7, []), (24, [Ending.WARN]), (48, [Ending.HOLD])]
)
def test_more_empty_cells_than_usual_are_told(empty: int, endings: list[Ending]) -> None:
    """A storm cancels half of a day, and no check can say that it did not: it can be told."""
    batch = _batch(_frame().assign(speed=lambda f: f["speed"].where(f.index >= empty)))

    check_dark(batch, _past(_frame().assign(speed=lambda f: f["speed"].where(f.index >= 1))))

    assert [each.ending for each in batch.findings] == endings


def test_cells_that_are_always_empty_somewhere_and_never_now_are_held() -> None:
    """Whoever drops the flights that were cancelled leaves a good month behind."""
    batch = _batch(_frame(24 * 60))

    check_dark(batch, _past(_frame().assign(speed=lambda f: f["speed"].where(f.index >= 3))))

    assert "speed is empty in 0% of the rows, usually in 6%" in batch.findings[0].message


KNOWN: dict[str, ColumnType] = {"name": "string", "size": "int", "level": "float"}


def _nullable(sizes: list[int | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {"name": list("abc"), "size": pd.array(sizes, dtype="Int64"), "level": [0.5, None, 2.0]}
    )


def test_a_past_of_nullable_numbers_is_compared() -> None:
    """Some engines give whole numbers back with an NA of their own, which equals nothing."""
    spec = TableSpec(path="x.csv", key=("name",), columns=KNOWN, optional=("size", "level"))
    past = Past({"2026-01": 3}, _nullable([1, None, 2**60]).assign(**{WINDOW: "2026-01"}))
    same, other = (
        Batch("names", spec, _nullable(sizes), delivered=3)
        for sizes in ([1, None, 2**60], [None, 1, 2**60 + 1])
    )

    check_known(same, past, 0.05)
    check_known(other, past, 0.05)

    assert same.findings == []
    assert "3 rows have another size" in other.findings[0].message


def test_a_column_that_was_declared_since_has_no_past_to_differ_from() -> None:
    """Neither where a table grows by windows nor where it is delivered whole each time."""
    whole = SPEC.model_copy(update={"calendar": (), "key": ("site",)})
    sites = _frame(hours=1)
    batch, again = _batch(_frame()), _batch(sites, whole)
    known = sites.drop(columns="speed").assign(_window="2026-02", at=again.frame["at"])

    check_stable(batch, _past(_frame().drop(columns="speed")))
    check_known(again, Past({"2026-02": len(known)}, known), 0.05)

    assert [*batch.findings, *again.findings] == []


def test_a_missing_column_is_named_with_its_likely_new_name() -> None:
    """Nothing is renamed: the owner is told what the mapping would be."""
    batch = _batch(_frame().rename(columns={"speed": "wind speed", "site": " Site "}))

    check_columns(batch)

    (finding,) = batch.findings
    assert finding.ending is Ending.REJECT
    assert "2 columns missing: site, speed" in finding.message
    assert "' Site ' is likely site" in finding.message


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", " =1"])
def test_rows_set_aside_are_exported_without_running(cell: str) -> None:
    """A spreadsheet shows such a cell as text; numbers stay numbers."""
    frame = _frame().astype({"speed": "object"})
    frame.loc[3, ["site", "speed"]] = [cell, "fast"]
    frame.loc[4, "speed"] = "-1,5"
    batch = _batch(frame)

    kept = quarantined(batch)
    lines = as_csv(kept).decode()

    assert kept["_row"].tolist() == [4, 5]
    assert kept["_line"].tolist() == [5, 6]
    assert kept["site"].tolist() == [cell, frame.loc[4, "site"]]
    assert f"'{cell}" in lines
    assert "speed is no float" in kept["_reason"][0]


def test_a_sentence_holds_no_markup_and_no_line_break() -> None:
    """Messages are shown in many places: what a cell says is bounded and harmless."""
    assert "<" not in plain("<script>")
    assert plain("a\nb\x00c") == "a b\\x00c"
    assert len(plain("x" * 500)) == 60

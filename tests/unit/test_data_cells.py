"""Cells at the edge of what a type holds: told as they were delivered, and never bent."""

import io
import json
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.batch import plain
from tasks.data.reading import read
from tasks.data.spec import DataSpec, LabelSpec, TableSpec
from tasks.data.structure import check_window

SPEC = TableSpec(
    path="x",
    key=("id",),
    columns={"id": "int", "name": "string", "size": "float", "at": "timestamp", "on": "date"},
    optional=("name", "size", "at", "on"),
)
GOOD = '{"id": 1, "name": "ada", "size": 1.5}\n'


def _lines(*rows: str) -> bytes:
    return (GOOD + "".join(f"{row}\n" for row in rows)).encode()


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ('{"id": 2, "size": NaN}', "size = 'NaN'"),
        ('{"id": 2, "size": -Infinity}', "size = '-Infinity'"),
        ('{"id": 2, "name": NaN}', "name = 'NaN'"),
        ('{"id": 2, "size": 1e999}', "size = '1e999'"),
        ('{"id": 20000000000000000000}', "id = '20000000000000000000'"),
        ('{"id": 2.5}', "id = '2.5'"),
        ('{"id": 2, "name": {"a": [1, 2]}}', "name = '{'a': [1, 2]}'"),
        ('{"id": 2, "size": [1.5]}', "size = '[1.5]'"),
        ('{"id": 2, "size": "1.5"}', "size = '1.5'"),
        ('{"id": 2, "name": "\\ud800x"}', "name = '\\ud800x'"),
        ('{"id": 2, "at": "10000-01-01T00:00:00Z"}', "at = '10000-01-01T00:00:00Z'"),
        ('{"id": 2, "at": "0000-12-31T00:00:00Z"}', "at = '0000-12-31T00:00:00Z'"),
        ('{"id": 2, "at": "0001-01-01T00:00:00+01:00"}', "at = '0001-01-01T00:00:00+01:00'"),
        ('{"id": 2, "at": "9999-12-31T23:59:59-01:00"}', "at = '9999-12-31T23:59:59-01:00'"),
        ('{"id": 2, "on": "0000-01-01"}', "on = '0000-01-01'"),
    ],
)
def test_a_json_cell_that_does_not_fit_is_shown_as_it_was_written(row: str, shown: str) -> None:
    """Its row is set aside; the others stay."""
    batch = read(_lines(row), "things", SPEC)

    (finding,) = batch.findings
    assert finding.examples == (f"row 2: {shown}",)
    assert batch.frame["id"].tolist() == [1]


def test_a_key_that_comes_twice_is_told() -> None:
    """JSON's readers keep the last one without a word, here and in objects inside."""
    batch = read(_lines('{"id": 2, "id": 3}', '{"id": 4, "x": {"a": 1, "a": 2}}'), "things", SPEC)

    assert batch.frame["id"].tolist() == [1]
    assert [each.message for each in batch.findings] == [
        "1 row with the key 'id' twice; first: row 2.",
        "1 row with the key 'a' twice; first: row 3.",
    ]


def test_numbers_of_json_lose_no_digit() -> None:
    """What is text by declaration stays as it was written, and whole numbers stay whole."""
    batch = read(_lines('{"id": 123456789012345678, "name": 1.50}'), "things", SPEC)

    assert batch.findings == []
    assert batch.frame["id"].tolist() == [1, 123456789012345678]
    assert batch.frame["name"].tolist() == ["ada", "1.50"]


def test_half_a_character_in_a_key_is_shown_and_stops_nothing() -> None:
    """The column is undeclared, whatever it is called."""
    batch = read(_lines('{"id": 2, "na\\ud800me": 1}'), "things", SPEC)

    assert batch.unexpected == ("na\\ud800me",)
    assert batch.frame["id"].tolist() == [1, 2]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_first_and_the_last_instant_are_instants(at: str) -> None:
    """Some systems write them for no time at all; whether that is right is the suite's to say."""
    batch = read(_lines(json.dumps({"id": 2, "at": at, "on": at[:10]})), "things", SPEC)

    assert batch.findings == []
    assert str(batch.frame["on"][2]) == at[:10]


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_an_instant_of_a_parquet_file_beyond_every_calendar_costs_its_row(unit: str) -> None:
    """Eight bytes can name years that nothing else can."""
    sink = io.BytesIO()
    table = pa.table(
        {
            "id": pa.array([1, 2, 3]),
            "at": pa.array([0, 2**62, -(2**62)], pa.timestamp(unit, "UTC")),
            "on": pa.array([0, 2**31 - 1, 0], pa.date32()),
        }
    )
    pq.write_table(table, sink)

    batch = read(sink.getvalue(), "things", SPEC)

    assert batch.frame["id"].tolist() == [1]
    assert sorted(batch.reasons) == [2, 3]


@pytest.mark.parametrize("year", ["99999999999999999", "-1", "20130"])
def test_a_year_with_too_many_digits_is_outside_every_window(year: str) -> None:
    """It does not run over into a day that somebody might ask for."""
    spec = TableSpec(
        path="x",
        key=("id",),
        columns={"id": "int", "year": "int", "month": "int", "day": "int"},
        calendar=("year", "month", "day"),
    )
    data = DataSpec(tables={"t": spec}, label=LabelSpec(name="y", kind="binary"))
    batch = read(f"id,year,month,day\n1,2013,7,10\n2,{year},7,10\n".encode(), "t", spec)

    check_window(batch, "2013-07-10", datetime(2013, 7, 11, tzinfo=UTC), data)

    assert batch.frame["id"].tolist() == [1]
    assert "dated no day (1)" in batch.findings[0].message


def test_a_long_cell_is_read_and_shown_short() -> None:
    """Text of any length is text; only the file as a whole has a bound."""
    long = "x" * 300_000
    batch = read(f"id,name\n1,{long}\n{long},y\n".encode(), "things", SPEC)

    assert batch.frame["name"].tolist() == [long]
    assert len(batch.findings[0].examples[0]) < 120


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\ud800b", "a\\ud800b"),
        ("a\x1b[31mb\x00", "a\\x1b[31mb\\x00"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("two\r\nlines\ttab", "two lines tab"),
        ("שלום", "שלום"),
        ("<b>`x`", "‹b›'x'"),  # noqa: RUF001 - what stands for < and >
    ],
)
def test_what_cannot_be_seen_is_shown_escaped(text: str, shown: str) -> None:
    """No cell turns a line around, colours a terminal or hides a letter."""
    assert plain(text) == shown
    assert len(plain(text * 100)) == 60


def test_equal_rows_are_equal_content_in_json_and_csv() -> None:
    """However a number was written."""
    frame = pd.DataFrame({"id": [1, 2], "size": [0.1, 1e21]})

    as_json = read(frame.to_json(orient="records", lines=True).encode(), "things", SPEC)
    as_csv = read(frame.to_csv(index=False).encode(), "things", SPEC)

    assert as_json.frame.equals(as_csv.frame)

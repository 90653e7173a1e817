"""Bytes into rows: whatever they are, an answer or a DataError, and never a guess."""

import gzip
import io
import zipfile
from contextlib import suppress

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import DataError
from infra.store import content_digest
from tasks.data.formats import FREE_BYTES, unpack
from tasks.data.reading import Part, read
from tasks.data.spec import CsvSpec, TableSpec

SPEC = TableSpec(
    path="x.csv",
    key=("id",),
    columns={
        "id": "int",
        "name": "string",
        "size": "float",
        "fine": "bool",
        "at": "timestamp",
        "on": "date",
    },
    optional=("name", "size", "fine", "at", "on"),
)
HEADER = "id,name,size,fine,at,on\n"
ROWS = (
    "1,ada,1.5,true,2013-07-10T09:00:00Z,2013-07-10\n"
    "2,bob,,false,2013-07-10T11:30:00+02:00,2013-07-11\n"
    "3,,2e3,,,\n"
)
TEXT = (HEADER + ROWS).encode()
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _digest(data: bytes, spec: TableSpec = SPEC) -> str:
    return content_digest(read(data, "things", spec).frame, ["id"])


def test_cells_become_values_of_the_declared_types() -> None:
    """Instants are UTC, days are days, and an empty cell is no value."""
    frame = read(TEXT, "things", SPEC).frame

    assert frame.index.tolist() == [1, 2, 3]
    assert frame["id"].tolist() == [1, 2, 3]
    assert str(frame["id"].dtype) == "Int64"
    assert frame["at"][1] == pd.Timestamp("2013-07-10T09:00Z")
    assert frame["at"][2] == pd.Timestamp("2013-07-10T09:30Z")
    assert frame["on"][2] == pd.Timestamp("2013-07-11").date()
    assert frame["size"][3] == 2000.0
    assert frame.isna().sum().to_dict() == {
        "id": 0,
        "name": 1,
        "size": 1,
        "fine": 1,
        "at": 1,
        "on": 1,
    }


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("id", "1.5"),
        ("id", '"1,400"'),
        ("id", "12 min"),
        ("id", "N/A"),
        ("id", "0x10"),
        ("id", "1e3"),
        ("id", "9" * 30),
        ("id", " 7"),
        ("size", "1.2.3"),
        ("size", "nan"),
        ("size", "1e999"),
        ("fine", "perhaps"),
        ("at", "2013-07-10T09:00:00"),
        ("at", "2013-13-10T09:00:00Z"),
        ("at", "10/07/2013 09:00Z"),
        ("on", "2013-02-30"),
        ("on", "10.07.2013"),
    ],
)
def test_a_cell_that_does_not_fit_costs_its_row_and_not_the_column(column: str, cell: str) -> None:
    """The row is set aside with its line, the column and what stood there; nothing is bent."""
    cells = {"id": "9", "name": "eve", "size": "1", "fine": "1", "at": "", "on": ""} | {
        column: cell
    }
    data = TEXT + (",".join(cells.values()) + "\n").encode()

    batch = read(data, "things", SPEC)

    (finding,) = batch.findings
    assert batch.frame.index.tolist() == [1, 2, 3]
    assert finding.column == column
    assert cell.strip('"') in finding.examples[0]
    assert "row 4 (line 5)" in finding.message
    assert list(batch.reasons) == [4]


def test_whole_numbers_that_a_writer_kept_as_floats_are_whole_numbers() -> None:
    """``92.0`` is what pandas makes of 92 in a column with gaps."""
    assert _digest(TEXT.replace(b"\n1,", b"\n1.0,")) == _digest(TEXT)


def test_decimals_in_most_cells_of_a_whole_column_put_its_unit_in_doubt() -> None:
    """No row is wrong then: the column is kept as delivered and a person is asked."""
    data = (HEADER + "1.5,,,,,\n2.25,,,,,\n3,,,,,\n").encode()

    batch = read(data, "things", SPEC)

    assert [finding.ending.value for finding in batch.findings] == ["hold"]
    assert batch.unfit == {"id"}
    assert batch.frame["id"].tolist() == [1.5, 2.25, 3.0]


@pytest.mark.parametrize(
    "encode",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.rstrip(b"\n"),
        lambda data: data.replace(b"ada", b'"ada"'),
        gzip.compress,
    ],
)
def test_how_the_rows_were_written_down_is_not_their_content(encode: object) -> None:
    """BOM, line ends, quotes and packing change no digest."""
    assert callable(encode)

    assert _digest(encode(TEXT)) == _digest(TEXT)


@FUZZ
@given(st.permutations(list(HEADER.strip().split(","))), st.permutations([0, 1, 2]))
def test_the_order_of_rows_and_columns_is_not_content(columns: list[str], rows: list[int]) -> None:
    """A digest names what was said and not how it was arranged."""
    frame = pd.read_csv(io.BytesIO(TEXT), dtype="str", keep_default_na=False)
    shuffled = frame.iloc[rows][columns].to_csv(index=False).encode()

    assert _digest(shuffled) == _digest(TEXT)


@FUZZ
@given(st.binary(max_size=300))
@example(b"")
@example(b"PK\x05\x06" + b"\0" * 18)
@example(b"PAR1PAR1PAR1")
@example(b"\x1f\x8b\x08")
@example(b'{"id":' * 2000)
@example(b'{"id": ' + b"9" * 5000 + b"}\n")
@example(b"id\n" + b'"' + b"x" * 200_000)
def test_no_bytes_raise_anything_but_a_data_error(data: bytes) -> None:
    """A source can deliver whatever it likes."""
    _read_or_refuse(data)


@FUZZ
@given(st.data())
def test_no_damage_to_good_bytes_raises_anything_but_a_data_error(data: st.DataObject) -> None:
    """Cut, flip or insert anywhere, in any format."""
    good = data.draw(st.sampled_from(_FORMATS))
    at = data.draw(st.integers(0, len(good)))
    gone = data.draw(st.integers(0, 20))
    new = data.draw(st.binary(max_size=8))

    _read_or_refuse(good[:at] + new + good[at + gone :])


def _parquet() -> bytes:
    sink = io.BytesIO()
    read(TEXT, "things", SPEC).frame.to_parquet(sink, index=False)
    return sink.getvalue()


def _zip(*members: tuple[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return sink.getvalue()


JSON = b'{"id": 1, "name": "ada", "size": 1.5}\n{"id": 2, "fine": true}\n'
_FORMATS = (TEXT, JSON, gzip.compress(TEXT), _zip(("a.csv", TEXT)), _parquet())


def _read_or_refuse(data: bytes) -> None:
    with suppress(DataError):
        batch = read(data, "things", SPEC)
        assert len(batch.frame) + len(batch.reasons) == batch.delivered


def test_a_parquet_file_of_the_same_rows_is_the_same_content() -> None:
    """Whatever the file's name says."""
    assert _digest(_parquet()) == _digest(TEXT)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("id", pa.array(["1", "2"])),
        ("id", pa.array([1.0, 2.0])),
        ("size", pa.array(["1.5", "2"])),
        ("name", pa.array([1, 2])),
        ("fine", pa.array([1, 0])),
        ("at", pa.array([0, 1], pa.timestamp("ns"))),
        ("on", pa.array([0, 1], pa.timestamp("us"))),
    ],
)
def test_a_physical_type_that_is_not_the_declared_one_is_rejected(
    column: str, values: pa.Array
) -> None:
    """Parquet says what its columns are: nothing is cast behind the owner's back."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array([1, 2])} | {column: values}), sink)

    batch = read(sink.getvalue(), "things", SPEC)

    assert batch.rejected
    assert f"{column} is {values.type} in the file" in batch.findings[0].message


def test_a_bomb_is_not_unpacked() -> None:
    """An archive that grows a thousand times is stopped at a bound."""
    bomb = gzip.compress(b"0" * (FREE_BYTES + 1))

    with pytest.raises(DataError, match="unpacks to more than 16 MiB"):
        unpack(bomb)


@pytest.mark.parametrize("name", ["../x.csv", "/x.csv", "a/../../x.csv", "C:\\x.csv", "..\\x.csv"])
def test_a_member_that_leaves_its_folder_is_refused(name: str) -> None:
    """Nothing is ever written, and the path is named."""
    with pytest.raises(DataError, match="leaves its folder"):
        unpack(_zip((name, TEXT)))


def test_a_declared_dialect_is_read() -> None:
    """What is not plain CSV can be declared; it is never guessed."""
    spec = SPEC.model_copy(
        update={"csv": CsvSpec(delimiter=";", encoding="utf-16", nulls=("", "NA"))}
    )
    data = TEXT.decode().replace(",", ";").replace("bob", "NA").encode("utf-16")

    frame = read(data, "things", spec).frame

    assert frame["name"].tolist()[0] == "ada"
    assert frame["name"].isna().tolist() == [False, True, True]


def test_numbers_with_decimal_commas_are_read_where_they_are_declared() -> None:
    """A point among them is what it is there: a thousand's, and no number of ours."""
    spec = SPEC.model_copy(
        update={
            "key": ("a",),
            "columns": {"a": "int", "b": "float"},
            "optional": ("b",),
            "csv": CsvSpec(delimiter=";", decimal=","),
        }
    )

    batch = read(b"a;b\n1;2,5\n2;-0,25\n3;1.234,5\n", "things", spec)

    assert batch.frame["b"].tolist()[:2] == [2.5, -0.25]
    assert batch.reasons == {3: "type: where b is no float"}
    assert batch.findings[0].examples == ("row 3 (line 4): b = '1.234,5'",)


def test_a_delimiter_is_not_the_decimal_mark() -> None:
    """Nobody could tell them apart."""
    with pytest.raises(ValidationError, match="both ','"):
        CsvSpec(decimal=",")


def test_a_part_of_a_source_is_read_and_no_more() -> None:
    """Bad cells of other windows are no findings of this one."""
    spec = SPEC.model_copy(update={"calendar": ("on",)})
    data = TEXT + b"4,x,far,,,2013-07-11\n5,x,far,,,2013-07-12\n"

    batch = read(data, "things", spec, Part("2013-07-11", "UTC"))

    assert batch.delivered == 2
    assert batch.frame.index.tolist() == [2]
    assert list(batch.reasons) == [4]


def test_a_multi_line_cell_that_is_closed_is_one_row() -> None:
    """Lines are counted as the file has them."""
    batch = read(HEADER.encode() + b'1,"a\nb",,,,\nx,,,,,\n', "things", SPEC)

    assert batch.frame["name"].tolist() == ["a\nb"]
    assert "row 2 (line 4)" in batch.findings[0].message


def _parquet_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b'{"id": 1, "name": "\\ud800"}\n',
        _parquet_of(pa.table({"id": pa.array([2**63 + 1], pa.uint64())})),
    ],
    ids=["half a character in JSON", "a number beyond the type"],
)
def test_bytes_that_are_no_values_are_the_data_owners_fault(data: bytes) -> None:
    """Whatever a library raises of them, the batch is refused or its rows are set aside."""
    with suppress(DataError):
        read(data, "things", SPEC)


def test_a_header_of_very_many_columns_is_read_in_no_time() -> None:
    """What is compared with every other column would keep a small file busy for hours."""
    wide = ",".join(["id", *(f"c{number}" for number in range(100_000))])

    batch = read((wide + "\n" + "1" + "," * 100_000 + "\n").encode(), "things", SPEC)

    assert len(batch.unexpected) == 100_000

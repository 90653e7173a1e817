"""A profile as bytes: the same again, or an error that says what is wrong."""

import hashlib
import pickletools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigError, IntegrityError
from tasks.monitoring.drift import compare
from tasks.monitoring.sketches.profiles import Profile, draw_profile
from tasks.monitoring.sketches.storing import MAGIC, dump_profile, load_profile
from tests.support.shapes import SHAPES

ROWS = 2000


def rows() -> list[pa.RecordBatch]:
    """A column of each shape, one that is empty, and one of categories."""
    draws = np.random.default_rng(1)
    numbers = {name: pa.array(draw(draws, ROWS)) for name, draw in SHAPES.items()}
    names = pa.array(["é", None, "", "JFK"] * (ROWS // 4))
    return [pa.record_batch({**numbers, "none": pa.nulls(ROWS, pa.float64()), "port": names})]


@pytest.fixture(scope="module")
def profiled() -> Profile:
    """The profile of those rows."""
    return draw_profile(rows, [*SHAPES, "none", "port"], ["port"], seed=1)[0]


@pytest.fixture(scope="module")
def data(profiled: Profile) -> bytes:
    """Its bytes."""
    return dump_profile(profiled)


def test_a_profile_that_was_stored_counts_like_the_one_that_was_made(
    profiled: Profile, data: bytes
) -> None:
    """Every edge, count and sum to the last bit, and the same distances."""
    again = load_profile(data)

    assert dump_profile(again) == data
    assert again.rows == profiled.rows == ROWS
    assert list(again.columns) == list(profiled.columns)
    sketch = again.sketch(rows())
    for name, column in again.columns.items():
        assert column.distances(sketch.columns[name]).psi == 0  # type: ignore[arg-type]  # of a kind


def test_the_same_rows_give_the_same_bytes(data: bytes) -> None:
    """A version that is made again from its record has the same profile."""
    again, _ = draw_profile(rows, [*SHAPES, "none", "port"], ["port"], seed=1)

    assert dump_profile(again) == data


def test_a_profile_is_read_without_our_code(data: bytes) -> None:
    """Behind the head lies an Arrow file, and nothing that runs when it is read."""
    table = pa.ipc.open_file(data[len(MAGIC) + 4 + 32 :]).read_all()

    assert table.column("name").to_pylist() == [*SHAPES, "none", "port"]
    with pytest.raises(ValueError, match=r"literal|opcode"):
        list(pickletools.genops(data))


@given(st.data())
def test_a_changed_byte_is_refused(data: bytes, drawn: st.DataObject) -> None:
    """Wherever it lies; a changed version may be that of a newer installation."""
    place = drawn.draw(st.integers(0, len(data) - 1))
    other = drawn.draw(st.integers(1, 255))
    damaged = data[:place] + bytes([data[place] ^ other]) + data[place + 1 :]

    with pytest.raises((IntegrityError, ConfigError)):
        load_profile(damaged)


@given(st.data())
def test_bytes_that_are_cut_off_are_refused(data: bytes, drawn: st.DataObject) -> None:
    """Half a file is no profile."""
    with pytest.raises(IntegrityError):
        load_profile(data[: drawn.draw(st.integers(0, len(data) - 1))])


@given(st.binary(max_size=200))
def test_bytes_of_something_else_are_refused(garbage: bytes) -> None:
    """The message says how many there were."""
    with pytest.raises(IntegrityError, match=f"{len(garbage)} bytes were read that are no profile"):
        load_profile(garbage)


def test_a_profile_of_a_newer_version_says_so(data: bytes) -> None:
    """Nothing is damaged: the installation is too old."""
    body = data[len(MAGIC) + 36 :]
    newer = MAGIC + b"0003" + hashlib.sha256(body).digest() + body

    with pytest.raises(ConfigError, match="of version 3, and this installation reads 2"):
        load_profile(newer)


def test_a_profile_of_the_first_version_is_read_without_hashes(
    profiled: Profile, data: bytes
) -> None:
    """Champions that stand from before go on being watched; only distinct values are not told."""
    table = pa.ipc.open_file(data[len(MAGIC) + 36 :]).read_all()
    sink = pa.BufferOutputStream()
    older = table.drop_columns(["hashes"])
    with pa.ipc.new_file(sink, older.schema) as writer:
        writer.write_table(older)
    body = sink.getvalue().to_pybytes()

    read = load_profile(MAGIC + b"0001" + hashlib.sha256(body).digest() + body)

    drift = compare(read, read.sketch(rows()), {})
    assert {each.psi for each in drift.features.values()} == {0}
    assert drift.features["normal"].distinct_before is None
    assert {drift.features[name].coarser for name in SHAPES} == {0}
    told = compare(profiled, read.sketch(rows()), {}).features["normal"]
    assert told.distinct_before == told.distinct == pytest.approx(ROWS, rel=0.16)

"""Kinds of files: each is told by how it begins, named, and answered with what would help."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, orc

from infra.errors import DataError
from infra.store import content_digest
from tasks.data.formats import unpack
from tasks.data.reading import read
from tasks.data.spec import TableSpec

FRAME = pd.DataFrame({"id": range(40), "name": [f"n{i}" for i in range(40)], "size": 1.5})
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
CSV = FRAME.to_csv(index=False).encode()
SPEC = TableSpec(path="x", key=("id",), columns={"id": "int", "name": "string", "size": "float"})


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def _tar(sink: io.BytesIO) -> None:
    with tarfile.open(fileobj=sink, mode="w") as archive:
        member = tarfile.TarInfo("day.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))


def _zip(*names: str) -> bytes:
    def write(sink: io.BytesIO) -> None:
        with zipfile.ZipFile(sink, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return _written(write)


def _sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (id int)")
        return database.serialize()


def _arrow_stream(sink: io.BytesIO) -> None:
    with pa.ipc.new_stream(sink, TABLE.schema) as stream:
        stream.write_table(TABLE)


def _parquet(**options: object) -> bytes:
    return _written(lambda sink: pq.write_table(TABLE, sink, **options))


PARQUET = _parquet(write_page_checksum=True)

FOREIGN: dict[str, tuple[bytes, str, str]] = {
    "encrypted parquet": (b"PARE" + PARQUET[4:-4] + b"PARE", "encrypted Parquet", "encryption"),
    "wrong parquet": (b"PAR2" + PARQUET[4:], "Parquet with a damaged beginning", "Parquet"),
    "pickle": (pickle.dumps(FRAME), "a Python pickle; pickles run code", "Export"),
    "pickle of text": (pickle.dumps({"a": 1}, protocol=0), "a Python pickle", "Export"),
    "pickle that calls": (b"cos\nsystem\n(S'true'\ntR.", "a Python pickle", "Export"),
    "bzip2": (bz2.compress(CSV), "bzip2", "gzip or zip instead"),
    "xz": (lzma.compress(CSV), "xz", "gzip or zip instead"),
    "lzma": (lzma.compress(CSV, lzma.FORMAT_ALONE), "LZMA", "gzip or zip instead"),
    "zstd": (pa.compress(CSV, "zstd", asbytes=True), "Zstandard", "gzip or zip instead"),
    "lz4": (pa.compress(CSV, "lz4", asbytes=True), "LZ4", "gzip or zip instead"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY" + CSV, "Snappy", "gzip or zip instead"),
    "compress": (b"\x1f\x9d\x90" + CSV, "compress", "gzip or zip instead"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7-Zip archive", "gzip or zip instead"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "a RAR archive", "gzip or zip instead"),
    "tar": (_written(_tar), "a tar archive", "Take the table out"),
    "tar.gz": (gzip.compress(_written(_tar)), "a tar archive", "Take the table out"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "an old Excel", "Export"),
    "xlsx": (_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", "Export"),
    "docx": (_zip("[Content_Types].xml", "word/document.xml"), "a Word document", "Export"),
    "ods": (_zip("mimetype", "META-INF/manifest.xml"), "an OpenDocument", "Export"),
    "pdf": (b"%PDF-1.7\n", "PDF", "Export"),
    "feather": (_written(lambda sink: feather.write_feather(FRAME, sink)), "Feather", "Parquet"),
    "arrow stream": (_written(_arrow_stream), "Arrow IPC", "Parquet"),
    "orc": (_written(lambda sink: orc.write_table(TABLE, sink)), "ORC", "Parquet"),
    "avro": (b"Obj\x01\x04\x16avro.schema", "Avro", "Parquet"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "HDF5", "Export"),
    "sqlite": (_sqlite(), "a SQLite database", "Export"),
    "numpy": (_written(lambda sink: np.save(sink, np.ones(3))), "a NumPy array", "Export"),
    "png": (b"\x89PNG\r\n\x1a\n", "a picture", "Deliver CSV"),
    "html": (b"\n <!DOCTYPE html><title>503</title>", "an HTML page", "browser"),
    "html with a mark": (b"\xef\xbb\xbf<HTML><body>", "an HTML page", "browser"),
    "bucket": (b'<?xml version="1.0"?><Error><Code>AccessDenied', "error of a bucket", "browser"),
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n",
        "a pointer of Git LFS",
        "git lfs pull",
    ),
    "http": (b"HTTP/1.1 404 Not Found\r\n", "a web server", "browser"),
    "array": (FRAME.to_json(orient="records").encode(), "one JSON array", "JSON Lines"),
    "array of arrays": (b"[[1, 2], [3, 4]]", "one JSON array", "JSON Lines"),
    "pretty array": (json.dumps([{"id": 1}], indent=2).encode(), "one JSON array", "JSON Lines"),
    "pretty object": (json.dumps({"id": [1]}, indent=2).encode(), "several lines", "JSON Lines"),
    "pretty rows": (b'{\n"id": 1\n}\n{\n"id": 2\n}\n', "several lines", "JSON Lines"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_kind_is_named_and_answered(kind: str) -> None:
    """Whatever its name says, its owner reads what it is and what to do."""
    data, name, hint = FOREIGN[kind]

    with pytest.raises(DataError) as caught:
        unpack(data)

    assert name in caught.value.args[0]
    assert "not read" in caught.value.args[0]
    assert hint in caught.value.advice


@pytest.mark.parametrize(
    "header",
    ["PARTY,id", "ORCID,id", "BZh91,id", "FEA1,id", "cost", "count\nada\nbob", "[id],n"],
)
def test_a_header_that_begins_like_a_magic_is_a_header(header: str) -> None:
    """Four letters alone make no file of another kind."""
    assert unpack(f"{header}\n1,2\n".encode()).kind in {"csv", "jsonl"}


def test_members_of_a_gzip_follow_each_other() -> None:
    """As every tool unpacks them: packers cut large files into members."""
    half = len(CSV) // 2

    data = gzip.compress(CSV[:half]) + gzip.compress(CSV[half:]) + b"\0" * 512

    assert unpack(data).data == CSV


def test_what_follows_a_gzip_and_is_none_is_named() -> None:
    """Nothing is dropped without a word."""
    with pytest.raises(DataError, match="goes on with bytes that are no gzip"):
        unpack(gzip.compress(CSV) + b"garbage")


def _flipped(good: bytes, end: int, seed: int) -> bytes:
    chance, data = random.Random(seed), bytearray(good)  # noqa: S311 - no secret
    at = chance.randrange(end)
    for place in range(at, min(at + chance.choice([1, 1, 4]), end)):
        data[place] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("codec", ["snappy", "none", "zstd"])
def test_no_flipped_byte_of_a_parquet_file_raises_anything_but_a_data_error(codec: str) -> None:
    """Footer, statistics, pages, what pandas noted: rows, findings, or a refusal."""
    good = _parquet(compression=codec)

    for seed in range(300):
        try:
            batch = read(_flipped(good, len(good), seed), "things", SPEC)
        except DataError:
            continue
        assert batch.delivered == len(batch.frame) + len(batch.reasons), seed


def test_flipped_pages_are_noticed_where_the_writer_kept_checksums() -> None:
    """Equal content or a refusal; without checksums no reader can tell one number from another."""
    whole = content_digest(read(PARQUET, "things", SPEC).frame, ["id"])
    footer = len(PARQUET) - 8 - int.from_bytes(PARQUET[-8:-4], "little")
    refused = 0

    for seed in range(300):
        try:
            batch = read(_flipped(PARQUET, footer, seed), "things", SPEC)
        except DataError:
            refused += 1
            continue
        assert content_digest(batch.frame, ["id"]) == whole, seed

    assert refused > 100


def test_the_kind_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    """A pickle that would leave a mark leaves none."""
    mark = tmp_path / "mark"
    code = f"cos\nsystem\n(S'touch {mark}'\ntR.".encode()

    with pytest.raises(DataError, match="never loaded"):
        unpack(code)

    assert not mark.exists()

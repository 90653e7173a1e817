"""How files that are no table of ours begin: their names, and what their owner can do instead."""

import re
from dataclasses import dataclass
from typing import Final

from infra.errors import DataError

_READ: Final = "Deliver CSV, JSON Lines or Parquet, as it is or packed once by gzip or zip."
_REPACK: Final = "Unpack it, or pack it by gzip or zip instead."
_EXPORT: Final = f"Export the table. {_READ}"
_PAGE: Final = (
    "Open it in a browser: where a table was asked for, a server that refuses or fails often "
    "answers with a page."
)
_LINES: Final = "Deliver JSON Lines: each row an object on a line of its own."
_HEAD: Final = 512
"""Bytes from the beginning that are looked at: a tar names itself at 257."""


@dataclass(frozen=True)
class Signature:
    """A kind of file that is not read."""

    name: str
    hint: str
    begins: re.Pattern[bytes]


def _kind(name: str, hint: str, begins: bytes) -> Signature:
    return Signature(name, hint, re.compile(begins, re.DOTALL))


_BINARY: Final = rb"(?=.{0,60}[\x00-\x08\x0e-\x1f\x7f-\xff])"
"""Where a magic could be the beginning of a header, such as ORCID or PARTY, more must be odd."""

SIGNATURES: Final = (
    _kind(
        "an encrypted Parquet file",
        "Deliver it without encryption of its footer: no key is known here.",
        rb"PARE",
    ),
    _kind("Parquet with a damaged beginning", _READ, rb"PAR[0-9A-Z]" + _BINARY),
    _kind(
        "a Python pickle; pickles run code and are never loaded",
        _EXPORT,
        rb"\x80[\x02-\x05]|c[a-z_][\w.]*\n[a-z_]\w*\n(p\d+\n)?\(|\([dlt]p\d+\n|[\]}]q\x00",
    ),
    _kind("bzip2", _REPACK, rb"BZh[1-9]1AY&SY"),
    _kind("xz", _REPACK, rb"\xfd7zXZ\x00"),
    _kind("LZMA", _REPACK, rb"\x5d\x00\x00.{2}"),
    _kind("Zstandard", _REPACK, rb"\x28\xb5\x2f\xfd"),
    _kind("LZ4", _REPACK, rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18"),
    _kind("Snappy", _REPACK, rb"\xff\x06\x00\x00sNaPpY"),
    _kind("a file of compress (.Z)", _REPACK, rb"\x1f\x9d"),
    _kind("a 7-Zip archive", _REPACK, rb"7z\xbc\xaf"),
    _kind("a RAR archive", _REPACK, rb"Rar!"),
    _kind("a tar archive", "Take the table out of it and deliver it alone.", rb".{257}ustar"),
    _kind("an old Excel workbook or another Office document", _EXPORT, rb"\xd0\xcf\x11\xe0"),
    _kind("PDF", _EXPORT, rb"%PDF"),
    _kind("Arrow IPC (Feather)", "Write it as Parquet.", rb"ARROW1|\xff\xff\xff\xff.{2}\x00\x00"),
    _kind("Feather of the first version", "Write it as Parquet.", rb"FEA1" + _BINARY),
    _kind("ORC", "Write it as Parquet.", rb"ORC" + _BINARY),
    _kind("Avro", "Write it as Parquet.", rb"Obj\x01"),
    _kind("HDF5", _EXPORT, rb"\x89HDF"),
    _kind("a SQLite database", _EXPORT, rb"SQLite format 3\x00"),
    _kind("a DuckDB database", _EXPORT, rb".{8}DUCK"),
    _kind("a NumPy array", _EXPORT, rb"\x93NUMPY"),
    _kind("a MATLAB file", _EXPORT, rb"MATLAB 5\.0"),
    _kind("a picture", _READ, rb"\x89PNG|\xff\xd8\xff|GIF8[79]a"),
    _kind("a program", _READ, rb"\x7fELF"),
)

_TEXTS: Final = (
    _kind("an HTML page, and no table", _PAGE, rb"(?i)<(!doctype html|html|head|body|!--)"),
    _kind("XML, such as an error of a bucket, and no table", _PAGE, rb"<"),
    _kind(
        "a pointer of Git LFS, and not what it points to",
        "Fetch the file itself (git lfs pull) and deliver that.",
        rb"version https://git-lfs\.",
    ),
    _kind("one JSON array", _LINES, rb"\[\s*([\[{\"\]\d-]|null|true|false)"),
    _kind(
        "a page of mail or of a web server, and no table", _PAGE, rb"HTTP/[12]|(?i:mime-version:)"
    ),
)


def refuse_foreign(data: bytes) -> None:
    """Nothing, where the bytes may be a table.

    Raises:
        DataError: they are a file of another kind; its message names it and its hint helps.
    """
    head = data[:_HEAD]
    for signature in SIGNATURES:
        if signature.begins.match(head):
            raise DataError(
                f"The file is {signature.name}; it is not read. It begins with {data[:8]!r}.",
                hint=signature.hint,
            )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature in _TEXTS:
        if signature.begins.match(text):
            raise DataError(f"The file is {signature.name}; it is not read.", hint=signature.hint)

"""What delivered bytes really are: told by how they begin, never by the name of the file."""

import gzip
import io
import lzma
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import IO, Final, Literal

from infra.errors import DataError, few
from tasks.data.batch import plain

Kind = Literal["csv", "jsonl", "parquet"]

MOST_BYTES: Final = 1 << 30
"""Most bytes that an archive may unpack to."""

FREE_BYTES: Final = 16 << 20
"""Up to here an archive may unpack at any ratio; no data of ours shrink 200 times beyond it."""

MOST_RATIO: Final = 200

_FOREIGN: Final = (
    (b"PAR", "Parquet with a damaged beginning"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "PDF"),
    (b"ARROW1", "Arrow IPC"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3", "a SQLite database"),
    (b"\x93NUMPY", "a NumPy array"),
)
_ENDS: Final = (8, b"PAR1")


@dataclass(frozen=True)
class Payload:
    """Bytes whose kind is known, out of whatever they were packed in."""

    kind: Kind
    data: bytes


def unpack(data: bytes) -> Payload:
    """The content of a delivered file.

    Raises:
        DataError: it is empty, damaged, of a kind that is not read, or unpacks to too much.
    """
    packed = _inside(data)
    if packed is not data and _is_archive(packed):
        raise DataError("The file is an archive inside an archive; deliver it packed once.")
    return Payload(_kind(packed), packed)


def _inside(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return _gunzip(data)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _unzip(data)
    return data


def _is_archive(data: bytes) -> bool:
    return data.startswith((b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


def _kind(data: bytes) -> Kind:
    if not data:
        raise DataError("The file is empty: 0 bytes.")
    if data.startswith(b"PAR1"):
        if len(data) < _ENDS[0] or not data.endswith(_ENDS[1]):
            raise DataError("The Parquet file has no footer: it was cut off before its end.")
        return "parquet"
    if re.match(rb"\x80[\x02-\x05]", data):
        raise DataError("The file is a Python pickle. Pickles run code and are never loaded.")
    for magic, name in _FOREIGN:
        if data.startswith(magic):
            raise DataError(f"The file is {name}, which is not read; it begins with {data[:8]!r}.")
    return _kind_of_text(data.removeprefix(b"\xef\xbb\xbf")[:4096])


def _kind_of_text(start: bytes) -> Kind:
    stripped = start.lstrip()
    if stripped.startswith(b"{"):
        return "jsonl"
    if stripped.startswith((b"[{", b"[\n", b"[ ", b"[\r")):
        raise DataError("The file is one JSON array; deliver JSON Lines, one object a line.")
    if stripped.startswith(b"<"):
        raise DataError("The file is HTML or XML, such as an error page, and not a table.")
    return "csv"


def _gunzip(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return _bounded(stream, len(data))
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"The gzip file is damaged or cut off ({plain(error, 120)}); nothing of it was used."
        ) from error


def _unzip(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _only_member(archive)
            with archive.open(member) as stream:
                return _bounded(stream, len(data))
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(f"The zip file cannot be unpacked: {plain(error)}.") from error


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    names = [plain(member.filename) for member in members]
    for member in members:
        path = PureWindowsPath(member.filename)  # takes both slashes and drive letters apart
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise DataError(
                f"The zip file holds {plain(member.filename)!r}, a path that leaves its folder. "
                "Nothing was unpacked."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"The zip file holds a link, {plain(member.filename)!r}.")
    if any(name == "[Content_Types].xml" for name in names):
        raise DataError("The file is an Excel workbook or another Office document; deliver CSV.")
    if len(members) != 1:
        raise DataError(f"The zip file holds {len(members)} files, not one: {few(names) or '-'}.")
    return members[0]


def _bounded(stream: IO[bytes] | gzip.GzipFile, packed: int) -> bytes:
    most = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * packed))
    data: bytes = stream.read(most + 1)
    if len(data) > most:
        raise DataError(
            f"The archive unpacks to more than {most >> 20} MiB out of {packed} bytes; "
            "it was not unpacked further."
        )
    return data

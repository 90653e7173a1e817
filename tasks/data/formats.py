"""What delivered bytes really are: told by how they begin, never by the name of the file."""

import gzip
import io
import lzma
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import IO, Final, Literal

from infra.errors import DataError, few
from infra.files import MOST_BYTES
from tasks.data.batch import plain
from tasks.data.signatures import refuse_foreign

Kind = Literal["csv", "jsonl", "parquet"]

FREE_BYTES: Final = 16 << 20
"""Up to here an archive may unpack at any ratio; no data of ours shrink 200 times beyond it."""

MOST_RATIO: Final = 200

_ENCRYPTED: Final = 1
"""The bit of a member's flags that says so (APPNOTE 4.4.4)."""

_OFFICE: Final = {
    "xl/": "an Excel workbook",
    "word/": "a Word document",
    "[Content_Types].xml": "an Office document, such as an Excel workbook",
    "META-INF/manifest.xml": "an OpenDocument, such as a LibreOffice table",
}
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
    refuse_foreign(data)
    return _kind_of_text(data.removeprefix(b"\xef\xbb\xbf"))


def _kind_of_text(data: bytes) -> Kind:
    start = data[:4096].lstrip()
    if not start.startswith(b"{"):
        return "csv"
    first, _, rest = start.partition(b"\n")
    if not first.rstrip().endswith(b"}") and rest.lstrip()[:1] in {b'"', b"}"}:
        raise DataError(
            "The file is JSON in which a row spans several lines; it is not read.",
            hint="Deliver JSON Lines: each row an object on a line of its own.",
        )
    return "jsonl"


def _gunzip(data: bytes) -> bytes:
    """What the members of a gzip file hold one after the other, as every tool unpacks them.

    Source:
        RFC 1952, section 2.2: a gzip file is a series of members.
    """
    source = io.BytesIO(data)
    try:
        with gzip.GzipFile(fileobj=source) as stream:
            return _bounded(stream, len(data))
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" in str(error):
            raise DataError(
                f"The gzip file goes on with bytes that are no gzip ({plain(error, 120)}); nothing "
                "of it was used.",
                hint="Pack it again: something was written behind its end, or over its middle.",
            ) from error
        raise _damaged(error) from error
    except (EOFError, zlib.error, OSError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DataError:
    return DataError(
        f"The gzip file is damaged or cut off ({plain(error, 120)}); nothing of it was used."
    )


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
    for mark, kind in _OFFICE.items():
        if any(member.filename.startswith(mark) for member in members):
            raise DataError(
                f"The file is {kind}; it is not read.",
                hint="Export the table as CSV, in UTF-8 with commas.",
            )
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DataError(
            "The zip file is encrypted; no password is known here.",
            hint="Pack it without a password, or deliver the file as it is.",
        )
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

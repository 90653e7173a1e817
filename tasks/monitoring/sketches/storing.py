"""A profile as bytes: a version, a digest and an Arrow table, which no code is needed to read."""

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from infra.errors import ConfigError, IntegrityError
from tasks.monitoring.sketches.cardinality import Distinct
from tasks.monitoring.sketches.categories import Names
from tasks.monitoring.sketches.columns import CategoryColumn, Column, NumberColumn
from tasks.monitoring.sketches.grid import NumberGrid
from tasks.monitoring.sketches.numeric import Numbers
from tasks.monitoring.sketches.profiles import Profile

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC: Final = b"perennial profile "
"""What such a file begins with; the version follows, as four digits."""

VERSION: Final = 2
"""The second has hashes of the distinct values; the first is read without them."""

_VERSION_DIGITS, _DIGEST_BYTES = 4, 32
_HEAD: Final = len(MAGIC) + _VERSION_DIGITS + _DIGEST_BYTES
_ROWS: Final = b"rows"


def dump_profile(profile: Profile) -> bytes:
    """The bytes of a profile; the same profile, the same bytes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    cells = [_cells(name, column) for name, column in profile.columns.items()]
    table = pa.Table.from_pylist(cells, schema=_schema(profile.rows))
    packed = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=packed) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return MAGIC + b"%04d" % VERSION + hashlib.sha256(body).digest() + body


def load_profile(data: bytes) -> Profile:
    """The profile of some bytes.

    Raises:
        ConfigError: a newer version of ours wrote them.
        IntegrityError: they are no profile, or were changed since they were written.
    """
    import pyarrow as pa

    version = data[len(MAGIC) : len(MAGIC) + _VERSION_DIGITS]
    if not data.startswith(MAGIC) or len(data) < _HEAD or not version.isdigit():
        raise IntegrityError(f"{len(data):,} bytes were read that are no profile.")
    if int(version) > VERSION:
        raise ConfigError(
            f"The profile is of version {int(version)}, and this installation reads {VERSION}.",
            hint="Install the version of Perennial that made it, or a newer one.",
        )
    body = data[_HEAD:]
    found, written = hashlib.sha256(body).digest(), data[_HEAD - _DIGEST_BYTES : _HEAD]
    if found != written:
        raise IntegrityError(
            f"The profile has digest {found.hex()[:12]}, but {written.hex()[:12]} was written."
        )
    table = pa.ipc.open_file(body).read_all()
    rows = int(table.schema.metadata[_ROWS])
    return Profile(rows, {cells["name"]: _column(cells) for cells in table.to_pylist()})


def _schema(rows: int) -> "pa.Schema":
    import pyarrow as pa

    numbers, counts = pa.list_(pa.float64()), pa.list_(pa.int64())
    return pa.schema(
        [
            ("name", pa.string()),
            ("edges", numbers),
            ("cuts", numbers),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("center", pa.float64()),
            ("sums", numbers),
            ("least", numbers),
            ("most", numbers),
            ("square", pa.float64()),
            ("names", pa.list_(pa.string())),
            ("counts", counts),
            ("missing", pa.int64()),
            ("rest", pa.int64()),
            ("hashes", pa.list_(pa.uint64())),
        ],
        metadata={_ROWS: str(rows)},
    )


def _cells(name: str, column: Column) -> dict[str, Any]:
    """A column as one row of the table; numbers have edges, categories have names."""
    if isinstance(column, CategoryColumn):
        names = sorted(column.reference.counts)
        return {
            "name": name,
            "names": names,
            "counts": [column.reference.counts[each] for each in names],
            "missing": column.reference.missing,
            "rest": column.reference.rest,
            "hashes": column.reference.hashes.hashes,
        }
    grid, reference = column.grid, column.reference
    return {
        "name": name,
        "edges": grid.edges,
        "cuts": grid.cuts,
        "low": grid.low,
        "high": grid.high,
        "center": grid.center,
        "sums": reference.sums,
        "least": reference.least,
        "most": reference.most,
        "square": reference.square,
        "counts": reference.counts,
        "missing": reference.missing,
        "hashes": reference.hashes.hashes,
    }


def _column(cells: dict[str, Any]) -> Column:
    hashes = Distinct(np.array(cells.get("hashes") or (), dtype=np.uint64))
    if cells["names"] is not None:
        named = dict(zip(cells["names"], cells["counts"], strict=True))
        return CategoryColumn(Names(named, cells["missing"], cells["rest"], hashes))
    edges, cuts, sums, least, most = (
        np.array(cells[each], dtype=float) for each in ("edges", "cuts", "sums", "least", "most")
    )
    counts = np.array(cells["counts"], dtype=np.int64)
    return NumberColumn(
        NumberGrid(edges, cuts, cells["low"], cells["high"], cells["center"]),
        Numbers(counts, sums, least, most, cells["square"], cells["missing"], hashes),
    )

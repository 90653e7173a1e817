"""Ingests of a small model while the disk of its store fills up, for a process that sees one.

``python -m tests.support.filling HOME FREE_KIB ...`` prints, as JSON, how an ingest ended for each
amount of space that was left, whether readers saw anything of it, and how it ended with room.
"""

import json
import os
import sys
from pathlib import Path

from infra import store
from infra.errors import PerennialError
from infra.halves import HALF
from infra.settings import settings
from tests.support.deliveries import ingested, offline_home
from tests.support.deliveries import standing as seen

MODEL = "filling"


def _filled(folder: Path, free_kib: int) -> Path:
    """A file that leaves so much of a disk."""
    left = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * max(left.f_bavail * left.f_bsize - free_kib * 1024, 0))
    return ballast


def _tried(month: str) -> list[str]:
    try:
        ingested(month, model=MODEL)
    except PerennialError as error:
        return [type(error).__name__, str(error.args[0]), error.advice]
    return ["", "", ""]


def _main(home: Path, amounts: list[int]) -> None:
    with offline_home(home):
        folder = Path(settings().store_uri)
        ingested("2024-01", model=MODEL)
        before, found = seen(MODEL)["history"], []
        for amount in amounts:
            ballast = _filled(folder, amount)
            ended = _tried("2024-02")
            ballast.unlink()
            found.append([*ended, seen(MODEL)["history"] == before])
        with_room = _tried("2024-02")[0]
        half = [path.name for path in folder.rglob(f"{HALF}*")]
        rows = len(store.read_windows(store.uri("raw", MODEL, "rides"), None, ["2024-02"]))
        answer = {"full": found, "with_room": with_room, "half": half, "rows": rows}
        sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]])

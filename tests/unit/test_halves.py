"""Files that appear whole, and what is done with the halves that a kill leaves."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.halves import HALF, put_whole, sweep_halves
from infra.starts import start_of

DAYS_S = 2 * 24 * 3600


def half(folder: Path, writer: str, age_s: float = 0) -> Path:
    """A file that somebody began to write."""
    path = folder / "table" / f"{HALF}{writer}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"hal")
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def written_by(pid: int) -> str:
    """The part of a name that says which running process writes."""
    return f"{pid}-{str(start_of(pid)).replace(':', '.')}-x_1"


def test_a_file_is_there_whole_and_its_half_is_not(tmp_path: Path) -> None:
    """Readers of the folder see one name."""
    put_whole(tmp_path / "model.bin", b"whole")

    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]
    assert (tmp_path / "model.bin").read_bytes() == b"whole"


def test_what_a_process_writes_is_left_alone_until_it_is_gone(tmp_path: Path) -> None:
    """However old it is; a process that is killed while it writes leaves what is swept."""
    killed = (
        "import os, signal, sys; from pathlib import Path; from infra import halves;"
        "os.fsync = lambda _: (print(flush=True), signal.pause());"
        "halves.put_whole(Path(sys.argv[1]) / 'file', b'data')"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", killed, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer:
        writer.stdout.readline()
        (begun,) = tmp_path.iterdir()
        os.utime(begun, (0, 0))
        while_it_writes = sweep_halves(tmp_path), begun.exists()
        writer.kill()

    afterwards = sweep_halves(tmp_path), begun.exists()

    assert while_it_writes == (0, True)
    assert afterwards == (1, False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a start tells of no boot")
def test_a_pid_that_another_process_has_by_now_is_no_writer(tmp_path: Path) -> None:
    """The start in the name is that of a process of this boot which is gone."""
    boot, _, field = written_by(os.getpid()).removesuffix("-x_1").rpartition(".")

    left = half(tmp_path, f"{boot}.{int(field) - 1}-x_1")

    assert sweep_halves(tmp_path) == 1
    assert not left.exists()


@pytest.mark.parametrize("writer", ["17-0f1e-2d3c.1250-x_1", "k3j_x2"], ids=["elsewhere", "nobody"])
def test_the_half_of_a_writer_that_cannot_be_seen_is_swept_after_a_day(
    tmp_path: Path, writer: str
) -> None:
    """A store may be shared with another machine, and a write takes seconds."""
    path = half(tmp_path, writer)

    young = sweep_halves(tmp_path)
    half(tmp_path, writer, age_s=DAYS_S)
    old = sweep_halves(tmp_path)

    assert (young, old) == (0, 1)
    assert not path.exists()


def test_other_files_and_missing_folders_are_no_halves(tmp_path: Path) -> None:
    """Nothing that anybody reads is touched, and a fresh home has nothing to sweep."""
    (tmp_path / "part.half-1").touch()
    (tmp_path / ".hidden").touch()
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))

    assert sweep_halves(tmp_path, tmp_path / "missing") == 0
    assert len(list(tmp_path.iterdir())) == 2

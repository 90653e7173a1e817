"""What lies where a delivery should be: a file that is read whole, or the reason why not."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from infra import files
from infra.errors import DataError
from infra.files import read_file
from tasks.data.fetching import fetch


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("gone.csv"))


def _ring(path: Path) -> None:
    path.symlink_to(path)


def _below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("no folder")


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(files.MOST_BYTES + 1)  # sparse: it takes no room on the disk


PLACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (lambda _: None, "There is no file at"),
    "a folder": (Path.mkdir, "is a folder, and no file"),
    "a named pipe": (_pipe, "is a named pipe, and no file"),
    "a socket": (_socket, "is a socket, and no file"),
    "a device": (_device, "is a device, and no file"),
    "a dangling link": (_dangling, r"is a link to .*gone\.csv, which is not there"),
    "a link to itself": (_ring, "leads back to itself"),
    "a file for a folder": (_below_a_file, "There is no file at"),
    "more than is read": (_endless, "holds 1,073,741,825 bytes; at most 1024 MiB are read"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_is_refused_at_once_and_by_its_own_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would wait for ever and a device never ends: neither is opened."""
    make, says = PLACES[kind]
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)  # the path of a socket may not be long
    make(folder / "x.csv")

    with pytest.raises(DataError, match=says) as caught:
        fetch("flights", str(folder / "x.csv"))

    assert str(caught.value).startswith("flights: ")
    assert caught.value.advice.startswith("Nothing was ingested.")


def test_what_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission is not absence; the superuser may read all, so the system's word is put in."""
    path = tmp_path / "x.csv"
    path.write_text("id\n1\n")

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("infra.files.os.open", denied)

    with pytest.raises(DataError, match="may not be read by this user: permission denied"):
        fetch("flights", str(path))


@pytest.mark.timeout(10)
def test_a_file_that_is_written_to_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an upload is never taken for a delivery."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"x" * (3 << 20))
    read = os.read

    def while_somebody_writes(handle: int, size: int) -> bytes:
        if path.stat().st_size == 3 << 20:
            with path.open("ab") as file:
                file.write(b"more")
        return read(handle, size)

    monkeypatch.setattr("infra.files.os.read", while_somebody_writes)

    with pytest.raises(DataError, match="was written to while it was read: 3,145,728 bytes"):
        read_file(path)


@pytest.mark.timeout(10)
def test_a_file_that_says_nothing_of_its_size_is_bounded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the kernel say 0 bytes and go on."""
    path = tmp_path / "x.csv"
    path.write_bytes(b"")
    monkeypatch.setattr("infra.files.os.read", lambda _, size: b"0" * size)

    with pytest.raises(DataError, match="holds more than 2,097,152 bytes"):
        read_file(path, 2 << 20)


def test_a_name_is_shown_without_what_would_turn_the_line_around(tmp_path: Path) -> None:
    """Names are bytes of somebody else's too."""
    with pytest.raises(DataError, match=r"a\\u202eb") as caught:
        read_file(tmp_path / "a\u202eb\udcff\n.csv")

    assert str(caught.value).isprintable()


def test_an_object_of_another_store_is_held_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent, a folder, or too large: told before it is read."""
    store = fsspec.filesystem("memory")
    store.pipe_file("/feed/x.csv", b"id\n1\n")

    assert fetch("flights", "memory://feed/x.csv") == b"id\n1\n"
    monkeypatch.setattr("tasks.data.fetching.MOST_BYTES", 3)
    for place, says in {"x.csv": "holds 5 bytes", "y.csv": "no file at", "": "is a folder"}.items():
        with pytest.raises(DataError, match=says):
            fetch("flights", f"memory://feed/{place}")

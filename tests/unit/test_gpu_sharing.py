"""What holds several runs to one device here: MPS where its daemon answers, torch where it can."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from infra.gpu.sharing import limits, mps_daemon, torch_caps_itself

VOLTA, PASCAL = (7, 0), (6, 1)
CONTROL = "nvidia-cuda-mps-control"

DAEMON = """#!/bin/sh
if [ "$1" = "-f" ]; then sleep 60; exit; fi
read question && [ "$question" = get_server_list ] && [ -e "$CUDA_MPS_PIPE_DIRECTORY/control" ]
"""
"""The daemon and the program that asks it are one, as NVIDIA's: its pipe must be there."""

Starts = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of MPS's pipes, and its program on the path."""
    program = tmp_path / "bin" / CONTROL
    program.parent.mkdir()
    program.write_text(DAEMON)
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    torch_caps_itself.cache_clear()
    yield tmp_path
    torch_caps_itself.cache_clear()


@pytest.fixture
def start(pipes: Path) -> Iterator[Starts]:
    """Starts a daemon in the foreground."""
    started = []

    def begin(*, answers: bool = True, **variables: str) -> "subprocess.Popen[bytes]":
        if answers:
            (pipes / "control").touch()
        program = str(pipes / "bin" / CONTROL)
        daemon = subprocess.Popen(
            [program, "-f"], env={**os.environ, **variables}, start_new_session=True
        )
        (pipes / f"{CONTROL}.pid").write_text(f"{daemon.pid}\n")
        started.append(daemon)
        return daemon

    yield begin
    for daemon in started:
        with suppress(ProcessLookupError):
            os.killpg(daemon.pid, 9)
        daemon.wait()


def test_without_a_daemon_and_without_torch_nothing_holds_a_part() -> None:
    """A part of a device is refused then, unless the request accepts that."""
    assert mps_daemon() is None
    assert limits("GPU-00", VOLTA) == ("advisory",)


def test_a_daemon_that_answers_serves_every_device(start: Starts, pipes: Path) -> None:
    """Unless it says otherwise; older devices than Volta it does not limit."""
    daemon = start()

    assert limits("GPU-00", VOLTA) == ("mps", "advisory")
    assert limits("GPU-00", PASCAL) == ("advisory",)
    found = mps_daemon()
    assert found is not None
    assert (found.process.pid, found.pipes) == (daemon.pid, pipes)


def test_a_daemon_serves_the_devices_that_it_sees(start: Starts) -> None:
    """It may name them by the beginnings of their UUIDs; numbers say nothing for certain."""
    start(CUDA_VISIBLE_DEVICES="GPU-01,GPU-02")

    assert [limits(f"GPU-0{place}", VOLTA)[0] for place in range(3)] == ["advisory", "mps", "mps"]


def test_a_daemon_that_sees_devices_by_number_is_not_relied_on(start: Starts) -> None:
    """It counts by an order of its own."""
    start(CUDA_VISIBLE_DEVICES="0")

    assert limits("GPU-00", VOLTA) == ("advisory",)


def test_a_daemon_that_does_not_answer_holds_nobody(start: Starts) -> None:
    """A process alone is no service."""
    start(answers=False)

    assert mps_daemon() is None


def test_a_daemon_that_has_ended_holds_nobody(start: Starts) -> None:
    """Its pid file stays; a process that has its number since is another one."""
    daemon = start()
    os.killpg(daemon.pid, 9)
    daemon.wait()
    other = subprocess.Popen(["/bin/sleep", "60"])

    before = mps_daemon()
    pid_file = Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]) / f"{CONTROL}.pid"
    pid_file.write_text(str(other.pid))
    after = mps_daemon()
    other.kill()
    other.wait()

    assert (before, after) == (None, None)


@pytest.mark.parametrize(
    ("version", "caps"),
    [("2.13.0", True), ("2.14.1+cu130", True), ("2.9.1", False), ("nightly", False)],
)
def test_a_torch_that_knows_the_setting_caps_itself(
    pipes: Path, monkeypatch: pytest.MonkeyPatch, version: str, caps: bool
) -> None:
    """By its version, which is read without importing it."""
    installed = pipes / f"torch-{version}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(pipes))

    assert torch_caps_itself() is caps
    assert limits("GPU-00", VOLTA) == (("torch", "advisory") if caps else ("advisory",))

"""The keeper's rounds of upkeep: every so often, one at a time, ended with the stack."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.keeper import Rounds

WAITS = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('x'); time.sleep(60)"
ENDS = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('x'); print('done')"


@pytest.fixture
def rounds(tmp_path: Path) -> Callable[[str, float], Rounds]:
    """Rounds of a program, which notes each of its starts."""

    def make(program: str, every_s: float) -> Rounds:
        command = [sys.executable, "-S", "-c", program, str(tmp_path / "starts")]
        return Rounds(command, every_s, tmp_path / "log")

    return make


def look(rounds: Rounds, seconds: float) -> None:
    """Look for a while, as the keeper does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rounds.look()
        time.sleep(0.01)


def test_a_round_is_started_every_so_often(
    rounds: Callable[[str, float], Rounds], tmp_path: Path
) -> None:
    """The first a whole interval after the start; what the last said is in its log."""
    several = rounds(ENDS, 0.2)

    look(several, 0.1)
    early = (tmp_path / "starts").exists()
    look(several, 1.0)
    several.end()

    assert not early
    assert len((tmp_path / "starts").read_text()) >= 2


def test_no_round_begins_beside_another(
    rounds: Callable[[str, float], Rounds], tmp_path: Path
) -> None:
    """One that hangs holds up the next, and nothing else; it ends with the stack."""
    hanging = rounds(WAITS, 0.05)

    look(hanging, 0.6)
    began = time.monotonic()
    hanging.end()

    assert (tmp_path / "starts").read_text() == "x"
    assert time.monotonic() - began < 10


def test_an_interval_of_nothing_is_never(
    rounds: Callable[[str, float], Rounds], tmp_path: Path
) -> None:
    """Whoever has a timer of one's own needs no second one."""
    look(rounds(ENDS, 0), 0.3)

    assert not (tmp_path / "starts").exists()


def test_a_folder_of_logs_that_is_gone_ends_no_keeper(tmp_path: Path) -> None:
    """The stack lives on, and the next round is tried in its time."""
    nowhere = Rounds([sys.executable, "-c", "pass"], 0.01, tmp_path / "gone" / "log")

    look(nowhere, 0.1)
    nowhere.end()

    assert not (tmp_path / "gone").exists()

"""A third model without a line of code: from a CSV to a verdict, and nothing calls home meanwhile.

One season proves both: it is lived with the network cut, every attempt to connect recorded.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.settings import PROJECT
from tests.support.namespaces import cut_off, refused
from tests.support.shell import User
from tests.support.stack import surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "diabetes"
_UNCUTTABLE = refused("net", "mount")
_RECORDER = shutil.which("strace")
_RECORDED = "connect,sendto,sendmsg,sendmmsg"
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_AT_HOME = re.compile(r"127\.|0\.0\.0\.0$|::1$|::$|::ffff:127\.")

needs_cut = pytest.mark.skipif(bool(_UNCUTTABLE), reason=_UNCUTTABLE)
needs_recorder = pytest.mark.skipif(_RECORDER is None, reason="strace not installed")


def recorded(command: Sequence[str], log: Path) -> list[str]:
    """A command under which every attempt of any process to reach an address is written down."""
    if _RECORDER is None:
        return list(command)
    return [_RECORDER, "-f", "--seccomp-bpf", "-e", f"trace={_RECORDED}", "-o", str(log), *command]


def calls(log: Path) -> list[str]:
    """The attempts that left the loopback."""
    lines = log.read_text(errors="replace").splitlines()
    found = ((line, _ADDRESS.search(line)) for line in lines)
    return [line for line, match in found if match and not _AT_HOME.match(match[1])]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """How a model of diabetes stands after its first season, and the record of attempts.

    There was no network but the loopback, where the kernel lets us cut it.
    """
    import sklearn.datasets

    from infra.stack import erase

    folder = tmp_path_factory.mktemp("season")
    home, file, result, log = (folder / name for name in ("home", "rows.csv", "result", "log"))
    sklearn.datasets.load_diabetes(as_frame=True).frame.to_csv(file, index=False)
    arguments = (home, folder / "models", MODEL, file, result)
    command = [sys.executable, "-m", "tests.support.season", *map(str, arguments)]
    if not _UNCUTTABLE:
        command = recorded(cut_off(command), log)
    try:
        done = User(home).types(command, within_s=500)
        assert done.returncode == 0, done.stderr[-4000:]
        yield json.loads(result.read_text()), log
    finally:
        with surroundings({"PERENNIAL_HOME": str(home)}):
            erase()


def test_a_regression_from_a_csv_is_promoted_scored_and_watched(
    lived: tuple[dict[str, Any], Path],
) -> None:
    """Each command after `perennial new` ends well."""
    found = lived[0]

    ends = {flow: run["state"] for flow, run in found["last"].items() if run}
    assert ends.keys() == {"ingest", "train", "promote", "score", "monitor"}
    assert (ends["ingest"], ends["train"], ends["score"]) == ("Accepted", "Promoted", "Scored")
    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "rmse")
    assert 40 < found["champion"]["value"] < 65
    assert found["verdict"]["window"] == "all"
    assert (found["pending_reviews"], found["differs"]) == ([], [])


@needs_cut
def test_a_season_needs_no_network(lived: tuple[dict[str, Any], Path]) -> None:
    """From a CSV to a promoted, scored and watched model, with nothing but the loopback."""
    found = lived[0]

    ends = {flow: run["state"] for flow, run in found["last"].items() if run}
    assert found["champion"]["version"] == 1
    assert ends["ingest"] == "Accepted"
    assert ends["train"] == ends["promote"] == "Promoted"
    assert ends["score"] == "Scored"
    assert found["verdict"] is not None


@needs_cut
@needs_recorder
def test_nobody_even_tried_to_call(lived: tuple[dict[str, Any], Path]) -> None:
    """Every process of the stack and of the user, the libraries in Rust and C included."""
    log = lived[1]

    tried = calls(log)

    assert 'sin_addr=inet_addr("127.0.0.1")' in log.read_text(errors="replace")
    assert tried == []


@needs_cut
@needs_recorder
@pytest.mark.parametrize(
    "call", ["socket.create_connection(('192.0.2.1', 80))", "socket.gethostbyname('example.org')"]
)
def test_a_call_would_be_seen(tmp_path: Path, call: str) -> None:
    """By address or by name: the record is empty because nobody called."""
    python = [sys.executable, "-c", f"import socket; {call}"]

    subprocess.run(
        recorded(cut_off(python), tmp_path / "log"),
        check=False,
        capture_output=True,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
    )

    assert calls(tmp_path / "log")

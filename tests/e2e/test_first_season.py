"""A third model without a line of code: from a CSV to a verdict, on a database of one's own.

One season proves more: it is lived with the network cut, every attempt to connect recorded.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Lived(NamedTuple):
    """A season that is over."""

    model: dict[str, Any]
    servers: dict[str, str]
    """What `perennial status` says each of them is."""

    rows: dict[str, int]
    """How many rows tables of the own server have."""

    home: Path
    log: Path
    """The record of attempts."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The first season of a model of diabetes.

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
        found = json.loads(result.read_text())
        servers = {each["name"]: each["state"] for each in found["servers"]}
        yield Lived(found["model"], servers, found["rows"], home, log)
    finally:
        with surroundings({"PERENNIAL_HOME": str(home)}):
            erase()


def test_a_regression_from_a_csv_is_promoted_scored_and_watched(lived: Lived) -> None:
    """Each command after `perennial new` ends well."""
    found = lived.model

    ends = {flow: run["state"] for flow, run in found["last"].items() if run}
    assert ends.keys() == {"ingest", "train", "promote", "score", "monitor"}
    assert (ends["ingest"], ends["train"], ends["score"]) == ("Accepted", "Promoted", "Scored")
    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "rmse")
    assert 40 < found["champion"]["value"] < 65
    assert found["verdict"]["window"] == "all"
    assert (found["pending_reviews"], found["differs"]) == ([], [])


def test_a_database_of_ones_own_takes_the_place_of_the_embedded_one(lived: Lived) -> None:
    """Nothing above it knows whose it is: status tells, and no other was made."""
    others = dict.fromkeys(("prefect", "mlflow", "pages", "worker"), "running")
    assert lived.servers == {"postgres": "own", **others}
    assert not (lived.home / "postgres").exists()


def test_prefect_mlflow_and_the_ledger_keep_their_records_there(lived: Lived) -> None:
    """One database each: runs, model versions, decisions."""
    assert lived.rows["prefect.flow_run"] >= 5
    assert lived.rows["prefect.work_pool"] == 1
    assert lived.rows["mlflow.model_versions"] == 1
    assert lived.rows["perennial.ledger"] >= 2


@needs_cut
def test_a_season_needs_no_network(lived: Lived) -> None:
    """From a CSV to a promoted, scored and watched model, with nothing but the loopback."""
    ends = {flow: run["state"] for flow, run in lived.model["last"].items() if run}
    assert lived.model["champion"]["version"] == 1
    assert ends["ingest"] == "Accepted"
    assert ends["train"] == ends["promote"] == "Promoted"
    assert ends["score"] == "Scored"
    assert lived.model["verdict"] is not None


@needs_cut
@needs_recorder
def test_nobody_even_tried_to_call(lived: Lived) -> None:
    """Every process of the stack and of the user, the libraries in Rust and C included."""
    tried = calls(lived.log)

    assert 'sin_addr=inet_addr("127.0.0.1")' in lived.log.read_text(errors="replace")
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

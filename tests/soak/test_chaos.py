"""Kills by the hundred: whatever is killed, whenever, the books are right afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

import psutil
import pytest

from infra.ledger import Kind, Ledger
from infra.places import read_places
from infra.processes import marked
from infra.settings import PROJECT, settings
from infra.store import partitions, uri
from infra.tracking import tracker, versions
from tasks.data import read_history
from tasks.registry import champion
from tests.support.killer import finish
from tests.support.small_model import MONTHS
from tests.support.stack import eventually

MODEL = "stormy"
KILLS = 100
AS_OF = "2024-04-01T10:00:00Z"
_MOST_GROWTH = 1.5
_SETTLED_S = 60

pytestmark = pytest.mark.timeout(1800)


def _calls() -> Iterator[tuple[str, dict[str, object]]]:
    """The flows of a small story, over and over."""
    while True:
        for month in MONTHS[:3]:
            yield "ingest", {"model": MODEL, "window": month, "as_of": AS_OF}
        yield "train", {"model": MODEL, "as_of": AS_OF}


def _killed(flow: str, parameters: dict[str, object], after_s: float) -> bool:
    """Whether a flow was still at work when it was killed after some seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.killer", flow, json.dumps(parameters)],
        cwd=PROJECT,
        env=os.environ | {"CHAOS": uuid.uuid4().hex},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _bentos(model: str) -> list[Path]:
    """The Bentos that were built; beside them lies a file that names the latest."""
    return [
        path for path in (settings().home / "bentoml/bentos" / model).iterdir() if path.is_dir()
    ]


def _memory_of_servers(identity: str) -> int:
    """Bytes that the stack's processes hold together."""
    held = 0
    for process in marked(identity):
        try:
            held += process.memory_info().rss
        except psutil.Error:
            continue
    return held


def test_a_hundred_kills_leave_one_of_each_and_a_whole_ledger(model: str) -> None:
    """Ingest and train die at random moments; then they are run once and everything is there."""
    draw, kills = random.Random(20240401), 0  # noqa: S311 - no secret, a repeatable storm
    calls = _calls()

    while kills < KILLS:
        flow, parameters = next(calls)
        kills += _killed(flow, parameters, draw.uniform(1.0, 9.0))
        Ledger().verify()
    ends = [finish(flow, **parameters) for flow, parameters in islice(_calls(), 4)]

    assert {end.state for end in ends} <= {"Accepted", "Warned", "Promoted"}, ends
    assert read_history.fn(model, datetime.fromisoformat(AS_OF)).windows == MONTHS[:3]
    assert all(len(digests) == 1 for digests in partitions(uri("raw", model, "rides")).values())
    with tracker() as client:
        assert list(versions(client, model)) == [1]
    assert len(_bentos(model)) == 1
    eventually(lambda: champion.fn(model) is not None, within_s=_SETTLED_S)
    assert len(Ledger().entries(model, Kind.PROMOTION)) == 1
    assert Ledger().verify() > 0


def test_runs_by_the_dozen_leave_the_memory_of_the_servers_flat(model: str) -> None:
    """What is answered from earlier runs costs the servers nothing that stays."""
    identity = read_places().identity
    parameters = {"model": MODEL, "window": MONTHS[0], "as_of": AS_OF}
    for _ in range(5):
        finish("ingest", **parameters)
    before = _memory_of_servers(identity)

    for _ in range(40):
        finish("ingest", **parameters)

    assert _memory_of_servers(identity) < before * _MOST_GROWTH

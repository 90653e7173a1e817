"""A run that tells what it sees: ``python -m tests.support.reporting WHAT`` prints it as JSON.

It waits for a line on its standard input, so that it does nothing before it is confined.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from infra.errors import PerennialError
from infra.gpu.visible import check_devices

MIB = 2**20
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PERENNIAL_LEASE", "PERENNIAL_LEASES")


def report() -> dict[str, Any]:
    """What this process sees: devices by its own check, variables, cores."""
    try:
        seen: object = list(check_devices())
    except PerennialError as error:
        seen = f"{type(error).__name__}: {error}"
    return {
        "devices": seen,
        "cores": sorted(os.sched_getaffinity(0)),
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
    }


def everywhere() -> dict[str, Any]:
    """What this process sees, a program that it starts, and the workers of its Dask cluster."""
    from infra.clusters import cluster
    from infra.resources import TrainingRequest

    with cluster(TrainingRequest(cpus=2, memory=2**30)) as client:
        workers = list(client.run(report).values())
    return {"self": report(), "program": _program(), "workers": workers}


def threads() -> dict[str, Any]:
    """The cores of a thread that ran before this process was confined, and of a later child."""
    return {"thread": sorted(os.sched_getaffinity(_EARLY[0])), "child": _program()["cores"]}


def taking(mebibytes: int, processes: int) -> None:
    """Take memory in several processes side by side, and keep it until all have."""
    code = f"x = bytearray(b'x' * {mebibytes} * {MIB}); print('taken', flush=True); input()"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    codes = []
    for child in children:
        child.communicate(b"\n")
        codes.append(child.returncode)
    print(json.dumps(codes))  # noqa: T201 - the answer


def _program() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.reporting", "report"],
        capture_output=True,
        text=True,
        input="\n",
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_EARLY: list[int] = []


def _early() -> None:
    _EARLY.append(threading.get_native_id())
    time.sleep(60)


if __name__ == "__main__":
    _what, *_numbers = sys.argv[1:]
    if _what == "threads":
        threading.Thread(target=_early, daemon=True).start()
        while not _EARLY:
            time.sleep(0.01)
    print("ready", file=sys.stderr, flush=True)  # noqa: T201 - what the test waits for
    sys.stdin.readline()
    if _what == "linger":
        Path(_numbers[0]).touch()
        time.sleep(60)
    elif _what == "taking":
        taking(*map(int, _numbers))
    else:
        print(json.dumps(globals()[_what]()))  # noqa: T201 - the answer

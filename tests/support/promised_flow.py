"""A flow that does what a test tells it, and leaves word of what it saw."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.logging import get_run_logger


def leave_word(flow: object, flow_run: Any, state: Any) -> None:  # noqa: ANN401 - any server's
    """A hook: beside the run's report stands what it was called for."""
    Path(f"{flow_run.parameters['report']}.hook").write_text(state.name)


@flow(name="promised", retries=1, on_cancellation=[leave_word], on_crashed=[leave_word])
def promised(deed: str, report: str, until: str = "", count: int = 0) -> int:
    """Do one of the deeds below, and answer with the count."""
    get_run_logger().info("logged while it does %s", deed)
    sys.stdout.write(f"printed while it does {deed}\n")
    _DEEDS[deed](report, until)
    return count


def _tell(report: str, **facts: object) -> None:
    part = Path(f"{report}.part")
    about = {"pid": os.getpid(), "folder": str(Path.cwd()), "environment": dict(os.environ)}
    part.write_text(json.dumps(about | facts))
    part.rename(report)


def _show(report: str, until: str) -> None:
    _tell(report)


def _stay(report: str, until: str) -> None:
    """Until it is let go; what it prints meanwhile must not end it."""
    try:
        _tell(report)
        while not Path(until).exists():
            sys.stdout.write("still here\n")
            sys.stdout.flush()
            time.sleep(0.05)
    finally:
        Path(f"{report}.finally").touch()


def _fail(report: str, until: str) -> None:
    tries = Path(f"{report}.tries")
    tries.write_text(f"{tries.read_text() if tries.exists() else ''}.")
    raise ValueError("no harvest in 2026")


def _kill(report: str, until: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    _tell(report, child=child.pid)
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(report: str, until: str) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def _exit(report: str, until: str) -> None:
    sys.exit(3)


def _suspend(report: str, until: str) -> None:
    suspend_flow_run(timeout=600)
    _tell(report)


_DEEDS = {
    "show": _show,
    "stay": _stay,
    "fail": _fail,
    "kill": _kill,
    "terminate": _terminate,
    "exit": _exit,
    "suspend": _suspend,
}

"""Processes of ours: found for certain by a marker in their environment, ended for certain."""

import os
import signal
import time
from collections.abc import Iterable

import psutil
from pydantic import BaseModel, ConfigDict

from infra.errors import ConfigError
from infra.starts import age_s, start_of

_LOOK_S = 0.05

MARKER = "PERENNIAL_STACK"
"""Every process below a stack carries this variable; its value names the home."""


class ProcessIdentity(BaseModel):
    """A process for certain: pids are used again, a pid with its start time is not."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The identity of a process that runs now.

        Raises:
            ConfigError: there is no such process.
        """
        started = start_of(pid)
        if started is None:
            raise ConfigError(f"There is no process {pid}.", hint="Name one that runs.")
        return cls(pid=pid, started=started)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return start_of(self.pid) == self.started

    @property
    def age_s(self) -> float | None:
        """Seconds since it started, however the clock was set; None where nobody can tell."""
        return age_s(self.started)


def marked(identity: str) -> list[psutil.Process]:
    """Every live process that carries the marker of a home, but this one and its ancestors."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in mine and variable(process, MARKER) == identity
    ]


def of_home(home: str) -> list[psutil.Process]:
    """Every process below a stack of a home, by the home's name, where its marker is not known."""
    return [
        process
        for process in psutil.process_iter()
        if variable(process, "PERENNIAL_HOME") == home
        and variable(process, MARKER)
        and process.pid != os.getpid()
    ]


def variable(process: psutil.Process, name: str) -> str | None:
    """The value of a variable in a process's environment, None where it is not to be read."""
    try:
        return process.environ().get(name)
    except (psutil.Error, OSError, ValueError):  # gone, another user's, or the title overwrote it
        return None


def end(processes: Iterable[psutil.Process], patience_s: float = 5.0) -> int:
    """End processes: asked first, killed after `patience_s` seconds.

    Returns:
        How many there were.
    """
    asked = [process for process in processes if _tell(process, signal.SIGTERM)]
    killed = [each for each in outliving(asked, patience_s) if _tell(each, signal.SIGKILL)]
    outliving(killed, patience_s)
    return len(asked)


def outliving(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Those of the processes that still run after a while, which ends when none does.

    A zombie has ended: in a container whose first process reaps nobody it stays one for ever.
    """
    deadline = time.monotonic() + patience_s
    left = [process for process in processes if _runs(process)]
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        left = [process for process in left if _runs(process)]
    return left


def listener_on(port: int) -> str:
    """Who listens on a loopback port, as words for a message; a guess is never made."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return "a process that this user may not see"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr
        if listens and listens.port == port and connection.pid:
            try:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                break
    return "a process that this user may not see"


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _tell(process: psutil.Process, number: signal.Signals) -> bool:
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True

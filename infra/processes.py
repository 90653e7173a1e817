"""Processes of ours: found for certain by a marker in their environment, ended for certain."""

import os
import signal
from collections.abc import Iterable

import psutil
from pydantic import BaseModel, ConfigDict

MARKER = "PERENNIAL_STACK"
"""Every process below a stack carries this variable; its value names the home."""

_SAME_START_S = 1.0
"""A start time is read from clock ticks: two readings of one process differ by less than this."""


class ProcessIdentity(BaseModel):
    """A process for certain: pids are used again, a pid with its start time is not."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The identity of a process that runs now.

        Raises:
            psutil.NoSuchProcess: there is no such process.
        """
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def marked(identity: str) -> list[psutil.Process]:
    """Every live process that carries the marker of a home, but this one and its ancestors."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in mine and variable(process, MARKER) == identity
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
    _, left = psutil.wait_procs(asked, timeout=patience_s)
    killed = [process for process in left if _tell(process, signal.SIGKILL)]
    psutil.wait_procs(killed, timeout=patience_s)
    return len(asked)


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


def _tell(process: psutil.Process, number: signal.Signals) -> bool:
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True

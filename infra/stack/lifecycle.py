"""Start and stop of the embedded stack, each as often as one likes."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from infra import environment, postgres, prefect_file
from infra.addresses import Addresses, addresses, keep_ports, require_free
from infra.databases import create_databases
from infra.errors import BackendError, ConfigError, PerennialError, ResourceError
from infra.places import Places, make_folders, make_places, places_file, read_places, stack_folder
from infra.pools import POOL
from infra.private import clear_errors, read_private, require_room, write_private
from infra.processes import ProcessIdentity, outliving
from infra.settings import settings
from infra.stack import reconcile
from infra.stack.servers import Server, is_healthy, servers
from infra.stack.supervision import Supervisor, keeper_pid

Progress = Callable[[str], None]
"""Takes a line about what was just done."""

_READY_S = 180.0
_DOWN_S = 110.0
_LOCK_S = 180.0
_ROOM = 32 * 2**20
_ROOM_OF_NEW = 128 * 2**20
"""Bytes of its disk that a stack wants at its start; a new database and its logs take 75 MiB."""

_STEP_S = 0.1


def _silent(_line: str) -> None:
    """Say nothing: for callers who do not watch."""


def up(
    owner: int | None = None,
    progress: Progress = _silent,
    before_work: Callable[[], None] | None = None,
) -> Addresses:
    """The addresses of the stack of this home, which runs when this returns.

    What a crash left is put right first. Called again while it is up, it starts what is missing.

    Args:
        owner: a process with whose end, however it comes, the stack ends. The stack lives as
            long as one of its owners; a call without an owner makes it stay until `down`.
        progress: told what was done, line by line.
        before_work: called once the servers run and before a worker that does not run is
            started: what it settles, no run is ahead of.

    Raises:
        ConfigError: the home cannot be written, or a setting is wrong.
        ResourceError: a port is taken, the disk is full, or another `up` takes too long.
        BackendError: a server does not become ready; the message names its log.
    """
    make_folders()
    with _one_at_a_time():
        places = make_places()  # read under the lock: who was first wrote them
        return _up(places, owner, progress, before_work)


def down(progress: Progress = _silent) -> int:
    """Stop everything of this home's stack, for certain.

    Returns:
        How many processes were found and ended; 0 where nothing ran.

    Raises:
        ConfigError: the record of where the stack lies is damaged; what was found by other marks
            was ended.
    """
    if not places_file().exists():
        return 0
    with _one_at_a_time():
        return _down(progress)


def is_up() -> bool:
    """Whether the supervisor of this home runs.

    Raises:
        ConfigError: the record of where the stack lies is damaged.
    """
    return places_file().exists() and Supervisor(read_places()).runs


def _up(
    places: Places, owner: int | None, progress: Progress, before_work: Callable[[], None] | None
) -> Addresses:
    require_room(_ROOM if places.embedded or settings().database_url else _ROOM_OF_NEW)
    keep_ports()
    supervisor = Supervisor(places)
    was_up = supervisor.runs and keeper_pid() is not None
    if not was_up:
        places = _clear_the_way(places, progress)
    _own(owner, was_up=was_up)
    environment.export()
    started = servers(places)
    for server in started:
        if server.port is not None and not (was_up and supervisor.state(server.name) == "RUNNING"):
            require_free(server.title, server.port)
    try:
        if not was_up:
            supervisor.launch(started)
        _start_servers(places, supervisor, started, progress)
        if before_work is not None:
            before_work()
        _start_worker(supervisor, started, progress)
    except BaseException:  # Ctrl-C as well: what was started half is of no use to anybody
        if not was_up:
            _down(_silent)
        raise
    prefect_file.write()
    return addresses()


def _clear_the_way(places: Places, progress: Progress) -> Places:
    _end_keeper()  # one that is about to end anyway, its owner being gone
    ended = reconcile.clear_remains(places)
    if ended:
        progress(f"Ended {ended} processes that a killed stack had left.")
    if settings().database_url is None:
        if places.embedded is None:
            progress("Making the database.")
        places = postgres.prepare(places)
        if places.embedded:
            postgres.clean_up_after_kill(places.embedded)
    return places


def _start_servers(
    places: Places, supervisor: Supervisor, started: Sequence[Server], progress: Progress
) -> None:
    by_name = {server.name: server for server in started}
    embedded = places.embedded
    if "postgres" in by_name and embedded:
        _start(supervisor, [by_name["postgres"]], lambda _: postgres.answers(embedded), progress)
    create_databases(places)
    middle = [by_name[name] for name in ("prefect", "mlflow", "pages") if name in by_name]
    _start(supervisor, middle, is_healthy, progress)
    _put_runs_right(places, supervisor, progress)
    if kept := reconcile.keep_pool():
        progress(kept)


def _start_worker(supervisor: Supervisor, started: Sequence[Server], progress: Progress) -> None:
    worker = next(server for server in started if server.name == "worker")
    since = time.time()
    fresh = supervisor.state("worker") != "RUNNING"

    def came(server: Server) -> bool:
        return reconcile.worker_came(supervisor.pid(server.name), since)

    ready = came if fresh else is_healthy
    _start(supervisor, [worker], ready, progress)


def _start(
    supervisor: Supervisor,
    wanted: Sequence[Server],
    ready: Callable[[Server], bool],
    progress: Progress,
) -> None:
    """Start servers side by side and wait until each is ready, by the supervisor's word too."""
    began = time.monotonic()
    for server in wanted:
        supervisor.start(server)
    waiting = list(wanted)
    while waiting:
        for server in list(waiting):
            state = supervisor.state(server.name)
            if state == "RUNNING" and ready(server):
                waiting.remove(server)
                progress(f"{server.title} is ready ({time.monotonic() - began:.1f} s).")
            elif state in {"FATAL", "STOPPED", "EXITED"}:
                raise _failed(server, "ended at once, again and again")
        if waiting and time.monotonic() - began > _READY_S:
            raise _failed(waiting[0], f"was not ready after {_READY_S:.0f} s")
        time.sleep(_STEP_S if waiting else 0)


def _failed(server: Server, what: str) -> PerennialError:
    log = settings().home / "logs" / f"{server.name}.log"
    lines = (
        log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if log.exists()
        else []
    )
    last = f" It last said: {lines[-1].strip()[:200]}" if lines else ""
    return BackendError(
        f"The {server.title} {what}.{last}",
        hint=f"`perennial logs {server.name}` shows more.",
        server=server.name,
    )


def _put_runs_right(places: Places, supervisor: Supervisor, progress: Progress) -> None:
    if environment.is_replaced("prefect"):
        return  # a server of one's own has workers that we do not see
    worker_is_up = supervisor.state("worker") == "RUNNING"
    lost = reconcile.crash_lost_runs(places, worker_is_up=worker_is_up)
    if lost:
        progress(f"Set {len(lost)} runs of {POOL} to Crashed: no process backs them.")


def _own(owner: int | None, *, was_up: bool) -> None:
    """Write down with whose end the stack ends; nobody's, once somebody started it to stay."""
    path = stack_folder() / "owners.json"
    if owner is None:
        path.unlink(missing_ok=True)
        return
    known = _owners(path)
    if known or not was_up:
        alive = [each for each in known if each.alive]
        owners = [each.model_dump() for each in (*alive, ProcessIdentity.of(owner))]
        write_private(path, json.dumps(owners))


def _owners(path: Path) -> list[ProcessIdentity]:
    """The processes with whose end the stack ends, dead ones among them."""
    text = read_private(path)
    try:
        return [] if text is None else [ProcessIdentity(**entry) for entry in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is damaged: it does not say with whose end the stack ends.",
            hint="Run `perennial down`, which removes it, and then this again.",
        ) from error


def _down(progress: Progress) -> int:
    if keeper_pid() is not None:
        progress("Stopping the servers.")
    ended = _end_keeper()
    try:
        places = read_places()
    except ConfigError:
        reconcile.clear_unknown()
        raise
    return ended + reconcile.clear_remains(places)


def _end_keeper() -> int:
    """Let the keeper end the stack in its order, and say how many processes that were."""
    pid = keeper_pid()
    if pid is None:
        return 0
    try:
        keeper = psutil.Process(pid)
        below = len(keeper.children(recursive=True))
        keeper.send_signal(signal.SIGTERM)
        if outliving([keeper], _DOWN_S):
            keeper.kill()
    except psutil.NoSuchProcess:
        return 0
    return 1 + below


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(stack_folder() / "lock")
    try:
        with clear_errors():
            lock.acquire(timeout=_LOCK_S)
    except Timeout as error:
        raise ResourceError(
            f"Another `perennial up` or `down` has worked on {settings().home} for "
            f"{_LOCK_S:.0f} s.",
            hint="Wait for it, or end it, and run the command again.",
        ) from error
    try:
        yield
    finally:
        lock.release()

"""How the servers of a home are: their states, and the tails of their logs."""

from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from infra.addresses import addresses_of, ports_file, read_ports
from infra.environment import is_replaced
from infra.errors import ConfigError
from infra.places import places_file, read_places
from infra.settings import settings
from infra.stack.supervision import Supervisor

SERVERS: Final = ("postgres", "prefect", "mlflow", "pages", "worker")


class ServerStatus(BaseModel):
    """How one server is; `state` is the supervisor's word, or ``own`` for one's own server."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    pid: int | None = None
    since: str | None = None
    address: str | None = None


def server_status() -> list[ServerStatus]:
    """How each server of this home is; ``stopped`` where nothing was ever started.

    Raises:
        ConfigError: what is remembered of the stack is damaged.
    """
    if not (places_file().exists() and ports_file().exists()):
        return [ServerStatus(name=name, state="stopped") for name in SERVERS]
    supervisor = Supervisor(read_places())
    known = {p["name"]: p for p in supervisor.processes()} if supervisor.runs else {}
    own = addresses_of(read_ports())
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

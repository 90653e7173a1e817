"""Where the servers of this home listen: ports chosen once and kept, so that links live."""

import os
import random
import socket
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from infra.errors import ConfigError, ResourceError
from infra.private import clear_errors, read_private, write_private
from infra.settings import settings

HOST: Final = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000
"""Below the ports that Linux hands out to clients (32768 and up), so that none is lost to one."""


class Ports(BaseModel):
    """The ports of one home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefect: int
    mlflow: int
    pages: int


class Addresses(BaseModel):
    """The addresses of the servers, each without a slash at its end."""

    model_config = ConfigDict(frozen=True)

    prefect_api: str
    prefect_ui: str
    mlflow: str
    pages: str

    def page(self, path: Path) -> str:
        """The http address of a report.

        Args:
            path: a file under ``home/reports``.

        Raises:
            ConfigError: the file lies elsewhere, where the page server does not look.
        """
        reports = settings().home / "reports"
        try:
            inside = path.resolve().relative_to(reports.resolve())
        except ValueError as error:
            raise ConfigError(
                f"{path} is no report: the page server shows what lies under {reports}."
            ) from error
        return f"{self.pages}/{quote(inside.as_posix())}"

    def run(self, flow_run_id: object) -> str:
        """The address of a flow run's page in Prefect's UI."""
        return f"{self.prefect_ui}/runs/flow-run/{flow_run_id}"


def addresses() -> Addresses:
    """The addresses of this home's servers, the same from a flow's process as from a shell.

    Where ``PREFECT_API_URL``, ``MLFLOW_TRACKING_URI`` or ``PERENNIAL_PAGES_URL`` is set, it wins.

    Raises:
        ConfigError: no server was ever started in this home and the environment names none.
    """
    given = {
        "prefect_api": os.environ.get("PREFECT_API_URL", "").rstrip("/"),
        "mlflow": os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/"),
        "pages": os.environ.get("PERENNIAL_PAGES_URL", "").rstrip("/"),
    }
    if all(given.values()):
        prefect_ui = given["prefect_api"].removesuffix("/api")
        return Addresses(**given, prefect_ui=prefect_ui)
    own = addresses_of(read_ports())
    chosen = {name: value or getattr(own, name) for name, value in given.items()}
    return Addresses(**chosen, prefect_ui=chosen["prefect_api"].removesuffix("/api"))


def addresses_of(ports: Ports) -> Addresses:
    """The loopback addresses that belong to ports."""
    prefect = f"http://{HOST}:{ports.prefect}"
    return Addresses(
        prefect_api=f"{prefect}/api",
        prefect_ui=prefect,
        mlflow=f"http://{HOST}:{ports.mlflow}",
        pages=f"http://{HOST}:{ports.pages}",
    )


def ports_file() -> Path:
    """``home/addresses.json``."""
    return settings().home / "addresses.json"


def read_ports() -> Ports:
    """The ports that this home has kept.

    Raises:
        ConfigError: there are none yet, or the file is damaged.
    """
    text = read_private(ports_file())
    if text is None:
        raise ConfigError(
            f"No server was ever started in {settings().home}.",
            hint="Run `perennial up`, or set PERENNIAL_HOME to the home that you mean.",
        )
    try:
        return Ports.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(
            f"{ports_file()} is damaged.",
            hint=f"Run `rm {ports_file()}`, then `perennial up`: new ports are chosen, old links "
            "end.",
        ) from error


def keep_ports() -> Ports:
    """The kept ports, or three free ones chosen and kept from now on."""
    if ports_file().exists():
        return read_ports()
    ports = Ports(**dict(zip(Ports.model_fields, _free_ports(3), strict=True)))
    with clear_errors():
        write_private(ports_file(), ports.model_dump_json(indent=2) + "\n")
    return ports


def require_free(server: str, port: int) -> None:
    """Nothing, where a server may listen on its port.

    Raises:
        ResourceError: somebody else listens there; the message names who.
    """
    if is_free(port):
        return
    from infra.processes import listener_on

    who = listener_on(port)
    raise ResourceError(
        f"Port {port}, which this home keeps for the {server}, is taken by {who}.",
        hint=f"Stop that process, or delete {ports_file()} to choose new ports (old links end).",
        port=port,
        server=server,
    )


def is_free(port: int) -> bool:
    """Whether one can listen on a loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    drawn = random.SystemRandom().sample(range(_FIRST, _LAST), 200)
    found = [port for port in drawn if is_free(port)][:count]
    if len(found) < count:
        raise ResourceError(f"Of 200 ports between {_FIRST} and {_LAST} not {count} are free.")
    return found

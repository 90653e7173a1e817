"""The environment in which every process of a stack runs, and a command that talks to one."""

import os
import sys
from pathlib import Path
from typing import Final

from infra.addresses import addresses, addresses_of, read_ports
from infra.errors import ConfigError
from infra.places import make_home, read_places
from infra.private import clear_errors
from infra.processes import MARKER
from infra.settings import settings
from infra.telemetry import QUIET, silence

OVERRIDES: Final = {
    "prefect": "PREFECT_API_URL",
    "mlflow": "MLFLOW_TRACKING_URI",
    "pages": "PERENNIAL_PAGES_URL",
}
"""Which variable puts a server of one's own in the place of one of ours."""


def client_environment() -> dict[str, str]:
    """What a process needs to find the servers of this home and to keep quiet about it.

    Raises:
        ConfigError: no server was ever started in this home and the environment names none.
    """
    now = settings()
    found = addresses()
    return {
        **{switch: os.environ.get(switch, off) for switch, off in QUIET.items()},
        "PERENNIAL_HOME": str(now.home),
        "PERENNIAL_STORE": now.store_uri,
        "PERENNIAL_MODELS": str(now.models),
        "PERENNIAL_PAGES_URL": found.pages,
        "PREFECT_HOME": str(now.home / "prefect"),
        "PREFECT_API_URL": found.prefect_api,
        "MLFLOW_TRACKING_URI": found.mlflow,
        "BENTOML_HOME": str(now.home / "bentoml"),
    }


def stack_environment() -> dict[str, str]:
    """The environment of every process below the supervisor, the marker included."""
    return {
        **os.environ,
        **client_environment(),
        MARKER: read_places().identity,
        "SPT_NOENV": "1",  # a library that renames processes leaves their environment readable
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "PYTHONUNBUFFERED": "1",
        "PREFECT_CLI_PROMPT": "false",
    }


def adopt() -> None:
    """Let this process and its children use the servers of this home, where there are any."""
    silence(os.environ)
    try:
        export()
    except ConfigError:  # nothing was started yet: commands that need a server say so themselves
        return


def export() -> None:
    """From here on this process and its children talk to the servers of this home.

    Raises:
        ConfigError: no server was ever started in this home and the environment names none.
    """
    variables = client_environment()
    make_home()
    with clear_errors():  # Prefect makes this folder only where its parent is there
        Path(variables["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    os.environ.update(variables)
    if "prefect.context" in sys.modules:  # Prefect has read its settings, once, at its import
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def is_replaced(server: str) -> bool:
    """Whether the environment names a server of one's own in the place of one of ours."""
    given = os.environ.get(OVERRIDES[server], "").rstrip("/")
    own = addresses_of(read_ports())
    ours = {"prefect": own.prefect_api, "mlflow": own.mlflow, "pages": own.pages}[server]
    return given not in {"", ours}

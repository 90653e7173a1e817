"""A home of its own for what is only tried: no server, store or registry of a real one in reach."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.settings import settings

_NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: whoever asked a server from a shadow would fail at once, and be found."""

_REAL: Final = ("PERENNIAL_STORE", "PERENNIAL_DATABASE_URL", "PERENNIAL_ALERTS", "PERENNIAL_LEASES")


@contextmanager
def shadow_home(**variables: str) -> Iterator[Path]:
    """A folder that is the home of this process and its children for the block, then gone.

    Models are declared where they were. Tables, artifacts and reports go into the folder; the
    database, MLflow, Prefect and the channels of the real home cannot be reached from it.

    Args:
        variables: of the environment, set for the block too.
    """
    models = str(settings().models)
    with TemporaryDirectory(prefix="perennial-shadow-") as folder:
        own = {
            "PERENNIAL_HOME": folder,
            "PERENNIAL_MODELS": models,
            "PERENNIAL_PAGES_URL": _NOWHERE,
            "MLFLOW_TRACKING_URI": _NOWHERE,
            "PREFECT_API_URL": f"{_NOWHERE}/api",
            **variables,
        }
        before = {name: os.environ.get(name) for name in (*_REAL, *own)}
        try:
            _set({**dict.fromkeys(_REAL), **own})
            yield Path(folder)
        finally:
            _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    settings.cache_clear()

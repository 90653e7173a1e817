"""A home of its own for what is only tried: no server, store or registry of a real one in reach."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from infra.scratch import scratch, sweep
from infra.settings import settings

_NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: whoever asked a server from a shadow would fail at once, and be found."""

_REAL: Final = ("PERENNIAL_STORE", "PERENNIAL_DATABASE_URL", "PERENNIAL_ALERTS", "PERENNIAL_LEASES")


@contextmanager
def shadow_home(folder: Path | None = None, **variables: str) -> Iterator[Path]:
    """A folder that is the home of this process and its children for the block.

    Models are declared where they were. Tables, artifacts and reports go into the folder; the
    database, MLflow, Prefect and the channels of the real home cannot be reached from it.

    Args:
        folder: one that stays. Without it there is one among the working folders of the real home
            that goes with the block; what a kill leaves of that the next one removes.
        variables: of the environment, set for the block too.
    """
    models = str(settings().models)
    with nullcontext(folder) if folder else _passing() as home:
        own = {
            "PERENNIAL_HOME": str(home),
            "PERENNIAL_MODELS": models,
            "PERENNIAL_PAGES_URL": _NOWHERE,
            "MLFLOW_TRACKING_URI": _NOWHERE,
            "PREFECT_API_URL": f"{_NOWHERE}/api",
            **variables,
        }
        before = {name: os.environ.get(name) for name in (*_REAL, *own)}
        try:
            _set({**dict.fromkeys(_REAL), **own})
            yield home
        finally:
            _set(before)


def _passing() -> AbstractContextManager[Path]:
    sweep()
    return scratch("shadow")


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    settings.cache_clear()

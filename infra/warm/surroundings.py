"""What a start depends on before a run says anything: what can be shared, and what cannot."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from infra.settings import PROJECT

ENGINE: Final = "prefect.engine"
PREPARING: Final = "prefect.runner._workspace_supervisor"
"""Prepares a workspace and puts the engine's interpreter in its own place."""

OF_ONE_RUN: Final = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "DASK_DISTRIBUTED__DIAGNOSTICS__NVML",
        "PERENNIAL_LEASE",
        "PERENNIAL_LEASES",
        "PERENNIAL_LEASE_DEVICES",
        "TRACEPARENT",
        "TRACESTATE",
        "BAGGAGE",
    }
)
"""Variables that no import reads, or that are read again when a run begins, as Dask's are: what
differs in these alone starts from the same imports."""

_INTERNAL = "PREFECT__"
"""Begins the names of what Prefect tells a run of itself: read when the run begins."""

AT_IMPORT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
"""What keeps NumPy, Arrow and delta-rs from starting threads while they are imported."""

_SETTINGS_FILES = ("prefect.toml", "pyproject.toml", ".env", "matplotlibrc")

INSTALLED: Final = (
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.client.orchestration",
    "prefect.deployments.steps",
    "anyio._backends._asyncio",
    "pandas",
    "pyarrow.dataset",
    "sklearn.ensemble",
    "distributed",
    "mlflow.sklearn",
    "bentoml",
    "great_expectations",
    "evidently",
    "deltalake",
    "skops.io",
    "matplotlib.figure",
    "torch",
)
"""What most runs import, where it is installed."""

OURS: Final = ("infra.garbage", "infra.tracking", "infra.store", "flows.*", "tasks.*")
"""The same of this project, for runs that work in its folder."""

HIDDEN: Final = ("polars",)
"""What these never have while they import: it would start threads."""


class ColdError(Exception):
    """Why a run is started by a new interpreter."""


class Surroundings(NamedTuple):
    """What imports may have read: runs that agree in it start from the same ones."""

    variables: tuple[tuple[str, str], ...]
    folder: str
    """Where they work, empty for a folder of their own in which there is nothing to import."""

    @classmethod
    def of(
        cls, environment: Mapping[str, str], folder: Path | str | None
    ) -> "tuple[str, Surroundings]":
        """The folder of a start, and its surroundings."""
        place = str(Path(folder or ".").resolve())
        shared = sorted(item for item in environment.items() if not _is_of_one_run(item[0]))
        with os.scandir(place) as found:
            return place, cls(tuple(shared), place if any(found) else "")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the process that imports."""
        return {**dict(self.variables), **AT_IMPORT}

    @property
    def imports(self) -> tuple[str, ...]:
        """What is imported: packages of ours only where these names are ours."""
        return (*OURS, *INSTALLED) if self.folder == str(PROJECT) else INSTALLED

    @property
    def hidden(self) -> tuple[str, ...]:
        """What is not there while they import, of what is hidden from our own runs."""
        return HIDDEN if self.folder == str(PROJECT) else ()

    @property
    def watched(self) -> list[str]:
        """Files whose change changes what Prefect has read of its settings."""
        home = dict(self.variables).get("PREFECT_HOME") or Path("~/.prefect").expanduser()
        profiles = dict(self.variables).get("PREFECT_PROFILES_PATH") or f"{home}/profiles.toml"
        return [*(str(Path(self.folder or "/", name)) for name in _SETTINGS_FILES), profiles]


def module_of(command: list[str], environment: Mapping[str, str]) -> str:
    """What a command runs that can be run in a process that is there.

    Raises:
        ColdError: it is another command, or another interpreter.
    """
    program, *rest = command
    found = shutil.which(program, path=environment.get("PATH"))
    if found != sys.executable or rest[:1] != ["-m"]:
        raise ColdError("its command is not Prefect's engine by the worker's interpreter")
    if rest[1:] == [ENGINE]:
        return ENGINE
    if rest[1:2] == [PREPARING]:
        return PREPARING
    raise ColdError(f"its command runs {' '.join(rest[1:2]) or 'nothing'}, not Prefect's engine")


def _is_of_one_run(name: str) -> bool:
    return name in OF_ONE_RUN or name.startswith(_INTERNAL)

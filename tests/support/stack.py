"""The embedded stack for tests: started once for a session, stopped for certain."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.addresses import Addresses
from infra.settings import settings

_OURS = ("PERENNIAL_", "PREFECT_", "MLFLOW_", "BENTOML_")
_WITHOUT_BLOCKS = {"PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false"}
"""Prefect registers them for a second when a server first starts, and no test has a use for one."""

_READ: dict[frozenset[tuple[str, str]], Any] = {}
"""What Prefect read from the variables that are its own."""


class Stack:
    """A running stack: its home, its addresses, and the environment that finds it."""

    def __init__(self, home: Path, addresses: Addresses, environment: dict[str, str]) -> None:
        self.home = home
        self.addresses = addresses
        self.environment = environment

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This process uses the stack, Prefect's and MLflow's clients included."""
        with surroundings(self.environment):
            yield


@contextmanager
def surroundings(variables: dict[str, str]) -> Iterator[None]:
    """The environment without what names a stack, but with `variables`; as before afterwards."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(_OURS)]:
        del os.environ[name]
    os.environ.update(variables)
    forget()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        forget()


def forget() -> None:
    """Let everything that was read from the environment be read anew."""
    settings.cache_clear()
    if "prefect.context" in sys.modules:
        _let_prefect_forget()
    if "infra.database" in sys.modules:
        from infra.database import disconnect

        disconnect()
    if "mlflow" in sys.modules:
        import mlflow

        mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI"))


def _let_prefect_forget() -> None:
    """Prefect reads its settings in 20 ms; tests come back to the same ones, read once."""
    from prefect import context
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as BEAT

    given = frozenset(item for item in os.environ.items() if item[0].startswith("PREFECT_"))
    if given not in _READ:
        context.refresh_global_settings_context()
        read = context.GLOBAL_SETTINGS_CONTEXT
        # A flow in this process would wait up to a second at its end for the thread that beats.
        settings = read.settings.copy_with_update(updates={BEAT: None})
        _READ[given] = context.SettingsContext(profile=read.profile, settings=settings)
    context.GLOBAL_SETTINGS_CONTEXT = _READ[given]


@contextmanager
def fresh_home(folder: Path) -> Iterator[Path]:
    """A home of its own in `folder`; whatever was started there is stopped and deleted."""
    from infra.stack import erase

    home = {"PERENNIAL_HOME": str(folder), **_WITHOUT_BLOCKS}
    try:
        with surroundings(home):
            yield folder
    finally:
        with surroundings(home):  # whatever the test did to the environment
            erase()


@contextmanager
def running_stack(folder: Path, **variables: str) -> Iterator[Stack]:
    """A stack in `folder`, with variables of its own, that ends with this process at the latest."""
    from infra.environment import client_environment
    from infra.stack import erase, up

    home = {"PERENNIAL_HOME": str(folder), **_WITHOUT_BLOCKS}
    try:
        with surroundings({**home, **variables}):
            stack = Stack(folder, up(owner=os.getpid()), client_environment())
        yield stack  # in the session's own environment: other tests do not see the stack
    finally:
        with surroundings(home):
            erase()


def eventually(claim: Callable[[], object], within_s: float) -> None:
    """Wait until a claim holds."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.2)

"""Fixtures of every test: a home of one's own, and the stack that a whole session shares."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from xdist.remote import Producer  # type: ignore[import-untyped]

import infra.garbage  # noqa: F401 - a process that tests is one more to which what it imports stays
from infra.settings import settings
from tests.support.nvml.library import CUDA, SIGHT, built, compiled, compiler
from tests.support.side_by_side import FilesSideBySide, end_what_is_not_needed, tell_needs
from tests.support.stack import Stack, forget, fresh_home, running_stack
from tests.support.webhooks import Webhook, receiver


def pytest_configure() -> None:
    """Every client of Prefect's reads the machine's certificates, 16 ms each time: here it is one.

    It is nobody's, and no test has a server with certificates. Prefect reads it at its import.
    What hypothesis tries may take as long as it does: a machine that is busy refutes no claim.
    """
    os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "nobody.pem")
    hypothesis.settings.register_profile("busy", deadline=None)
    hypothesis.settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesSideBySide:
    """How files are divided where several processes test."""
    return FilesSideBySide(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Say what they need before xdist says that they are known."""
    tell_needs(session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Servers that no further file needs end here."""
    done = yield
    end_what_is_not_needed(item, nextitem)
    return done


@pytest.fixture(scope="session", autouse=True)
def _sockets_of_the_session() -> Iterator[None]:
    """What lies outside of its home, because a socket's path is short, goes with the session."""
    with (
        tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(folder).chmod(0o711)  # the database's user passes through
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def _home_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the home of the checkout, which is the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("session") / "home"))
        forget()
        yield


@pytest.fixture(autouse=True)
def _environment_stays() -> Iterator[None]:
    """What a command that is called in a test's own process exports ends with the test."""
    before = _exported()
    yield
    settings.cache_clear()  # a variable that a test has patched was read, and is gone again
    if _exported() != before:
        for name in _exported().keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
        forget()


def _exported() -> dict[str, str]:
    """The environment without pytest's own word on where it is."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A fresh ``PERENNIAL_HOME``; what a test starts in it is stopped and deleted."""
    with fresh_home(tmp_path / "home") as folder:
        yield folder


@pytest.fixture(scope="session")
def team() -> Iterator[Webhook]:
    """Where the channel ``team`` of the session's stack leads."""
    with receiver() as hook:
        yield hook


@pytest.fixture(scope="session")
def _session_stack(tmp_path_factory: pytest.TempPathFactory, team: Webhook) -> Iterator[Stack]:
    alerts = json.dumps({"team": team.address})
    folder = tmp_path_factory.mktemp("stack") / "home"
    with running_stack(folder, PERENNIAL_ALERTS=alerts) as stack:
        yield stack


@pytest.fixture(scope="session")
def models(_session_stack: Stack) -> Path:
    """Where the models of the session's stack are declared, each under a name of its own.

    One folder for all: runs that agree in their environment start from the same imports.
    """
    folder = _session_stack.home.with_name("models")
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def stack(_session_stack: Stack) -> Stack:
    """The embedded stack, started once; a test that asks for it runs in its environment.

    Fixtures of a wider scope than one test enter it themselves: ``with stack.entered():``.
    """
    return _session_stack


@pytest.fixture(autouse=True)
def _in_the_stack(request: pytest.FixtureRequest) -> Iterator[None]:
    if "stack" not in request.fixturenames or "home" in request.fixturenames:
        yield
        return
    with request.getfixturevalue("stack").entered():
        yield


@pytest.fixture(scope="session")
def _half_a_year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.deliveries import (  # heavy: only where it is used
        HALF_A_YEAR,
        ingested,
        offline_home,
    )

    made = _shared(tmp_path_factory) / "half-a-year"
    ready = made / "ready"
    with FileLock(f"{made}.lock"):  # whoever tests beside this process waits, and finds it made
        if not ready.exists():
            with offline_home(made / "home"):
                for month in HALF_A_YEAR:
                    ingested(month)
            ready.touch()
    # Inspections write what they found: each process into a home of its own.
    return shutil.copytree(made / "home", tmp_path_factory.mktemp("feed") / "home")


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all processes that test side by side, or of the only one."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def half_a_year(_half_a_year: Path) -> Iterator[Path]:
    """The home, without servers, that holds January to June of the flights: commit nothing."""
    from tests.support.deliveries import offline_home

    with offline_home(_half_a_year) as folder:
        yield folder


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a driver's library that answers from a file: for ``LD_LIBRARY_PATH``."""
    if sys.platform != "linux":
        pytest.skip("the simulated NVML is a library of Linux")
    if compiler() is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the simulated NVML with")
    return built(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def cuda_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CUDA library whose device is memory of this machine."""
    if compiler() is None:
        pytest.skip("no C compiler (cc, gcc or clang) to build the simulated CUDA with")
    return compiled(CUDA, tmp_path_factory.mktemp("cuda"), "libcuda.so.1", "cu*")


@pytest.fixture(scope="session")
def driver_library(nvml_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a driver's libraries; CUDA shows what a process's variables allow."""
    folder = tmp_path_factory.mktemp("driver")
    built(folder)
    return compiled(SIGHT, folder, "libcuda.so.1", "cu*")

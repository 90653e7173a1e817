"""The embedded PostgreSQL against its real binaries, and a server of one's own in its place."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import asyncpg  # type: ignore[import-untyped]  # ships no types
import psutil
import psycopg2
import pytest
import sqlalchemy
from pydantic import SecretStr

from infra import postgres
from infra.databases import create_databases, database_url, database_urls, embedded_url, reach
from infra.errors import BackendError, ConfigError
from infra.places import LONGEST_SOCKET_FOLDER, Embedded, Places, make_places, read_places
from infra.settings import settings
from tests.support.own_server import own_server
from tests.support.stack import eventually, fresh_home, surroundings

T = TypeVar("T")
_AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def _initialised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with fresh_home(tmp_path_factory.mktemp("postgres") / "home") as folder:
        postgres.prepare(make_places())
        yield folder


@pytest.fixture
def initialised(_initialised: Path) -> Iterator[Path]:
    """A home whose database is made once for this module; each test starts and stops it."""
    with surroundings({"PERENNIAL_HOME": str(_initialised)}):
        yield _initialised


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """The URL of a server of one's own."""
    with own_server() as url:
        yield url


@contextmanager
def started() -> Iterator[tuple[Places, Embedded]]:
    """The embedded server of this home, with its databases, stopped at the end."""
    places = postgres.prepare(make_places())
    assert places.embedded is not None
    server = launch(places.embedded)
    try:
        create_databases(places)
        yield places, places.embedded
    finally:
        postgres.stop(places.embedded)
        server.wait(10)


def of_each_alive(embedded: Embedded, ask_it: Callable[[psutil.Process], T]) -> list[T]:
    """The answer of each of the server's processes; those that are gone by now give none."""
    answers = []
    for process in postgres.server_processes(embedded.database):
        with suppress(psutil.NoSuchProcess):
            answers.append(ask_it(process))
    return answers


def launch(embedded: Embedded) -> "subprocess.Popen[bytes]":
    """The embedded server without its supervisor, once it answers."""
    postgres.clean_up_after_kill(embedded)
    server = subprocess.Popen(
        postgres.server_command(embedded),
        stderr=subprocess.DEVNULL,
        cwd="/",
        **postgres.as_user(embedded.database.stat().st_uid),
    )
    deadline = time.monotonic() + 60
    while not postgres.answers(embedded):
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return server


def ask(url: str, *statements: str) -> object:
    """The answer of the last statement, each in a transaction of its own."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    answer = None
    for statement in statements:
        with engine.begin() as connection:
            result = connection.execute(sqlalchemy.text(statement))
            answer = result.scalar() if result.returns_rows else None
    return answer


def test_the_server_starts_with_three_databases_on_a_closed_socket_and_no_port(
    initialised: Path,
) -> None:
    """Only the socket is open, only for its users, and the encoding does not follow the locale."""
    with started() as (_, embedded):
        encoding = ask(database_url("mlflow"), "SHOW server_encoding")
        role = ask(database_url("perennial"), "SELECT current_user")
        listening = of_each_alive(embedded, lambda process: process.net_connections("tcp"))
        rules = (embedded.database / "pg_hba.conf").read_text()

        assert (encoding, role) == ("UTF8", "perennial")
        assert listening
        assert not any(listening)
        assert rules == "local all perennial peer map=perennial\n"
        assert stat.S_IMODE(embedded.sockets.stat().st_mode) == 0o700
        assert reach().startswith("18.")


@pytest.mark.skipif(not _AS_ROOT, reason="needs root to see whom root's server runs as")
def test_as_root_the_server_runs_as_a_user_without_rights(initialised: Path) -> None:
    """PostgreSQL refuses root; no folder outside ours changes its mode for it."""
    parents = [*initialised.parents]
    before = [folder.stat().st_mode for folder in parents]

    with started() as (_, embedded):
        users = {uids.real for uids in of_each_alive(embedded, psutil.Process.uids)}

    assert 0 not in users
    assert len(users) == 1
    assert [folder.stat().st_mode for folder in parents] == before


@pytest.mark.skipif(not _AS_ROOT, reason="needs root to become another user")
def test_an_ordinary_user_gets_a_server_of_its_own(initialised: Path) -> None:
    """Without root the server runs as the user itself, and its peer rule lets that user in."""
    folder = Path(tempfile.mkdtemp(prefix="perennial-user-"))
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def work() -> None:
        os.environ["PERENNIAL_HOME"] = str(folder / "home")
        settings.cache_clear()
        with started() as (_, embedded):
            assert ask(database_url("perennial"), "SELECT 1") == 1
            assert embedded.database.stat().st_uid == nobody.pw_uid
            assert embedded.database.is_relative_to(folder)

    with started():  # what the child needs is imported: it may not reach the interpreter's files
        assert ask(database_url("perennial"), "SELECT 1") == 1
    try:
        assert _as_user(nobody, work) == 0
    finally:
        shutil.rmtree(folder)


def test_a_deep_home_gets_a_short_socket_folder_that_is_remembered(tmp_path: Path) -> None:
    """A socket's path holds 107 bytes; the home may be deeper."""
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "home"

    with fresh_home(deep):
        with started() as (places, embedded):
            answer = ask(database_url("prefect").replace("asyncpg", "psycopg2"), "SELECT 1")
        again = postgres.prepare(make_places())

        assert answer == 1
        assert len(os.fsencode(embedded.sockets)) <= LONGEST_SOCKET_FOLDER
        assert len(os.fsencode(places.sockets)) <= LONGEST_SOCKET_FOLDER
        assert again == places == read_places()


def test_what_was_committed_survives_a_kill(initialised: Path) -> None:
    """After kill -9 of every process the next start recovers, stale lock files and all."""
    with started() as (_, embedded):
        url = database_url("perennial")
        ask(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        of_each_alive(embedded, psutil.Process.kill)
        eventually(lambda: not postgres.server_processes(embedded.database), within_s=10)
        stale = (embedded.database / "postmaster.pid").exists()

        again = launch(embedded)
        kept = ask(url, "SELECT n FROM kept")
        postgres.stop(embedded)
        again.wait(10)

    assert stale
    assert kept == 7


def test_stop_leaves_no_process_even_with_a_client_at_work(initialised: Path) -> None:
    """A fast stop does not wait for clients; nothing of the server is left when it returns."""
    with started() as (places, embedded):
        client = psycopg2.connect(embedded_url(places, "perennial").replace("+psycopg2", ""))
        with closing(client), client.cursor() as cursor:
            cursor.execute("SELECT 1")
            began = time.monotonic()

            postgres.stop(embedded)

    assert time.monotonic() - began < 30
    assert postgres.server_processes(embedded.database) == []
    assert not (embedded.database / "postmaster.pid").exists()


def test_a_database_of_another_major_version_is_refused(initialised: Path) -> None:
    """The wheel may move on; the data then waits for a person instead of being tried."""
    places = postgres.prepare(make_places())
    assert places.embedded is not None
    version = places.embedded.database / "PG_VERSION"
    version.write_text("17\n")

    try:
        with pytest.raises(ConfigError, match=r"made by PostgreSQL 17; the wheel holds 18\."):
            postgres.prepare(places)
    finally:
        version.write_text("18\n")


def test_a_server_of_ones_own_takes_the_place_of_the_embedded_one(
    home: Path, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``PERENNIAL_DATABASE_URL`` over TCP with a password: the databases are made once."""
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", own_url)
    settings.cache_clear()
    places = make_places()

    create_databases(places)
    create_databases(places)
    urls = database_urls()

    assert ask(urls.perennial, "SELECT current_database()") == "perennial"
    assert ask(urls.mlflow, "SELECT current_database()") == "mlflow"
    assert asyncio.run(_ask_asyncpg(urls.prefect)) == "prefect"
    assert places.embedded is None


def test_a_wrong_password_is_an_error_that_does_not_show_it(
    home: Path, own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the reason and the variable; secrets stay out of it."""
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", own_url.replace("secret", "guessed"))
    settings.cache_clear()

    with pytest.raises(BackendError, match="password authentication failed") as caught:
        create_databases(make_places())

    assert "guessed" not in str(caught.value)
    assert "PERENNIAL_DATABASE_URL" in caught.value.advice
    assert isinstance(settings().database_url, SecretStr)


def test_a_database_that_is_gone_says_so_with_a_hint(initialised: Path) -> None:
    """The error of a client names what to do, whatever the driver said."""
    with started():
        pass

    with pytest.raises(BackendError, match="PostgreSQL does not answer") as caught:
        reach()

    assert "perennial up" in caught.value.advice


async def _ask_asyncpg(url: str) -> str:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return str(await connection.fetchval("SELECT current_database()"))
    finally:
        await connection.close()


def _as_user(user: pwd.struct_passwd, work: Callable[[], None]) -> int:
    """The exit code of a child that does some work as another user.

    A fork, not a new interpreter: that user may not reach the interpreter's own files.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.chdir("/")
            os.environ["HOME"] = "/nonexistent"
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

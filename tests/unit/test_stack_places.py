"""Addresses, folders, processes and URLs of a stack: what needs no server to be seen."""

import errno
import json
import os
import socket
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from infra import keeper, places, prefect_file, processes
from infra.addresses import (
    HOST,
    Addresses,
    addresses,
    is_free,
    keep_ports,
    ports_file,
    require_free,
)
from infra.databases import database_urls, unreachable
from infra.environment import client_environment, is_replaced
from infra.errors import ConfigError, ResourceError
from infra.places import LONGEST_SOCKET_FOLDER, make_places, read_places
from infra.private import explained, is_private
from infra.processes import ProcessIdentity
from infra.settings import settings
from infra.stack.pages import index_page
from infra.starts import start_of


def test_ports_are_chosen_once_and_kept(home: Path) -> None:
    """Links live as long as the file does."""
    home.mkdir()

    first = keep_ports()

    assert keep_ports() == first
    assert len(set(first.model_dump().values())) == 3
    assert all(20_000 <= port < 32_000 for port in first.model_dump().values())


def test_without_a_start_there_is_no_address_and_the_error_says_what_to_run(home: Path) -> None:
    """A command before the first `up` ends in a sentence."""
    with pytest.raises(ConfigError, match="No server was ever started") as caught:
        addresses()

    assert "perennial up" in caught.value.advice


def test_a_damaged_file_of_ports_is_an_error_that_names_it(home: Path) -> None:
    """Half a file is not read as other ports."""
    home.mkdir()
    ports_file().write_text('{"prefect": ')

    with pytest.raises(ConfigError, match=r"addresses\.json is damaged"):
        addresses()


def test_the_environment_puts_other_servers_in_place(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production each address may be another; our own ones count as ours."""
    home.mkdir()
    keep_ports()
    ours = addresses()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ours.mlflow)
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example/api/")

    found = addresses()

    assert found.prefect_api == "https://prefect.example/api"
    assert found.prefect_ui == "https://prefect.example"
    assert (is_replaced("prefect"), is_replaced("mlflow"), is_replaced("pages")) == (
        True,
        False,
        False,
    )


def test_a_page_has_an_address_only_under_the_reports(home: Path) -> None:
    """What the page server does not show gets no link."""
    found = Addresses(prefect_api="a", prefect_ui="b", mlflow="c", pages="http://127.0.0.1:1")

    link = found.page(home / "reports" / "flights" / "a b.html")

    assert link == "http://127.0.0.1:1/flights/a%20b.html"
    with pytest.raises(ConfigError, match="is no report"):
        found.page(home / "stack" / "password")


def test_a_port_that_is_taken_names_who_listens(home: Path) -> None:
    """The message has the port and the process."""
    with closing(socket.socket()) as taker:
        taker.bind((HOST, 0))
        taker.listen()
        port = taker.getsockname()[1]

        with pytest.raises(ResourceError, match=rf"{port}.* is taken by process {os.getpid()}"):
            require_free("MLflow server", port)

    assert is_free(port)


def test_what_the_stack_writes_down_is_for_its_user_alone(home: Path) -> None:
    """Passwords lie in a folder of mode 0700, in files of mode 0600."""
    found = make_places()

    assert stat.S_IMODE((home / "stack").stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "stack" / "places.json").stat().st_mode) == 0o600
    assert is_private(found.sockets, os.geteuid())
    assert read_places() == make_places() == found


def test_a_socket_folder_that_was_cleaned_away_is_made_anew(tmp_path: Path) -> None:
    """The temporary folder is emptied at boot; the identity of the home stays."""
    from tests.support.stack import fresh_home

    with fresh_home(tmp_path / ("d" * 90)):
        first = make_places()
        first.sockets.rmdir()

        second = make_places()

    assert second.identity == first.identity
    assert len(os.fsencode(second.sockets)) <= LONGEST_SOCKET_FOLDER
    assert not second.sockets.is_relative_to(tmp_path)


def test_a_folder_open_to_others_is_not_private(tmp_path: Path) -> None:
    """A link or a wider mode may be somebody else's work."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    (tmp_path / "link").symlink_to(folder)

    assert not is_private(folder, os.geteuid())
    assert not is_private(tmp_path / "link", os.geteuid())
    assert not is_private(tmp_path / "absent", os.geteuid())


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, ResourceError, "is full"),
        (errno.EROFS, ConfigError, "cannot be written"),
        (errno.EACCES, ConfigError, "cannot be written"),
        (errno.EIO, ResourceError, "Input/output error"),
    ],
)
def test_what_the_system_refuses_becomes_an_error_with_a_hint(
    home: Path, number: int, kind: type[Exception], words: str
) -> None:
    """A full disk and a read-only home are facts with something to do about them."""
    refused = OSError(number, os.strerror(number), "/somewhere")

    error = explained(refused)

    assert isinstance(error, kind)
    assert words in str(error)
    assert error.advice


def test_a_full_disk_leaves_the_old_file_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half way is never seen by a reader."""
    made = make_places()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ResourceError, match="is full"):
        places.remember(made.model_copy(update={"identity": "other"}))

    assert read_places() == made


def test_a_process_is_known_by_its_start_as_well() -> None:
    """Pids are used again: another process of the same number is another process."""
    me = ProcessIdentity.of(os.getpid())

    other = ProcessIdentity(pid=me.pid, started=f"{me.started}0")

    assert me.alive
    assert not other.alive
    with pytest.raises(ConfigError, match="no process 4194305"):
        ProcessIdentity.of(2**22 + 1)  # one more than Linux gives


def test_a_zombie_has_ended() -> None:
    """In a container whose first process reaps nobody it would be waited for until the end."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = psutil.Process(child.pid)
    began = time.monotonic()

    left = processes.outliving([zombie], patience_s=20)

    assert (left, start_of(child.pid)) == ([], None)
    assert time.monotonic() - began < 10
    child.wait()


def test_processes_are_found_by_their_marker_and_ended_for_certain() -> None:
    """One that ignores SIGTERM is killed; one without the marker is left alone."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    ours, foreign = (
        subprocess.Popen(
            [sys.executable, "-c", f"{stubborn}; time.sleep(60)"],
            env={**os.environ, processes.MARKER: identity},
            stdout=subprocess.PIPE,
        )
        for identity in ("this-home", "another-home")
    )
    for child in (ours, foreign):
        assert child.stdout is not None
        child.stdout.readline()

    found = processes.marked("this-home")
    ended = processes.end(found, patience_s=0.3)

    assert [process.pid for process in found] == [ours.pid]
    assert ended == 1
    assert foreign.poll() is None
    foreign.kill()
    for child in (ours, foreign):
        child.wait(5)
        assert child.stdout is not None
        child.stdout.close()


def test_a_stack_ends_only_when_every_owner_is_gone(tmp_path: Path) -> None:
    """Without owners it stays; one that lives is enough."""
    path = tmp_path / "owners.json"
    mine = ProcessIdentity.of(os.getpid()).model_dump()
    gone = {**mine, "started": "another boot:1"}

    answers = []
    for owners in ([], [mine, gone], [gone], [{"pid": 1}], 7):
        path.write_text(json.dumps(owners))
        answers.append(keeper.owners_gone(path))

    assert answers == [False, False, True, False, False]
    assert not keeper.owners_gone(tmp_path / "absent.json")
    assert keeper.is_deleted(tmp_path / "absent")
    assert not keeper.is_deleted(tmp_path)


def test_urls_of_a_server_of_ones_own_name_each_driver(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ``sslmode`` of libpq is asyncpg's ``ssl``; a database in the given URL does not stay."""
    given = "postgres://me:p%40ss@db.example:5433/other?sslmode=require"
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", given)
    settings.cache_clear()

    urls = database_urls()

    server = "me:p%40ss@db.example:5433"
    assert urls.perennial == f"postgresql+psycopg2://{server}/perennial?sslmode=require"
    assert urls.mlflow == f"postgresql+psycopg2://{server}/mlflow?sslmode=require"
    assert urls.prefect == f"postgresql+asyncpg://{server}/prefect?ssl=require"


def test_a_url_of_another_database_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite loses Prefect's events; the message shows the form and no password."""
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "mysql://me:secret@db")
    settings.cache_clear()

    with pytest.raises(ConfigError, match="no PostgreSQL URL") as caught:
        database_urls()

    assert "secret" not in str(caught.value)
    assert "secret" not in str(unreachable(RuntimeError("no route to host")))


def test_clients_get_every_address_and_keep_quiet(home: Path) -> None:
    """What a flow's process needs comes by its environment; nothing calls home."""
    home.mkdir()
    keep_ports()

    found = client_environment()

    assert found["PREFECT_API_URL"] == addresses().prefect_api
    assert found["PREFECT_HOME"] == str(home / "prefect")
    assert found["BENTOML_HOME"] == str(home / "bentoml")
    assert found["DO_NOT_TRACK"] == "true"


def test_prefects_file_is_written_for_a_home_in_the_project_only(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Homes elsewhere do not compete for the file in the project."""
    home.mkdir()
    keep_ports()
    monkeypatch.setattr(prefect_file, "PROJECT", tmp_path / "elsewhere")

    outside = prefect_file.write()
    monkeypatch.setattr(prefect_file, "PROJECT", tmp_path)
    inside = prefect_file.write()

    assert (outside, inside) == (False, True)
    assert addresses().prefect_api in (tmp_path / "prefect.toml").read_text()


def test_prefects_file_of_somebody_else_is_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a file that carries our mark is ours to change."""
    home.mkdir()
    keep_ports()
    monkeypatch.setattr(prefect_file, "PROJECT", tmp_path)
    (tmp_path / "prefect.toml").write_text("[api]\n")

    written = prefect_file.write()

    assert not written
    assert (tmp_path / "prefect.toml").read_text() == "[api]\n"


def test_prefects_command_finds_a_server_by_the_file_of_its_folder_alone(
    home: Path, tmp_path: Path
) -> None:
    """No file, one that is none, one of another server, and ours."""
    home.mkdir()
    keep_ports()
    file, found = tmp_path / "prefect.toml", []
    texts = ["= no toml", "api = 3\n", '[api]\nurl = "http://127.0.0.1:1/api"\n']

    found.append(prefect_file.found_from(tmp_path))
    for text in (*texts, prefect_file.contents()):
        file.write_text(text, encoding="utf-8")
        found.append(prefect_file.found_from(tmp_path))

    assert found == [False, False, False, False, True]


def test_the_index_lists_the_newest_report_first_and_escapes_names(tmp_path: Path) -> None:
    """A report's name is text, whatever it holds."""
    folder = tmp_path / "flights"
    folder.mkdir()
    for age, name in ((10, "old.html"), (0, "<b>new.html")):
        (folder / name).write_text("")
        os.utime(folder / name, (1_700_000_000 - age, 1_700_000_000 - age))

    page = index_page(tmp_path)

    assert page.index("&lt;b&gt;new") < page.index("old")
    assert "<b>new" not in page
    assert "2 reports" in page


def test_a_report_is_listed_by_its_title_under_its_model_and_flow(tmp_path: Path) -> None:
    """A digest or ``index`` says nothing to a person."""
    folder = tmp_path / "flights" / "monitor" / "2013-05"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<title>flights 2013-05: a &lt; b</title>")

    page = index_page(tmp_path)

    assert "<h2>flights / monitor</h2>" in page
    assert 'href="/flights/monitor/2013-05/index.html">flights 2013-05: a &lt; b</a>' in page


def test_an_empty_index_says_so(tmp_path: Path) -> None:
    """Before the first flow there is nothing, and the page says that."""
    assert "There are no reports yet." in index_page(tmp_path)


@pytest.mark.parametrize("password", ["se%zzcret", "hun#ter2", "pa/ss", "a@b", "p[w", "q?x"])
def test_a_password_that_is_not_encoded_is_refused_and_not_shown(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would quote the part of it that it cannot read."""
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", f"postgresql://u:{password}@127.0.0.1:1")
    settings.cache_clear()

    with pytest.raises(ConfigError) as refused:
        database_urls()

    assert password not in str(refused.value)
    assert "percent-encoded" in str(refused.value)

"""Homes that something happened to: damaged, copied, moved, deleted by hand, looked into."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import claims
from infra.addresses import keep_ports, ports_file
from infra.claims import claim
from infra.errors import ConfigError, PerennialError
from infra.places import Embedded, make_places, places_file, read_places, remember, stack_folder
from infra.processes import MARKER
from infra.settings import settings
from infra.stack import down, erase, is_up, up
from infra.stack.doctor import examine
from infra.stack.forgotten import forgotten
from infra.stack.health import server_status
from infra.stack.supervision import Supervisor
from tests.support.stack import surroundings

_DAMAGES = ["", '{"identity": ', "[]", '{"identity": 7}', "\udcff"]


@pytest.fixture
def used(home: Path) -> Path:
    """A home that has its places and its ports, and in which nothing runs."""
    make_places()
    keep_ports()
    return home


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which databases outside homes are looked for."""
    folder = tmp_path / "var"
    folder.mkdir()
    monkeypatch.setattr(claims, "bases", lambda: (folder,))
    return folder


def database(base: Path, identity: str) -> Path:
    """A folder outside any home that looks like one with a database."""
    data = base / f"perennial-{identity}" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    return data.parent


@pytest.mark.parametrize("damage", _DAMAGES)
@pytest.mark.parametrize(
    "ask", [down, is_up, server_status, read_places, up], ids=lambda f: f.__name__
)
def test_damaged_places_are_an_error_that_says_what_to_do(
    used: Path, damage: str, ask: Callable[[], object]
) -> None:
    """That nothing runs would be a guess."""
    places_file().write_bytes(damage.encode("utf-8", "surrogateescape"))

    with pytest.raises(ConfigError, match=r"places\.json (is damaged|cannot be read)") as caught:
        ask()

    assert "places.json" in str(caught.value.args[0])
    assert caught.value.advice


def test_a_stack_whose_places_are_damaged_is_ended_by_its_other_marks(used: Path) -> None:
    """`down` says that the file is damaged, after it has ended what it can find."""
    marks = {"PERENNIAL_HOME": str(used), MARKER: read_places().identity}
    commands = ({**os.environ, **marks}, {**os.environ, **marks, "PERENNIAL_HOME": "/another"})
    ours, foreign = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
        for environment in commands
    )
    places_file().write_text("{")

    with pytest.raises(ConfigError, match="is damaged"):
        down()

    assert ours.wait(5) == -15
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()


def test_a_damaged_home_is_erased_as_far_as_it_is_known(used: Path, base: Path) -> None:
    """`make clean` goes on, and names what it could not be sure of."""
    folder = database(base, "lost")
    claim(folder, "lost")
    places_file().write_text("{")

    left = erase()

    assert "places.json is damaged" in left[0]
    assert left[1].endswith(f"`rm -r {folder}` deletes it.")
    assert folder.exists()


def test_damaged_owners_are_an_error_that_down_puts_right(used: Path) -> None:
    """With whose end the stack ends is not guessed."""
    (stack_folder() / "owners.json").write_text('[{"pid": ')
    from infra.stack.lifecycle import _owners

    with pytest.raises(ConfigError, match=r"owners\.json is damaged") as caught:
        _owners(stack_folder() / "owners.json")
    down()

    assert "perennial down" in caught.value.advice
    assert not (stack_folder() / "owners.json").exists()


def test_damaged_ports_are_a_finding_of_the_doctor_and_no_reason_not_to_stop(used: Path) -> None:
    """The doctor is asked when something is damaged: it looks at the rest all the same."""
    ports_file().write_text('{"prefect": "x"}')

    checks = {check.name: check for check in examine()}

    assert checks["ports"].verdict == checks["stack"].verdict == "fail"
    assert "rm " in checks["ports"].hint
    assert checks["python"].verdict == "ok"
    assert down() == 0


def test_a_home_whose_places_were_lost_gets_its_identity_and_database_back(
    used: Path, base: Path
) -> None:
    """Deleting a damaged file must not cost the database that it named."""
    before = read_places()
    claim(database(base, before.identity), before.identity)
    places_file().unlink()

    again = make_places()

    assert again.identity == before.identity


def test_a_home_that_was_deleted_and_made_anew_takes_up_no_old_database(
    used: Path, base: Path
) -> None:
    """The tables that the old database speaks of went with the old home."""
    before = read_places()
    claim(database(base, before.identity), before.identity)
    shutil.rmtree(used)

    again = make_places()

    assert again.identity != before.identity


def test_a_copy_of_a_home_leaves_the_stack_of_the_original_alone(used: Path) -> None:
    """Its record names the original's processes and database: `down` there would end them."""
    copy = used.with_name("copy")
    shutil.copytree(used, copy, symlinks=True)
    with surroundings({"PERENNIAL_HOME": str(copy)}):
        with pytest.raises(ConfigError, match="is a copy of") as caught:
            down()
        kept = erase()
        for path in caught.value.advice.partition("`rm ")[2].partition("`")[0].split():
            Path(path).unlink()
        own = make_places()

    assert "is a copy of" in kept[0]
    assert own.identity != read_places().identity
    assert down() == 0


def test_a_home_that_was_moved_is_the_same_home(used: Path) -> None:
    """Nothing else refers to its stack any more."""
    before, moved = read_places(), used.with_name("moved")
    used.rename(moved)

    with surroundings({"PERENNIAL_HOME": str(moved)}):
        after = make_places()

    assert after.identity == before.identity
    assert (after.home, before.home) == (moved, used)


def test_what_is_in_a_home_is_for_its_user_alone(home: Path) -> None:
    """As root the database's user passes through the home itself, and sees no more than that."""
    before = os.umask(0)
    try:
        make_places()
    finally:
        os.umask(before)

    open_to_others = [
        path
        for path in home.iterdir()
        if path.is_dir() and stat.S_IMODE(path.stat().st_mode) & 0o77
    ]
    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert open_to_others == []


def test_a_home_that_was_there_keeps_the_mode_that_somebody_gave_it(home: Path) -> None:
    """It may be any folder: one that others use is not closed to them."""
    home.mkdir()
    home.chmod(0o755)

    make_places()

    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert stat.S_IMODE((home / "logs").stat().st_mode) == 0o700


def test_the_doctor_names_databases_that_nobody_refers_to_and_no_other(
    used: Path, base: Path
) -> None:
    """Deleted by hand, made anew, or from before homes were written down; never deleted by us."""
    mine, anew, unknown, gone = (database(base, name) for name in ("a", "b", "c", "d"))
    for folder in (mine, anew):
        claim(folder, folder.name.removeprefix("perennial-"))
    with surroundings({"PERENNIAL_HOME": str(used.with_name("deleted"))}):
        claim(gone, "d")
    embedded = Embedded(database=mine / "data", sockets=mine, binaries=mine)
    remember(read_places().model_copy(update={"embedded": embedded}))
    (gone / "data" / "rows").write_bytes(b"x" * 2**20)

    found = {each.folder: each for each in forgotten()}
    said = [check for check in examine() if check.name == "forgotten"]

    assert found.keys() == {anew, unknown, gone}
    assert "was made anew" in found[anew].why
    assert "whose it is" in found[unknown].why
    assert "is gone" in found[gone].why
    assert found[gone].size_bytes > 2**20
    assert {check.hint.partition(": ")[2] for check in said} == {f"rm -r {each}" for each in found}
    assert all(folder.exists() for folder in (mine, anew, unknown, gone))


def test_a_path_that_the_supervisor_would_cut_off_is_refused(tmp_path: Path) -> None:
    """Its file knows no way to write a blank before a semicolon."""
    with surroundings({"PERENNIAL_HOME": str(tmp_path / "mine ;yours")}):
        places = make_places()

        with pytest.raises(ConfigError, match="takes the end for a comment") as caught:
            Supervisor(places).launch([])

    assert "PERENNIAL_HOME" in caught.value.advice


def test_a_file_that_is_no_file_is_an_error_of_ours(used: Path) -> None:
    """Whatever the system says about it."""
    places_file().unlink()
    places_file().mkdir()

    with pytest.raises(PerennialError, match="cannot be read"):
        down()

    places_file().rmdir()
    assert json.loads(ports_file().read_text())
    assert settings().home == used

"""What goes wrong on a user's machine: a sentence and a hint first, never a traceback."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from infra.addresses import HOST, keep_ports
from infra.errors import ConfigError
from infra.stack import is_up
from tests.support.deliveries import ingested
from tests.support.flow_runs import begin, over
from tests.support.namespaces import mounted, refused
from tests.support.shell import User, told
from tests.support.small_model import Declared, write_model
from tests.support.stack import fresh_home, surroundings
from tests.support.standing import closed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "conditions"
NOBODY = "postgresql://nobody@127.0.0.1:9"
needs_mounts = pytest.mark.skipif(bool(refused("mount")), reason=refused("mount"))


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """A person with one small model and a home in which nothing was ever started."""
    models = tmp_path / "models"
    write_model(models, MODEL)
    with fresh_home(tmp_path / "home") as home:  # a database, if there came one, goes with it
        yield User(home, {"PERENNIAL_MODELS": str(models)})


@pytest.fixture
def at_work(declared: Declared) -> User:
    """A person whose stack runs and whose model is deployed."""
    return User(Path(declared.environment["PERENNIAL_HOME"]), declared.environment)


@pytest.fixture(scope="module")
def trained_from(declared: Declared) -> str:
    """The model with three months in."""
    with declared.entered():
        for month in ("2024-01", "2024-02", "2024-03"):
            ingested(month, model=declared.name)
    return declared.name


@pytest.fixture
def broken_trainer(declared: Declared) -> Iterator[None]:
    """A trainer that stopped importing after its model was deployed."""
    path = declared.folder / "trainer.py"
    text = path.read_text()
    path.write_text("import no_such_library\n" + text)
    yield
    path.write_text(text)


def changed(user: User, file: str, before: str, after: str) -> None:
    """A file of the model, edited."""
    path = Path(user.environment["PERENNIAL_MODELS"]) / MODEL / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def message(run: FlowRun) -> str:
    """What the page of a failed run says."""
    assert run.state is not None
    assert run.state.name == "Failed", run.state
    return run.state.message or ""


def test_a_typo_in_the_declaration_is_answered_with_the_word_that_was_meant(user: User) -> None:
    """Nothing is deployed, and no server is needed to say so."""
    changed(user, "model.yaml", "min_windows:", "min_window:")

    done = user.perennial("deploy")

    told(done, 2, "training.min_window is not known; did you mean min_windows?", "model.yaml")


def test_an_expectation_that_nobody_knows_is_found_at_deploy(user: User) -> None:
    """Great Expectations would drop it without a word, and the contract would hold less."""
    name = "expect_column_median_to_be_between"
    changed(user, "expectations/rides.json", name, "expect_colum_median_to_be_between")

    done = user.perennial("deploy")

    told(done, 2, "expect_colum_median_to_be_between", "rides.json")


def test_a_trainer_that_does_not_import_is_found_at_deploy(user: User) -> None:
    """A typo fails when a person looks, not at night."""
    changed(user, "trainer.py", "import time", "import tme")

    done = user.perennial("deploy")

    told(done, 2, "trainer:build", "No module named 'tme'")


def test_a_trainer_that_broke_since_fails_its_run_with_the_same_sentence(
    trained_from: str, model: str, broken_trainer: None
) -> None:
    """The task that uses it says which import failed, and what to do."""
    run = over(begin("train", model, as_of=closed("2024-03").isoformat()).id)

    said = message(run)
    assert "trainer:build" in said
    assert "no_such_library" in said
    assert ConfigError.hint in said


def test_a_port_in_use_names_who_listens_there(user: User) -> None:
    """The kept port is not given up: links would lead elsewhere."""
    user.home.mkdir()
    with surroundings({"PERENNIAL_HOME": str(user.home)}):
        port = keep_ports().prefect
    with closing(socket.socket()) as taker:
        taker.bind((HOST, port))
        taker.listen()

        done = user.perennial("up")

    told(done, 1, f"Port {port}", "addresses.json")
    with surroundings({"PERENNIAL_HOME": str(user.home)}):
        assert not is_up()


@needs_mounts
def test_a_read_only_home_is_named_with_the_variable_that_chooses_another(user: User) -> None:
    """Even for root, whom permissions do not bind."""
    user.home.mkdir()

    done = user.perennial("up", within=mounted(f"-t tmpfs -o ro none {user.home}"))

    told(done, 2, str(user.home), "PERENNIAL_HOME")


def test_a_home_where_nothing_can_be_made_is_named_too(user: User) -> None:
    """A place such as /proc takes no folder from anybody."""
    user.environment["PERENNIAL_HOME"] = "/proc/perennial"

    done = user.perennial("up")

    told(done, 2, "/proc/perennial", "PERENNIAL_HOME")


@needs_mounts
@pytest.mark.parametrize("size", ["4k", "60m"])
def test_a_full_disk_is_named_when_the_stack_starts(size: str, user: User) -> None:
    """With the disk and the variable that chooses another, before a server meets it."""
    user.home.mkdir()

    done = user.perennial("up", within=mounted(f"-t tmpfs -o size={size} none {user.home}"))

    told(done, 1, "full", "PERENNIAL_HOME")


@needs_mounts
def test_an_ingest_into_a_full_store_leaves_nothing_half(user: User) -> None:
    """Wherever the disk ends, readers see what they saw before, and with room it goes through."""
    models = Path(user.environment["PERENNIAL_MODELS"])
    write_model(models, "filling")
    store = user.home / "store"
    store.mkdir(parents=True)
    room_kib = ["0", "16", "24", "28", "32"]  # for rows that are staged, tabled, in a manifest
    python = [sys.executable, "-m", "tests.support.filling", str(user.home), *room_kib]

    done = user.types(mounted(f"-t tmpfs -o size=2m none {store}", *python))

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    failed = [(ended, unchanged) for ended, _, _, unchanged in found["full"] if ended]
    assert failed == [("ResourceError", True)] * len(failed)
    assert len(failed) >= 2
    assert all("full" in said and hint for ended, said, hint, _ in found["full"] if ended)
    assert (found["with_room"], found["half"], found["rows"]) == ("", [], 600)


@pytest.mark.parametrize("command", [("status", MODEL), ("review",), ("rollback", MODEL)])
def test_a_database_that_is_gone_is_a_sentence_to_whoever_asks(
    at_work: User, command: tuple[str, ...]
) -> None:
    """It names the variable by which it was looked for, and no password."""
    at_work.environment["PERENNIAL_DATABASE_URL"] = NOBODY.replace("@", ":secret@")
    reason = ("--reason", "it was better") if command[0] == "rollback" else ()

    done = at_work.perennial(*command, *reason)

    told(done, 1, "PostgreSQL does not answer", "PERENNIAL_DATABASE_URL")
    assert "secret" not in done.stderr


def test_a_database_that_is_gone_while_a_flow_runs_is_what_its_page_says(
    trained_from: str, model: str
) -> None:
    """With the hint, after the one more try that such an error is worth."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"score/{model}")
        run = client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"model": model, "as_of": closed("2024-03").isoformat()},
            job_variables={"env": {"PERENNIAL_DATABASE_URL": NOBODY}},
        )

    said = message(over(run.id))

    assert "PostgreSQL does not answer" in said
    assert "Check PERENNIAL_DATABASE_URL" in said


@pytest.mark.parametrize("command", [("deploy", MODEL), ("status", MODEL)], ids=" ".join)
def test_a_prefect_server_that_is_gone_is_a_sentence_with_a_hint(
    at_work: User, command: tuple[str, ...]
) -> None:
    """Whatever library met the closed door."""
    at_work.environment["PREFECT_API_URL"] = "http://127.0.0.1:9/api"

    done = at_work.perennial(*command)

    told(done, 1, "Prefect's server does not answer", "perennial up")


def test_commands_that_need_a_stack_say_that_none_was_started(user: User) -> None:
    """The first thing that somebody tries in a fresh checkout."""
    for command in (("deploy",), ("status", MODEL), ("review",)):
        told(user.perennial(*command), 2, "was ever started", "perennial up")

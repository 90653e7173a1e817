"""What `perennial deploy` says of suites, before any data have come."""

import json
import shutil
from pathlib import Path

import pytest

from deployments.apply import check
from infra.errors import ConfigError
from tasks.governance.spec import ApprovalSpec
from tasks.spec import load_spec
from tests.support.repositories import committed, repository
from tests.support.source_tree import ROOT


@pytest.fixture
def suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the suites that the models of the repository are held to."""
    folder = tmp_path / "expectations"
    shutil.copytree(ROOT / "expectations", folder)
    monkeypatch.setattr("tasks.data.sources.PROJECT", tmp_path)
    return folder


@pytest.mark.parametrize("model", ["flights", "employment"])
def test_the_suites_of_the_repository_pass(model: str, suites: Path) -> None:
    """Every rule of them is one that data can meet."""
    check(load_spec(model))

    assert suites.is_dir()


def test_a_suite_of_no_table_is_a_mistake(suites: Path) -> None:
    """A typo in its name would take the contract away without a word."""
    (suites / "flights" / "wether.json").write_text("{}")

    with pytest.raises(ConfigError, match=r"wether\.json is the suite of no table of flights"):
        check(load_spec("flights"))


def test_a_folder_in_the_place_of_a_suite_is_a_mistake(suites: Path) -> None:
    """It is not the absence of a contract."""
    (suites / "flights" / "planes.json").unlink()
    (suites / "flights" / "planes.json").mkdir()

    with pytest.raises(ConfigError, match=r"The suite .*planes\.json is a folder"):
        check(load_spec("flights"))


def test_an_observed_column_needs_an_observer(suites: Path) -> None:
    """The underscore alone declares nothing."""
    path = suites / "employment" / "people.json"
    document = json.loads(path.read_text())
    document["expectations"][0]["kwargs"]["column"] = "_age"
    path.write_text(json.dumps(document))

    with pytest.raises(ConfigError, match="about '_age', which nobody declares"):
        check(load_spec("employment"))


def test_a_reviewer_without_a_key_is_a_mistake_where_decisions_are_signed(
    suites: Path, tmp_path: Path
) -> None:
    """Nobody would learn of it before a run waits for him."""
    approval = ApprovalSpec(signed=True, signers="signers", reviewers=("ann", "bob"))
    spec = load_spec("flights").model_copy(update={"approval": approval})
    folder = repository(tmp_path)

    with pytest.raises(ConfigError, match="signers, is not there"):
        check(spec)
    (folder / "signers").write_text("ann ssh-ed25519 AAAA\n")
    with pytest.raises(ConfigError, match="not as it was committed"):
        check(spec.model_copy(update={"folder": folder}))
    committed(folder, folder / "signers", "ann ssh-ed25519 AAAA\n")
    with pytest.raises(ConfigError, match="bob may decide about flights, but has no key"):
        check(spec.model_copy(update={"folder": folder}))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("ann ssh-ed25519 AAAA\nbob ssh-ed25519 AAAA\n", "ann, bob sign for flights with one key"),
        ("ann ssh-ed25519 AAAA\nbo? ssh-ed25519 BBBB\n", "signs under any name of a pattern"),
    ],
)
def test_a_key_of_several_people_is_a_mistake_where_several_must_approve(
    suites: Path, tmp_path: Path, lines: str, fault: str
) -> None:
    """Whoever holds it would be two."""
    (tmp_path / "signers").write_text(lines)
    two = ApprovalSpec(approvals=2, signers="signers", reviewers=("ann", "bob"))
    spec = load_spec("flights").model_copy(update={"approval": two, "folder": tmp_path})

    with pytest.raises(ConfigError, match=fault):
        check(spec)

"""Who wrote what a candidate is newly made of, told by a git of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.identity import authors_between, commit
from tasks.governance.authorship import Authorship, written
from tasks.references import Candidate, Champion
from tests.support.homes import environment
from tests.support.repositories import committed, git, head, repository
from tests.support.subjects import bento, candidate

_ANN = "ann <ann@example.org>"


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    """A repository of models of its own, with one model in it; the project's is another."""
    folder = repository(tmp_path)
    committed(folder, folder / "shop" / "trainer.py", "one")
    with environment({"PERENNIAL_MODELS": str(folder)}):
        yield folder


def made_at(state: str) -> Candidate:
    """A candidate of a state of the model's repository."""
    return candidate(2).model_copy(update={"model": "shop", "model_commit": state})


def in_charge(state: str) -> Champion:
    """A champion of a state of the model's repository."""
    return Champion(
        model="shop",
        version=1,
        since=candidate(2).as_of,
        candidate=made_at(state),
        bento=bento(1),
        entry="e",
    )


def test_a_model_in_a_repository_of_its_own_has_its_authors_there(models: Path) -> None:
    """Git is asked in the model's folder, about the commits of that folder."""
    first = head(models)
    last = committed(models, models / "shop" / "trainer.py", "two")

    assert written(made_at(last), in_charge(first)) == Authorship((_ANN,))
    assert written(made_at(last), in_charge(last)) == Authorship(())
    assert written(made_at(last), None) == Authorship((_ANN,))


def test_a_champion_of_a_commit_that_git_does_not_know_makes_all_of_it_new(models: Path) -> None:
    """History was written anew: everybody who wrote the folder is an author of what is new."""
    assert written(made_at(head(models)), in_charge("d" * 40)) == Authorship((_ANN,))


def test_what_nobody_has_committed_is_told(models: Path) -> None:
    """Changed files of a dirty tree, and files that git does not know; data are no code."""
    first = head(models)
    commit.cache_clear()
    (models / "shop" / "trainer.py").write_text("mine")
    (models / "shop" / "rule.py").write_text("mine too")
    (models / "shop" / "rows.csv").write_text("1")

    found = written(made_at(commit(models / "shop")), in_charge(first))
    clean = written(made_at(first), in_charge(first))

    assert found == Authorship((), ("shop/rule.py", "shop/trainer.py"))
    assert clean.uncommitted == ("shop/rule.py",), "what changed after a clean start is no part"


def test_a_file_that_git_knows_counts_whatever_its_kind(models: Path) -> None:
    """A query, a table of names: whoever committed it once takes it for a part of the model."""
    for name in ("names.csv", "rows.sql"):
        first = committed(models, models / "shop" / name, "1")
    commit.cache_clear()
    (models / "shop" / "names.csv").write_text("2")
    (models / "shop" / "rows.sql").write_text("2")
    (models / "shop" / "more.sql").write_text("2")

    found = written(made_at(commit(models / "shop")), in_charge(first))

    assert found.uncommitted == ("shop/more.sql", "shop/names.csv", "shop/rows.sql")


def test_outside_of_git_nobody_is_known(tmp_path: Path) -> None:
    """An archive that was unpacked has no authors, and nothing is made up."""
    (tmp_path / "shop").mkdir()

    with environment({"PERENNIAL_MODELS": str(tmp_path)}):
        assert written(made_at("none"), None) == Authorship(None)


def test_a_clone_without_its_history_knows_no_authors(models: Path, tmp_path: Path) -> None:
    """It would name whoever wrote the oldest commit that it holds, and nobody else."""
    last = committed(models, models / "shop" / "trainer.py", "two")
    git(tmp_path, "clone", "-q", "--depth", "1", models.as_uri(), "shallow")

    assert authors_between(None, last, ["shop"], tmp_path / "shallow") is None


def test_what_the_code_trigger_names_counts_where_it_lies(models: Path) -> None:
    """Paths outside the model's folder are asked of the project's own repository."""
    last = head(models)
    made = made_at(last).model_copy(update={"commit": "none"})

    told = written(made, in_charge(last), ["README.md"])

    assert told.authors is None, "that repository cannot tell"

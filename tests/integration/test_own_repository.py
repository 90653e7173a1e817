"""The trigger `code` of a model whose folder is in a repository of its own."""

from pathlib import Path

import pytest

from deployments.changes import require_paths
from infra.errors import ConfigError
from tasks.governance import evidence_for_candidate, record_verdict
from tasks.governance.starting import train_on_new_code
from tasks.governance.triggers import TriggersSpec
from tasks.references import Refuse
from tasks.spec import load_spec
from tests.support.concluded import deployed, runs_of
from tests.support.repositories import committed, repository
from tests.support.subjects import bento, candidate, comparison


@pytest.mark.usefixtures("ledger_beside_runs")
def test_a_commit_to_a_repository_of_the_models_starts_one_training(
    model: str, tmp_path: Path
) -> None:
    """Held against the commit that the candidate keeps of it, beside what is shared."""
    (tmp_path / "of-models").mkdir()
    here, there = repository(tmp_path), repository(tmp_path / "of-models")
    own = there / model
    made = candidate(2).model_copy(
        update={
            "model": model,
            "commit": committed(here, here / "suites" / "one.json", "one"),
            "model_commit": committed(there, own / "trainer.py", "one"),
        }
    )
    said = Refuse(why="It gains nothing.")
    record_verdict.fn(evidence_for_candidate.fn(made, bento(2), comparison(), said), said)
    deployed(model, "train")

    def asked() -> str:
        return train_on_new_code(model, [str(own), str(here / "suites")], made.as_of, folder=here)

    before = asked()
    committed(there, own / "trainer.py", "two")
    first, again = asked(), asked()

    assert before == again == ""
    assert first == (
        f"A training of {model} was asked for, cause code: since version 2 1 file has changed, "
        "trainer.py."
    )
    assert len(runs_of(model)) == 1


def test_the_trigger_code_is_refused_for_a_folder_that_no_git_knows(tmp_path: Path) -> None:
    """It would never start anything; a repository of its own will do, or paths of this one."""
    spec = load_spec("flights")
    watching = spec.model_copy(
        update={"folder": tmp_path, "triggers": TriggersSpec.model_validate({"code": {}})}
    )
    by_paths = TriggersSpec.model_validate({"code": {"paths": ["tasks/packaging"]}})
    (tmp_path / "of-models").mkdir()
    there = repository(tmp_path / "of-models")
    committed(there, there / "flights" / "model.yaml", "one")

    with pytest.raises(ConfigError, match=r"would never start anything: .* is in no git"):
        require_paths(watching)
    require_paths(watching.model_copy(update={"folder": there / "flights"}))
    require_paths(watching.model_copy(update={"triggers": by_paths}))

"""A model of three classes without a line of code, and an `up` that repairs what differs."""

import os
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets

from deployments.apply import deploy
from infra.serving import withdraw
from infra.tracking import alias, point_alias, tracker
from tests.support.flow_runs import over, run, started
from tests.support.season import status
from tests.support.shell import User
from tests.support.stack import Stack, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "iris"


@pytest.fixture(scope="module")
def lived(
    stack: Stack, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[User, dict[str, Any]]:
    """A person with the stack of the session, and how their model of flowers stands."""
    user = User(stack.home, {**stack.environment, "PERENNIAL_MODELS": str(models)})
    file = tmp_path_factory.mktemp("new") / f"{MODEL}.csv"
    sklearn.datasets.load_iris(as_frame=True).frame.to_csv(file, index=False)
    made = user.perennial("new", MODEL, "--from", str(file), "--target", "target")
    assert made.returncode == 0, made.stderr

    with surroundings(user.environment):
        deploy(MODEL)
        run("ingest", MODEL)
        trained = run("train", MODEL)
        assert trained.state_name == "Promoted", trained.state
        promoted = over(started("promote", MODEL).id)
    assert promoted.state_name == "Promoted"
    return user, status(user, MODEL)


def test_three_classes_from_a_csv_are_promoted(lived: tuple[User, dict[str, Any]]) -> None:
    """Fifty flowers of each kind, trained and promoted by the worker."""
    found = lived[1]

    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "accuracy")
    assert found["champion"]["value"] > 0.85


def test_what_differs_from_the_ledger_is_told_by_status_and_repaired_by_up(
    lived: tuple[User, dict[str, Any]], stack: Stack
) -> None:
    """A hand on MLflow's alias and a lost file change nothing about who is in charge."""
    user = lived[0]
    with tracker() as client:
        point_alias(client, MODEL, "champion", None)
    withdraw(MODEL)

    before = status(user, MODEL)
    up = user.perennial("up", "--owner", str(os.getpid()))
    after = status(user, MODEL)

    with tracker() as client:
        pointed = alias(client, MODEL, "champion")
    assert len(before["differs"]) == 2
    assert "the ledger says 1" in before["differs"][0]
    assert (up.returncode, after["differs"], pointed) == (0, [], 1)
    assert "now at 1" in up.stdout

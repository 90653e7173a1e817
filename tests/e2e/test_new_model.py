"""A third model without a line of code: from a CSV to a verdict, through the real worker."""

import os
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets

from deployments.apply import deploy
from infra.serving import withdraw
from infra.settings import PROJECT
from infra.tracking import alias, point_alias, tracker
from tests.support.flow_runs import over, run, started
from tests.support.season import season, status
from tests.support.shell import User
from tests.support.stack import Stack, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "diabetes"


def bundled(name: str, folder: Path) -> Path:
    """One of scikit-learn's own sets as a CSV file."""
    path = folder / f"{name}.csv"
    getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame.to_csv(path, index=False)
    return path


def newcomer(stack: Stack, folder: Path) -> User:
    """A person with the stack of the session and no models."""
    return User(stack.home, {**stack.environment, "PERENNIAL_MODELS": str(folder / "models")})


@pytest.fixture(scope="module")
def lived(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[User, dict[str, Any]]:
    """A person and how their model of diabetes stands after its first season."""
    folder = tmp_path_factory.mktemp("new")
    user = newcomer(stack, folder)
    flows = ("ingest", "train", "score", "monitor")
    return user, season(user, MODEL, bundled(MODEL, folder), PROJECT, *flows)


def test_a_regression_from_a_csv_is_promoted_scored_and_watched(
    lived: tuple[User, dict[str, Any]],
) -> None:
    """Each command after `perennial new` ends well."""
    found = lived[1]

    ends = {flow: run["state"] for flow, run in found["last"].items() if run}
    assert ends.keys() == {"ingest", "train", "promote", "score", "monitor"}
    assert (ends["ingest"], ends["train"], ends["score"]) == ("Accepted", "Promoted", "Scored")
    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "rmse")
    assert 40 < found["champion"]["value"] < 65
    assert found["verdict"]["window"] == "all"
    assert (found["pending_reviews"], found["differs"]) == ([], [])


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


def test_three_classes_from_a_csv_are_promoted(stack: Stack, tmp_path: Path) -> None:
    """Fifty flowers of each kind, trained and promoted by the worker."""
    user, file = newcomer(stack, tmp_path), bundled("iris", tmp_path)
    made = user.perennial("new", "iris", "--from", str(file), "--target", "target")
    assert made.returncode == 0, made.stderr

    with surroundings(user.environment):
        deploy("iris")
        run("ingest", "iris")
        trained = run("train", "iris")
        assert trained.state_name == "Promoted", trained.state
        promoted = over(started("promote", "iris").id)
    found = status(user, "iris")

    assert promoted.state_name == "Promoted"
    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "accuracy")
    assert found["champion"]["value"] > 0.85

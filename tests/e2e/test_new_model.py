"""A third model without a line of code: from a CSV to a verdict, through the real worker."""

from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets

from infra.settings import PROJECT
from tests.support.season import season
from tests.support.shell import User
from tests.support.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def bundled(name: str, folder: Path) -> Path:
    """One of scikit-learn's own sets as a CSV file."""
    path = folder / f"{name}.csv"
    getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame.to_csv(path, index=False)
    return path


def lived(stack: Stack, folder: Path, name: str, *flows: str) -> dict[str, Any]:
    """How a new model stands after some of its flows."""
    user = User(stack.home, {**stack.environment, "PERENNIAL_MODELS": str(folder / "models")})
    return season(user, name, bundled(name, folder), PROJECT, *flows)


def test_a_regression_from_a_csv_is_promoted_scored_and_watched(
    stack: Stack, tmp_path: Path
) -> None:
    """Four commands after `perennial new`, each of which ends well."""
    found = lived(stack, tmp_path, "diabetes", "ingest", "train", "score", "monitor")

    ends = {flow: run["state"] for flow, run in found["last"].items() if run}
    assert ends.keys() == {"ingest", "train", "promote", "score", "monitor"}
    assert (ends["ingest"], ends["train"], ends["score"]) == ("Accepted", "Promoted", "Scored")
    assert (found["champion"]["version"], found["champion"]["metric"]) == (1, "rmse")
    assert 40 < found["champion"]["value"] < 65
    assert found["verdict"]["window"] == "all"
    assert (found["pending_reviews"], found["differs"]) == ([], [])


def test_three_classes_from_a_csv_are_promoted(stack: Stack, tmp_path: Path) -> None:
    """Fifty flowers of each kind."""
    found = lived(stack, tmp_path, "iris", "ingest", "train", "score")

    assert found["champion"]["metric"] == "accuracy"
    assert found["champion"]["value"] > 0.85
    assert found["last"]["score"]["state"] == "Scored"

"""What these very versions break when nobody looks: each trap that we know, as a test.

That Prefect's server starts, and that it creates scheduled runs, is held in ``test_apply.py``.
"""

import importlib
import subprocess
import sys

import pytest

from infra.settings import PROJECT


@pytest.mark.parametrize(
    "modules",
    [
        ["evidently.metrics"],
        ["great_expectations"],
        ["bentoml", "deltalake", "distributed", "mlflow.sklearn", "skops.io"],
    ],
    ids=["evidently with pandas", "great expectations", "others"],
)
def test_a_library_imports_with_the_versions_of_the_lock(modules: list[str]) -> None:
    """``pip check`` is content with sets of versions in which these die at import."""
    imported = [importlib.import_module(each) for each in modules]

    assert [each.__name__ for each in imported] == modules


def test_importing_a_library_calls_nobody() -> None:
    """Every telemetry switch is off before a library is imported by a command of ours."""
    asked = (
        "import os; from infra.environment import adopt; adopt();"
        "from infra.telemetry import QUIET; print(all(os.environ[name] for name in QUIET))"
    )

    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.stdout.strip() == "True", done.stderr

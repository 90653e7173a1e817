"""What these very versions break when nobody looks: each trap that we know, as a test.

That scheduled runs are created is held in ``test_apply.py``, on a server as `up` starts it.
"""

import subprocess
import sys

import pytest

from infra.settings import PROJECT


def imported(statement: str) -> subprocess.CompletedProcess[str]:
    """The end of a fresh interpreter that was given a statement."""
    return subprocess.run(
        [sys.executable, "-c", statement],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import evidently; from evidently.metrics import ValueDrift",
        "from prefect.server.api.server import create_app; create_app()",
        "import great_expectations",
        "import bentoml, deltalake, distributed, mlflow.sklearn, skops.io",
    ],
    ids=["evidently with pandas", "prefect's server with fastapi", "great expectations", "others"],
)
def test_a_library_imports_with_the_versions_of_the_lock(statement: str) -> None:
    """``pip check`` is content with sets of versions in which these die at import."""
    done = imported(statement)

    assert done.returncode == 0, done.stderr


def test_importing_a_library_calls_nobody() -> None:
    """Every telemetry switch is off before a library is imported by a command of ours."""
    done = imported(
        "import os; from infra.environment import adopt; adopt();"
        "from infra.telemetry import QUIET; print(all(os.environ[name] for name in QUIET))"
    )

    assert done.stdout.strip() == "True", done.stderr

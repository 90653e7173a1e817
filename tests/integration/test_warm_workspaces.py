"""Deployments without a command: workspace and flow begin in processes that are there."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect.client.orchestration import get_client

from infra.warm.preparing import _why_not
from infra.warm.surroundings import ENGINE, OF_ONE_RUN
from tests.support.pools import Pool, Run, waited

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are of Linux alone")

_STEPS = "prefect.deployments.steps"
_FLOW = """
import json, os, sys, time
from pathlib import Path
from prefect import flow
import beside

@flow
def work(report: str, until: str) -> None:
    facts = {"pid": os.getpid(), "folder": os.getcwd(), "path": sys.path, "beside": beside.WHERE}
    Path(report + ".part").write_text(json.dumps(facts))
    Path(report + ".part").rename(report)
    while not Path(until).exists():
        time.sleep(0.05)
"""


class Repository:
    """A folder with a flow, and deployments of it whose pull steps enter the folder."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool, self.folder = pool, folder
        folder.mkdir()
        (folder / "flow.py").write_text(_FLOW)
        (folder / "beside.py").write_text("WHERE = __file__")

    def run(self, *steps: dict[str, Any], **variables: str) -> Run:
        """A run as ``prefect deploy`` would have it, with more pull steps."""
        name = uuid4().hex[:8]
        report, until = self.folder / f"{name}.json", self.folder / f"{name}.go"
        entered = {f"{_STEPS}.set_working_directory": {"directory": str(self.folder)}}
        with get_client(sync_client=True) as client:
            deployment = client.create_deployment(
                flow_id=client.create_flow_from_name("work"),
                name=name,
                work_pool_name=self._pool.name,
                pull_steps=[*steps, entered],
                entrypoint="flow.py:work",
                job_variables={"env": variables},
            )
            given = {"report": str(report), "until": str(until)}
            run = client.create_flow_run_from_deployment(deployment, parameters=given)
        return Run(run.id, report, until)


def shell(script: str) -> dict[str, Any]:
    """A pull step."""
    return {f"{_STEPS}.run_shell_script": {"script": script}}


def test_a_deployment_without_a_command_starts_warm(pool: Pool, tmp_path: Path) -> None:
    """Its process is forked, and works in its workspace; one whose steps fail says so as ever."""
    worker = pool.start(PERENNIAL_WARM_ENVIRONMENTS="1", PERENNIAL_WARM_IMPORTS="prefect.engine")
    repository = Repository(pool, tmp_path / "repository")
    cold = repository.run(), repository.run(shell("false"))
    assert psutil.Process(cold[0].seen()["pid"]).ppid() == worker.pid
    cold[0].let_go()
    failed = cold[1].over()
    waited(lambda: "folders of their own start at once" in pool.log(), pool.log)

    warm, waits, fails = (
        repository.run(),
        repository.run(shell("sleep 60.5")),
        repository.run(shell("false")),
    )
    seen = warm.seen()
    process = psutil.Process(seen["pid"])

    assert process.ppid() != worker.pid
    assert process.cmdline()[:3] == [sys.executable, "-m", ENGINE]
    assert os.getpgid(process.pid) == process.pid
    assert seen["folder"] == seen["path"][0] == str(repository.folder)
    assert seen["beside"] == str(repository.folder / "beside.py")
    waited(lambda: sleeping(waits), pool.log)
    (lease,) = [each for each in pool.leases if each.run == waits.id]
    assert lease.process is not None
    os.kill(lease.process.pid, signal.SIGTERM)
    assert waits.over().state_name == "Crashed"
    waited(lambda: not sleeping(waits), pool.log)
    warm.let_go()
    assert warm.over().state_name == "Completed"
    assert fails.over().state_name == failed.state_name
    assert "starts cold" not in pool.log()


def sleeping(run: Run) -> list[int]:
    """Processes that a pull step of the run has started."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if each.info["cmdline"] == ["sleep", "60.5"]
        and each.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id)
    ]


class TestWhyNot:
    """What makes a new interpreter take the place of the one that prepared."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A workspace with nothing of note."""
        (tmp_path / "README.md").touch()
        (tmp_path / "pyproject.toml").write_text("[tool.ruff]")
        return tmp_path

    @staticmethod
    def why(folder: Path, more: Mapping[str, str], imported_for: str = "", **changed: Any) -> str:  # noqa: ANN401 - JSON
        """The reason, for an environment of one variable and some more."""
        before = {"environment": {"LANG": "C"}, "folder": "/proc"}
        work = {
            "command": [sys.executable, "-m", ENGINE],
            "environment": {"LANG": "C", **more},
            "folder": str(folder),
        }
        told = {
            "engine": ENGINE,
            "folder": imported_for,
            "of_one_run": [*OF_ONE_RUN],
            "room": 500,
        }
        return _why_not(work | changed, before, told, [str(folder)])

    def test_what_no_import_has_read_does_not_matter(self, folder: Path) -> None:
        """The run's own marks, and where modules of the workspace are found."""
        more = {"PREFECT__FLOW_RUN_ID": "7", "PERENNIAL_LEASE": "1", "PYTHONPATH": str(folder)}

        assert self.why(folder, more) == ""

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"LANG": "de_DE.UTF-8"}, "its workspace has another LANG"),
            ({"OMP_NUM_THREADS": "4"}, "its workspace has another OMP_NUM_THREADS"),
            ({"PREFECT__X": "x" * 600}, "its environment has grown too large"),
        ],
    )
    def test_another_environment_is_named(
        self, folder: Path, more: dict[str, str], why: str
    ) -> None:
        """Imports may have read it."""
        assert self.why(folder, more) == why

    def test_another_command_is_left_to_a_new_interpreter(self, folder: Path) -> None:
        """Such as one through uv, which installs what the workspace declares."""
        assert "not Prefect's engine" in self.why(folder, {}, command=["uv", "run", "x"])

    def test_imports_for_another_folder_are_not_used(self, folder: Path) -> None:
        """What they found there is not what this one has."""
        assert "imports are for /elsewhere" in self.why(folder, {}, imported_for="/elsewhere")

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("prefect.toml", ""),
            ("pyproject.toml", "[tool.prefect.logging]"),
            (".env", "PREFECT_LOGGING_LEVEL=DEBUG"),
        ],
    )
    def test_settings_of_a_workspace_are_heard(self, folder: Path, name: str, text: str) -> None:
        """Prefect reads them when it is imported, which was elsewhere."""
        (folder / name).write_text(text)

        assert self.why(folder, {}) == f"{folder / name} has settings of Prefect"

    @pytest.mark.parametrize("place", ["anyio.py", "anyio/__init__.py"])
    def test_a_module_of_the_workspace_is_not_hidden_by_one_that_was_imported(
        self, folder: Path, place: str
    ) -> None:
        """A new interpreter would find this one first."""
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).touch()

        assert self.why(folder, {}) == f"{folder} has a module anyio of its own"

    def test_a_folder_that_is_no_module_hides_nothing(self, folder: Path) -> None:
        """Python prefers a module that is installed."""
        (folder / "anyio").mkdir()

        assert self.why(folder, {}) == ""

"""What the worker stands on in Prefect: there, used, and refused where it is not."""

import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from prefect.workers.process import ProcessWorker

from infra.errors import ConfigError
from infra.gpu.groundwork import NAMES, SUPPORTED, check, missing
from infra.gpu.worker import GpuProcessWorker
from infra.settings import PROJECT


def test_the_prefect_that_is_locked_has_all_of_it() -> None:
    """Nothing is missing, and the release is one of those that are supported."""
    assert missing() == []
    assert SpecifierSet(SUPPORTED).contains(version("prefect"))


def test_the_range_is_the_one_that_the_project_declares() -> None:
    """What a message names is what an installer allows."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {each.name: each.specifier for each in map(Requirement, project["dependencies"])}

    assert declared["prefect"] == SpecifierSet(SUPPORTED)


def test_every_private_method_that_is_overridden_is_looked_for() -> None:
    """An override that nothing calls any more would do nothing, and say nothing."""
    overridden = {
        name
        for name, value in vars(GpuProcessWorker).items()
        if name.startswith("_") and not name.startswith("__") and callable(value)
        if hasattr(ProcessWorker, name)
    }

    assert overridden <= {name.rpartition(".")[2] for name in NAMES}


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("prefect.workers.process.FlowRunExecutorContext", "process:FlowRunExecutorContext"),
        ("prefect.workers.base.BaseWorker._submit_run", "BaseWorker._submit_run"),
        ("prefect.runner._starter_engine.run_process", "_starter_engine:run_process"),
    ],
)
def test_a_prefect_that_lacks_a_name_is_refused(
    gone: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what is missing, which release it is, and which are supported."""
    monkeypatch.delattr(gone)

    with pytest.raises(ConfigError) as caught:
        check()

    assert said in str(caught.value)
    assert f"Prefect {version('prefect')} lacks" in str(caught.value)
    assert f"prefect{SUPPORTED}" in str(caught.value)


def test_a_prefect_that_no_longer_uses_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stands there and is called by nobody is as good as none."""

    async def _starts_otherwise(self: object) -> None:
        """No starter's name in it."""

    monkeypatch.setattr("prefect.workers.process.ProcessWorker.run", _starts_otherwise)

    assert missing() == ["FlowRunExecutorContext in prefect.workers.process:ProcessWorker.run"]


def test_the_worker_is_refused_at_its_import() -> None:
    """Before anything else of ours imports what is not there."""
    code = "import prefect.workers.process as p; del p.FlowRunExecutorContext; import {}"

    ended = subprocess.run(
        [sys.executable, "-c", code.format("infra.gpu.worker")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stderr.splitlines()[-1].startswith("infra.errors.ConfigError: Prefect ")

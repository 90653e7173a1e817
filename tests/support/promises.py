"""Two pools side by side, Prefect's own and ours, and runs of the promised flow in them."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import get_client

from infra.settings import PROJECT
from tests.support.pools import Pool, Run, Worker, waited

_STEPS = "prefect.deployments.steps"
ENTER = {f"{_STEPS}.set_working_directory": {"directory": str(PROJECT)}}
ENGINE = f"{sys.executable} -m prefect.engine"


_WARM = {"PERENNIAL_WARM_ENVIRONMENTS": "1", "PERENNIAL_WARM_IMPORTS": "prefect.engine"}
"""Ours starts runs in processes that have imported, where it can."""


class Promise(Run):
    """A run of the promised flow."""

    def __init__(self, pool: Pool, deed: str, **choices: Any) -> None:  # noqa: ANN401 - as typed
        """Start it now.

        Args:
            pool: where it runs.
            deed: what it does.
            **choices: of the deployment, such as job variables; `count` is the run's own.
        """
        name = f"{deed}-{uuid4().hex[:8]}"
        self.report, until = pool.folder / f"{name}.json", pool.folder / f"{name}.go"
        given = {"deed": deed, "report": str(self.report), "until": str(until)}
        count = choices.pop("count", 0)
        described = {
            "pull_steps": [ENTER],
            "job_variables": {"command": ENGINE},
            "entrypoint": "tests/support/promised_flow.py:promised",
            **choices,
        }
        with get_client(sync_client=True) as client:
            self.deployment = client.create_deployment(
                flow_id=client.create_flow_from_name("promised"),
                name=name,
                work_pool_name=pool.name,
                **described,
            )
            made = client.create_flow_run_from_deployment(
                self.deployment, parameters={**given, "count": count}
            )
        super().__init__(made.id, self.report, until)

    @property
    def state(self) -> str:
        """The type of its state now."""
        found = self.now.state
        return "" if found is None else found.type.value

    def hook(self) -> str:
        """The state that a hook of the flow was called for."""
        word = self.word("hook")
        waited(word.exists, lambda: f"no hook was called; {self.now.state!r}")
        return word.read_text()

    def word(self, kind: str) -> Path:
        """What it leaves beside its report."""
        return self.report.with_suffix(f".json.{kind}")


class Side:
    """A pool with a worker, another whose worker takes one run, and a run of each deed.

    All is begun at once, and goes on while other things are looked at.
    """

    def __init__(self, pool: Pool, narrow: Pool) -> None:
        self.pool, self.narrow = pool, narrow
        self.ours = pool.kind == "gpu-process"
        self.at_work()
        narrow.start("narrow", "--limit", "1")
        self.folder = pool.folder / "cwd"
        self.folder.mkdir()
        deeds = ("stay", "kill", "terminate", "exit", "fail", "suspend")
        self.runs = {deed: Promise(pool, deed) for deed in deeds}
        self.runs["show"] = self._through_steps()
        self.runs["there"] = self._in_a_folder()
        self.holds = Promise(narrow, "stay")
        self.handed = pool.folder / "handed.json"
        self.handing = handing(pool, self.handed)

    def at_work(self) -> Worker:
        """The worker of the first pool, a new one where it was stopped."""
        workers = self.pool.workers
        if not workers or workers[-1].poll() is not None:
            self.pool.start("wide", **_WARM)
            if self.ours:
                Promise(self.pool, "exit")
                waited(lambda: "start at once from now on" in self.pool.log(), self.pool.log)
        return workers[-1]

    def close(self) -> None:
        """End the program that hands a flow over."""
        self.handing.kill()
        self.handing.communicate()

    def another(self, deed: str) -> Promise:
        """One more run."""
        return Promise(self.pool, deed)

    def _through_steps(self) -> Promise:
        """As Prefect starts a run by itself, in a workspace that pull steps prepare."""
        script = {"script": f"touch {self.pool.folder}/pulled", "stream_output": False}
        return Promise(
            self.pool,
            "show",
            count=7,
            pull_steps=[{f"{_STEPS}.run_shell_script": script}, ENTER],
            job_variables={"env": {"MINE": "seven"}},
        )

    def _in_a_folder(self) -> Promise:
        """Without pull steps: the flow is a module that is found from everywhere."""
        return Promise(
            self.pool,
            "show",
            pull_steps=None,
            entrypoint="tests.support.promised_flow.promised",
            job_variables={
                "command": ENGINE,
                "working_dir": str(self.folder),
                "env": {"PYTHONPATH": str(PROJECT)},
                "stream_output": False,
            },
        )


def handing(pool: Pool, report: Path) -> "subprocess.Popen[str]":
    """A program that hands a flow to a worker of its own, without a deployment."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.handing", pool.kind, pool.name, str(report)],
        cwd=PROJECT,
        env={**pool.environment, "PERENNIAL_LEASES": str(pool.folder / "handing.db")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

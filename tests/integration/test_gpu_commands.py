"""``perennial gpus``: on a machine with GPUs, with none, with a journal and without one."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from deployments.occupancy import Occupancy
from deployments.reasons import Why
from infra.gpu.leases import Journal, Worker
from infra.gpu.quarantine import keep_out
from infra.processes import ProcessIdentity
from infra.resources import RunRequest
from infra.settings import PROJECT
from tests.support.leased import given, running, started
from tests.support.nvml.gpus import GIB, SimulatedGpus
from tests.support.nvml.observer import Observer
from tests.support.stack import eventually


@pytest.fixture
def machine(tmp_path: Path, nvml_library: Path, gpus: SimulatedGpus) -> dict[str, str]:
    """The environment of a machine with the GPUs that a test adds, where no server ever ran."""
    hidden = {"PREFECT_API_URL", "MLFLOW_TRACKING_URI", "PERENNIAL_PAGES_URL"}
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return {
        **inherited,
        "LD_LIBRARY_PATH": str(nvml_library),
        "SIMULATED_NVML": str(gpus.path),
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_LEASES": str(tmp_path / "leases.db"),
    }


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "leases.db")


@pytest.fixture
def worker(journal: Journal) -> Worker:
    """A worker that is this process."""
    return journal.enlist("here", ProcessIdentity.of(os.getpid()))


def perennial(environment: dict[str, str], *arguments: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def published(number: int) -> dict[str, object]:
    """A JSON schema that the document shows."""
    text = (PROJECT / "docs/gpus-schema.md").read_text("utf-8")
    schema: dict[str, object] = json.loads(
        re.findall(r"```json\n(.*?)```", text, re.DOTALL)[number]
    )
    return schema


def test_a_machine_without_gpus_and_without_a_journal_says_so(machine: dict[str, str]) -> None:
    """An ordinary machine is no error, and asking makes no file."""
    without = {**machine, "LD_LIBRARY_PATH": ""}

    shown = perennial(without, "gpus")
    facts = Occupancy.model_validate_json(perennial(without, "gpus", "--json"))

    assert "no GPUs (no NVIDIA driver" in shown
    assert (facts.devices, facts.leases, facts.queue, facts.troubles) == ((), (), (), ())
    assert not Path(machine["PERENNIAL_LEASES"]).exists()


def test_devices_are_shown_with_holders_strangers_and_what_keeps_them_out(
    machine: dict[str, str],
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
) -> None:
    """What the driver says and what the journal says, of each device in one place."""
    shared, taken, out = gpus.add(), gpus.add(), gpus.add()
    half = RunRequest(gpus=0.5, accept_advisory=True, cpus=1)
    lease = given(journal, worker, observer.read(), 7, half)
    with journal.deciding(worker) as decision:
        keep_out(decision, out.uuid, "XID 79", datetime.now(UTC))

    with (
        running(journal, worker, lease, "exec sleep 300") as run,
        started("exec sleep 305") as colleague,
    ):
        eventually(lambda: colleague.name() == "sleep", within_s=20)
        shared.run(run.pid, 20 * GIB)
        taken.run(colleague.pid, 3 * GIB)
        observer.round(journal.path, worker)
        printed = json.loads(perennial(machine, "gpus", "--json"))
        shown = perennial(machine, "gpus")
    facts = Occupancy.model_validate(printed)

    jsonschema.validate(printed, published(0))
    one, two, three = facts.devices
    assert [each.state for each in facts.devices] == ["ok", "occupied", "quarantined"]
    assert (one.leases, one.used_bytes, one.foreign) == ((lease.id,), 20 * GIB, ())
    assert (two.foreign[0].command, two.foreign[0].since is not None) == ("sleep 305", True)
    assert three.quarantine is not None
    assert (three.quarantine.why, three.quarantine.strikes) == ("XID 79", 1)
    (held,) = facts.leases
    assert (held.parts[0].share, held.pid, held.run.name) == (0.5, run.pid, "")
    assert facts.troubles[0].startswith("The names of the runs are not known")
    assert str(lease.run) in shown
    assert "50%" in shown
    assert "sleep 305" in shown


def test_a_driver_that_fails_hides_no_lease(
    machine: dict[str, str],
    journal: Journal,
    worker: Worker,
    gpus: SimulatedGpus,
    observer: Observer,
) -> None:
    """Who holds what is known from the journal; what the driver said is told."""
    gpus.add()
    lease = given(journal, worker, observer.read(), 7, RunRequest(gpus=1))
    gpus.fail("nvmlInitWithFlags", 999)

    facts = Occupancy.model_validate_json(perennial(machine, "gpus", "--json"))

    assert [each.lease for each in facts.leases] == [lease.id]
    assert facts.leases[0].parts[0].enforcement == "alone"
    assert facts.troubles[0].startswith("The NVIDIA driver failed at nvmlInit")


def test_the_documented_schemas_are_the_ones_in_force() -> None:
    """``docs/gpus-schema.md`` shows what the code produces, to the letter."""
    assert published(0) == Occupancy.model_json_schema(mode="serialization")
    assert published(1) == Why.model_json_schema(mode="serialization")

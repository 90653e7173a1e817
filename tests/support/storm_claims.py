"""What must hold after a storm, whatever was killed in it."""

import os
import subprocess
import sys
from pathlib import Path

from deployments.occupancy import Occupancy
from infra.settings import PROJECT
from tests.support.storm import Outcome, Storm
from tests.support.storm_posts import Place


def assert_nothing_was_lost(storm: Storm, outcome: Outcome, library: Path) -> None:
    """No device was booked twice, no run lost or run twice, and everything is free again."""
    print(outcome.figures)  # noqa: T201 - the storm's figures, for whoever started it
    assert [line for each in outcome.audits for line in each.booked_twice] == []
    assert sum(each.came for each in outcome.audits) > 0
    assert storm.twice() == []
    assert set(outcome.ends) <= {"Completed", "Crashed"}, outcome.ends
    for run in outcome.runs.values():
        said = run.state and run.state.message
        if run.state_name == "Crashed":
            assert run.id in outcome.killed, f"{run.id} was not killed: {said}"
        else:
            assert storm.begun(run.id) == 1, (run.id, storm.begun(run.id))
        assert storm.begun(run.id) <= 1
    for place in storm.places:
        assert_free(place, library)


def assert_free(place: Place, library: Path) -> None:
    """Every device of a machine can be leased, and nobody holds any."""
    printed = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "gpus", "--json"],
        cwd=PROJECT,
        env=os.environ
        | {
            "LD_LIBRARY_PATH": str(library),
            "SIMULATED_NVML": str(place.state),
            "PERENNIAL_LEASES": str(place.journal),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    facts = Occupancy.model_validate_json(printed)
    assert facts.leases == ()
    assert {each.state for each in facts.devices} <= {"ok", "mig"}, facts.devices
    assert all(not each.foreign for each in facts.devices)

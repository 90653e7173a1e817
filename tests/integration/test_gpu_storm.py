"""A small storm: whatever is killed, no device is booked twice and no run is lost."""

from pathlib import Path

import pytest

from tests.support.namespaces import refused
from tests.support.prefect_server import PrefectServer
from tests.support.storm import Kills, storm
from tests.support.storm_claims import assert_nothing_was_lost

_NO_ROOM = refused("net")


@pytest.mark.skipif(bool(_NO_ROOM), reason=_NO_ROOM or "-")
@pytest.mark.usefixtures("api")
def test_kills_of_workers_runs_and_the_server_book_nothing_twice_and_lose_no_run(
    server_of_workers: PrefectServer, tmp_path: Path, nvml_library: Path
) -> None:
    """Two machines, three workers, eight GPUs; the driver's own log is the judge."""
    with storm(server_of_workers, nvml_library, tmp_path) as raging:
        outcome = raging.rage(10, Kills(workers=2, children=1, servers=1))
        assert_nothing_was_lost(raging, outcome, nvml_library)

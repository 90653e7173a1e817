"""A storm of GPU runs: kills of workers, runs and the server by the dozen, two machines."""

from pathlib import Path

import pytest

from tests.support.namespaces import refused
from tests.support.postgres import postgres_server
from tests.support.prefect_server import PrefectServer, talking_to
from tests.support.storm import Kills, storm
from tests.support.storm_claims import assert_nothing_was_lost

_NO_ROOM = refused("net")
_RUNS = 500
_KILLS = Kills(workers=30, children=40, servers=5)

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.skipif(bool(_NO_ROOM), reason=_NO_ROOM or "-")
def test_five_hundred_runs_under_kills_book_nothing_twice_and_lose_nothing(
    tmp_path: Path, nvml_library: Path
) -> None:
    """The driver's own log is the judge of double bookings, the server's states of lost runs."""
    with postgres_server() as database:
        server = PrefectServer(database, tmp_path)
        try:
            server.start()
            with talking_to(server.api), storm(server, nvml_library, tmp_path) as raging:
                outcome = raging.rage(_RUNS, _KILLS)
                assert_nothing_was_lost(raging, outcome, nvml_library)
        finally:
            server.kill()

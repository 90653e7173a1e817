"""A PostgreSQL of one's own in the place of the embedded one, by ``PERENNIAL_DATABASE_URL``."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
import sklearn.datasets

from tests.support.own_server import own_server
from tests.support.season import project_folder, season
from tests.support.shell import User
from tests.support.stack import surroundings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], User, str]]:
    """How a model stands that was trained on a stack whose database is one's own."""
    from infra.stack import erase

    folder = tmp_path_factory.mktemp("own")
    home, file = folder / "home", folder / "rows.csv"
    sklearn.datasets.load_diabetes(as_frame=True).frame.to_csv(file, index=False)
    with own_server() as url:
        variables = {
            "PERENNIAL_DATABASE_URL": url,
            "PERENNIAL_MODELS": str(folder / "models"),
            "PERENNIAL_WARM_ENVIRONMENTS": "0",  # to import ahead costs more than three runs do
        }
        user = User(home, variables)
        try:
            up = user.perennial("up")
            assert up.returncode == 0, up.stderr
            project = project_folder(folder / "project", home)
            yield season(user, "outside", file, project, "ingest", "train"), user, url
        finally:
            with surroundings({"PERENNIAL_HOME": str(home), "PERENNIAL_DATABASE_URL": url}):
                erase()


def test_a_model_is_trained_and_promoted_on_ones_own_server(
    lived: tuple[dict[str, Any], User, str],
) -> None:
    """Nothing above the database knows whose it is, and none is embedded."""
    found, user, _ = lived

    assert found["champion"]["version"] == 1
    assert found["last"]["promote"]["state"] == "Promoted"
    assert not (user.home / "postgres").exists()


def test_status_tells_whose_each_server_is(lived: tuple[dict[str, Any], User, str]) -> None:
    """The database is one's own, what rests on it runs as ever."""
    user = lived[1]

    printed = user.perennial("status", "--json")

    states = {each["name"]: each["state"] for each in json.loads(printed.stdout)["servers"]}
    others = dict.fromkeys(("prefect", "mlflow", "pages", "worker"), "running")
    assert states == {"postgres": "own", **others}


def test_prefect_mlflow_and_the_ledger_keep_their_records_there(
    lived: tuple[dict[str, Any], User, str],
) -> None:
    """One database each: runs, model versions, decisions."""
    _, _, url = lived

    counts = {
        table: counted(url, name, table)
        for name, table in (
            ("prefect", "flow_run"),
            ("prefect", "work_pool"),
            ("mlflow", "model_versions"),
            ("perennial", "ledger"),
        )
    }

    assert counts["flow_run"] >= 3
    assert counts["work_pool"] == 1
    assert counts["model_versions"] == 1
    assert counts["ledger"] >= 2


def counted(url: str, database: str, table: str) -> int:
    """How many rows a table has."""
    with closing(psycopg2.connect(f"{url}/{database}")) as client, client.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - names of this test's own
        return int(cursor.fetchone()[0])

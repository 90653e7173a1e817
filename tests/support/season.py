"""A model's first season as a user types it: from a file of data to a verdict on what it said.

``python -m tests.support.season HOME MODELS NAME FILE RESULT`` lives it on a stack of its own whose
database is a server that somebody brought. It starts and stops both, and writes what became of it.
"""

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from infra.prefect_file import contents
from tests.support.own_server import own_server
from tests.support.shell import Done, User
from tests.support.stack import surroundings

_PATIENCE_S = 90
TABLES = (
    ("prefect", "flow_run"),
    ("prefect", "work_pool"),
    ("mlflow", "model_versions"),
    ("perennial", "ledger"),
)
"""Where Prefect, MLflow and the ledger keep their records."""


def season(user: User, name: str, file: Path, project: Path, *flows: str) -> dict[str, Any]:
    """What ``perennial status NAME --json`` says after a model was made, run and judged.

    Args:
        user: whose stack is up.
        name: of the new model.
        file: CSV of its data; its last column is the target.
        project: the folder in which Prefect's command is typed.
        flows: the deployments that are run, one after the other.
    """
    target = file.read_text(encoding="utf-8").splitlines()[0].rpartition(",")[2]
    _worked(user.perennial("new", name, "--from", str(file), "--target", target))
    _worked(user.perennial("deploy", name))
    for flow in flows:
        _worked(user.prefect("deployment", "run", f"{flow}/{name}", "--watch", folder=project))
        if flow == "train":
            _serves(user, name)
    return _settled(user, name)


def status(user: User, name: str) -> dict[str, Any]:
    """How a model stands, as the command prints it."""
    printed: dict[str, Any] = json.loads(_worked(user.perennial("status", name, "--json")).stdout)
    return printed


def project_folder(folder: Path, home: Path) -> Path:
    """A folder in which Prefect's command finds a home's server by its ``prefect.toml``."""
    folder.mkdir(exist_ok=True)
    with surroundings({"PERENNIAL_HOME": str(home)}):
        (folder / "prefect.toml").write_text(contents(), encoding="utf-8")
    return folder


def _serves(user: User, name: str) -> None:
    """Wait until the promotion, which the training started, has written the last that it writes."""
    serves, deadline = user.home / "store" / name / "serving.json", time.monotonic() + _PATIENCE_S
    while not serves.exists():
        assert time.monotonic() < deadline, f"{name} was not promoted"
        time.sleep(0.2)


def _settled(user: User, name: str) -> dict[str, Any]:
    """How the model stands once the promotion's run has ended, too."""
    deadline = time.monotonic() + _PATIENCE_S
    while ((found := status(user, name))["last"]["promote"] or {}).get("state") != "Promoted":
        assert time.monotonic() < deadline, found
    return found


def _worked(done: Done) -> Done:
    said = f"{' '.join(done.args)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    return done


def _main(home: Path, models: Path, name: str, file: Path, result: Path) -> None:
    with own_server() as url:
        user = User(home, {"PERENNIAL_MODELS": str(models), "PERENNIAL_DATABASE_URL": url})
        try:
            _worked(user.perennial("up"))
            project = project_folder(home.parent / "project", home)
            found = season(user, name, file, project, "ingest", "train", "score", "monitor")
            servers = json.loads(_worked(user.perennial("status", "--json")).stdout)["servers"]
            lived = {"model": found, "servers": servers, "rows": _rows(url)}
            result.write_text(json.dumps(lived), encoding="utf-8")
        finally:
            user.perennial("down")


def _rows(url: str) -> dict[str, int]:
    """How many rows a table of each database has."""
    return {
        f"{database}.{table}": _counted(f"{url}/{database}", table) for database, table in TABLES
    }


def _counted(url: str, table: str) -> int:
    with closing(psycopg2.connect(url)) as client, client.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - names of this file's own
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    _home, _models, _name, _file, _result = sys.argv[1:]
    _main(Path(_home), Path(_models), _name, Path(_file), Path(_result))

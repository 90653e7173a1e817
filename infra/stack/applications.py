"""Prefect's and MLflow's servers as applications, each in the one process that uvicorn runs.

Their own commands import for seconds what serves nothing: MLflow's stays as the parent of the
process that serves, with 200 MB of its own. Both are long runs of small requests on a million
objects that stay, so garbage is looked for seldom in them as well.
"""

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import infra.garbage  # noqa: F401 - before the servers are imported, else it is looked for meanwhile

if TYPE_CHECKING:
    from fastapi import FastAPI


def prefect_server() -> "FastAPI":
    """Prefect's API, its page and its services, on the database that its settings name."""
    from prefect.server.api.server import create_app

    return create_app(final=True)


def mlflow_server() -> "FastAPI":
    """MLflow's API and its page; the tables of a new or older database are made first.

    Where the records and the artifacts lie is in the variables that ``mlflow server`` takes too.
    """
    records = os.environ["MLFLOW_BACKEND_STORE_URI"]
    artifacts = os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"]
    os.environ.update(variables_of_mlflow(records, artifacts))
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(records, records, artifacts)
    from mlflow.server.fastapi_app import app

    return app  # type: ignore[no-any-return]  # MLflow is untyped here


def variables_of_mlflow(records: str, artifacts: str) -> dict[str, str]:
    """What ``mlflow server`` hands to the process that serves, before that imports anything.

    Args:
        records: URL of its database.
        artifacts: URI of the folder of new experiments; clients write there themselves.
    """
    return {
        "_MLFLOW_SERVER_FILE_STORE": records,
        "_MLFLOW_SERVER_REGISTRY_STORE": records,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": artifacts,
        "_MLFLOW_SERVER_BOOT_ID": uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }

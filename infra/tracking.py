"""MLflow: where it is, its errors as ours, and things that are made once for each digest."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import BackendError
from infra.hiding import hidden
from infra.scratch import scratch
from infra.telemetry import silence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

DIGEST: Final = "perennial.digest"
"""Tag that names what a run, a logged model or a version was made for."""

_CLIENT: Final = {
    # A POST that MLflow repeats after a lost answer would make a second version; our own retry
    # looks first for what is already there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    # The task's name is the log.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI``, or the address of the embedded server."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named:
        return named
    from infra.addresses import addresses

    return addresses().mlflow


def run_link(experiment_id: str, run_id: str) -> str:
    """Address of a run's page in MLflow's own interface."""
    return f"{tracking_uri().rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


@contextmanager
def tracker() -> Iterator["MlflowClient"]:
    """A client of the tracking server, whose failures inside the block are ours.

    Raises:
        BackendError: the server cannot be reached, or refused what was asked.
    """
    silence(os.environ)
    for name, value in _CLIENT.items():
        os.environ.setdefault(name, value)
    with hidden("polars"):  # frames that we do not use, 0.3 s
        import mlflow
    from mlflow.exceptions import MlflowException

    mlflow.set_tracking_uri(tracking_uri())
    try:
        yield mlflow.MlflowClient()
    except MlflowException as error:
        said = " ".join(str(error).split())[:300]
        raise BackendError(f"MLflow at {tracking_uri()} failed: {said}") from error


def experiment(client: "MlflowClient", name: str) -> "Experiment":
    """The experiment of that name, made if it is not there."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name)
        except MlflowException as error:
            if not _taken(error):
                raise
        found = client.get_experiment_by_name(name)
    return found


def run_for(
    client: "MlflowClient", experiment_id: str, digest: str, title: str, tags: Mapping[str, str]
) -> "Run":
    """The one run that bears the digest: found, or begun."""
    found = client.search_runs([experiment_id], _bearing(digest), max_results=1)
    if found:
        return found[0]
    return client.create_run(experiment_id, run_name=title, tags={**tags, DIGEST: digest})


def model_for(client: "MlflowClient", run: "Run", name: str, digest: str) -> "LoggedModel":
    """The one logged model that bears the digest: found, perhaps unfinished, or begun."""
    place = run.info.experiment_id
    found = client.search_logged_models([place], _bearing(digest), max_results=1)
    if found:
        return found[0]
    return client.create_logged_model(
        place, name=name, source_run_id=run.info.run_id, tags={DIGEST: digest}
    )


def version_of(client: "MlflowClient", name: str, digest: str) -> "ModelVersion | None":
    """The version of a registered model that bears the digest."""
    found = client.search_model_versions(f"name = '{name}' and {_bearing(digest)}")
    return min(found, key=lambda version: int(version.version)) if found else None


def versions(client: "MlflowClient", name: str) -> "dict[int, ModelVersion]":
    """Every version of a registered model, by its number; none if the model is not registered."""
    found: dict[int, ModelVersion] = {}
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found.update({int(version.version): version for version in page})
        token = page.token
        if not token:
            return found


def version_for(
    client: "MlflowClient", run: "Run", model_id: str, name: str, tags: Mapping[str, str]
) -> "ModelVersion":
    """The one version whose tags bear the digest: found, or made of a logged model.

    Tags travel with the request that makes the version, so that none exists without them.
    """
    from mlflow.exceptions import MlflowException

    found = version_of(client, name, tags[DIGEST])
    if found is not None:
        return found
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if not _taken(error):
            raise
    return client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id=run.info.run_id,
        tags=dict(tags),
        model_id=model_id,
        await_creation_for=0,
    )


def read_artifact(client: "MlflowClient", run_id: str, name: str) -> str | None:
    """The text of a document of a run, or None where the run has none of that name."""
    if name not in {document.path for document in client.list_artifacts(run_id)}:
        return None
    with scratch("mlflow") as folder:
        path = client.download_artifacts(run_id, name, str(folder))
        return Path(path).read_text(encoding="utf-8")


def alias(client: "MlflowClient", name: str, title: str) -> int | None:
    """The version that an alias of a registered model points at, or None."""
    found = _registered(client, name)
    at = found.aliases.get(title) if found is not None else None
    return None if at is None else int(at)


def point_alias(client: "MlflowClient", name: str, title: str, version: int | None) -> None:
    """Let an alias point at a version, or take it away."""
    if version is not None:
        client.set_registered_model_alias(name, title, str(version))
    elif _registered(client, name) is not None:
        client.delete_registered_model_alias(name, title)


def _registered(client: "MlflowClient", name: str) -> Any:  # noqa: ANN401 - MLflow's own type
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _bearing(digest: str) -> str:
    return f"tags.`{DIGEST}` = '{digest}'"


def _taken(error: Any) -> bool:  # noqa: ANN401 - MLflow's exception, imported where it is caught
    return bool(error.error_code == "RESOURCE_ALREADY_EXISTS")

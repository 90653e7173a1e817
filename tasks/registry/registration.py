"""Registering a candidate with MLflow: once, however often the step is killed and begun again."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infra import identity
from infra.errors import IntegrityError
from infra.models import MODEL_FILE
from infra.scratch import scratch
from infra.settings import settings
from infra.steps import step
from infra.store import file_digest
from infra.tracking import (
    experiment,
    model_for,
    read_artifact,
    run_for,
    run_link,
    tracker,
    version_for,
    version_of,
)
from infra.turns import turn
from tasks.references import Candidate, Cause, Evaluation, Fitted, Profiled
from tasks.registry import record
from tasks.registry.record import Request

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

CANDIDATE_FILE = "candidate.json"
"""The run's document that holds the candidate as a reference."""


@step(moving=True)
def register(
    fitted: Fitted,
    evaluation: Evaluation,
    cause: Cause,
    as_of: datetime,
    profiled: Profiled | None = None,
) -> Candidate:
    """The candidate as a version in MLflow's registry, one for each digest.

    What is registered is MLflow's to say, whose database may be another one than the last time:
    it is asked each time, and answers with the version that bears the digest.

    Raises:
        BackendError: MLflow or the database failed; what was begun is gone on with next time.
        IntegrityError: the stored model is not the one that was trained.
    """
    request = Request(
        fitted=fitted, evaluation=evaluation, cause=cause, as_of=as_of, profiled=profiled
    )
    with turn("register", request.model), tracker() as client:
        done = version_of(client, request.model, request.digest)
        if done is not None and record_of(client, done.run_id) is not None:
            return _as_recorded(client, done.run_id)
        return _registered(client, request)


def record_of(client: "MlflowClient", run_id: str) -> Candidate | None:
    """The candidate that a run's documents hold, or None where it was not finished."""
    text = read_artifact(client, run_id, CANDIDATE_FILE)
    return None if text is None else Candidate.model_validate_json(text)


def _as_recorded(client: "MlflowClient", run_id: str) -> Candidate:
    candidate = record_of(client, run_id)
    if candidate is None:
        raise IntegrityError(f"The record of MLflow's run {run_id} vanished while it was read.")
    client.set_terminated(run_id)
    return candidate


def _registered(client: "MlflowClient", request: Request) -> Candidate:
    facts = record.tags(request, identity.commit(), identity.lock_digest())
    facts["perennial.model_commit"] = identity.commit(settings().models / request.model)
    place = experiment(client, request.model)
    run = run_for(client, place.experiment_id, request.digest, request.title, facts)
    facts = {name: run.data.tags.get(name, value) for name, value in facts.items()}
    _describe(client, run, request)
    logged = _log_model(client, run, request)
    version = version_for(client, run, logged.model_id, request.model, facts)
    client.update_model_version(request.model, version.version, record.describe(request, facts))
    candidate = Candidate(
        model=request.model,
        version=int(version.version),
        run_id=run.info.run_id,
        run_url=run_link(place.experiment_id, run.info.run_id),
        uri=f"models:/{request.model}/{version.version}",
        cause=request.cause,
        as_of=request.as_of,
        fitted=request.fitted,
        evaluation=request.evaluation,
        profiled=request.profiled,
        data_version=request.data_version,
        commit=facts["perennial.commit"],
        model_commit=facts["perennial.model_commit"],
        lock=facts["perennial.lock"],
        digest=request.digest,
    )
    # The document is last but for the run's end: a version without it was not finished.
    client.log_text(run.info.run_id, candidate.model_dump_json(indent=2), CANDIDATE_FILE)
    client.set_terminated(run.info.run_id)
    return candidate


def _describe(client: "MlflowClient", run: "Run", request: Request) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    # One time for every attempt, so that a second one adds no second point.
    at = int(run.info.start_time)
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(name, value, at, 0) for name, value in record.metrics(request.evaluation).items()
        ],
        params=[Param(name, value) for name, value in record.parameters(request).items()],
    )
    inputs = [
        DatasetInput(
            Dataset(
                name=data["name"],
                digest=data["digest"],
                source_type="delta",
                source=data["source"],
                profile=data["profile"],
            ),
            [InputTag("mlflow.data.context", data["context"])],
        )
        for data in record.datasets(request)
    ]
    client.log_inputs(run.info.run_id, inputs)
    for name, text in record.documents(request).items():
        client.log_text(run.info.run_id, text, name)


def _log_model(client: "MlflowClient", run: "Run", request: Request) -> "LoggedModel":
    from tasks.registry.flavour import write_flavour

    logged = model_for(client, run, request.model, request.digest)
    with scratch("model") as folder:
        if str(logged.status) != "READY":
            written = folder / "written"
            write_flavour(request.fitted, written, run.info.run_id, logged.model_id)
            client.log_model_artifacts(logged.model_id, str(written))
        _same_model(logged, folder, request.fitted)
    if str(logged.status) == "READY":
        return logged
    return client.finalize_logged_model(logged.model_id, "READY")


def _same_model(logged: "LoggedModel", folder: Path, fitted: Fitted) -> None:
    import mlflow.artifacts

    found = mlflow.artifacts.download_artifacts(
        artifact_uri=f"{logged.artifact_location}/{MODEL_FILE}", dst_path=str(folder)
    )
    digest = file_digest(found)
    if digest != fitted.digest:
        raise IntegrityError(
            f"MLflow holds a model of digest {digest[:12]} under {logged.model_id}, "
            f"but {fitted.digest[:12]} was trained."
        )

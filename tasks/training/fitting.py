"""The step that trains: candidates side by side, the best on everything, stored by content."""

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from infra import store
from infra.clusters import spread
from infra.errors import IntegrityError
from infra.identity import lock_digest, source_digest
from infra.models import MODEL_FILE, SAMPLE_FILE, dump_model
from infra.plugins import code_digest
from infra.settings import settings
from infra.steps import step
from tasks.data.spec import LabelSpec
from tasks.evaluation.spec import EvaluationSpec
from tasks.features.spec import FeatureSpec
from tasks.references import Fitted, Split, Trial
from tasks.training.spec import TrainingSpec

if TYPE_CHECKING:
    import pandas as pd

    from tasks.training.candidates import Attempt

_SAMPLE_ROWS: Final = 100
_MOST_TRAINERS_IMPORT: Final = "tasks.training.estimators"
_RECORD: Final = "fitted.json"
"""Written last: where it is, the model is whole."""


@step
def fit(
    split: Split,
    training: TrainingSpec,
    evaluation: EvaluationSpec,
    features: FeatureSpec,
    label: LabelSpec,
) -> Fitted:
    """The best of the declared candidates, fitted on every training window and stored.

    Raises:
        ConfigError: the trainer or its parameters are wrong.
        DataError: the rows are too few, unlabelled, or all of one label.
        ResourceError: a worker needed more memory than its share.
    """
    from infra.gpu.record import own_hardware
    from tasks.labels import Target
    from tasks.training.candidates import Attempt, fitted, training_rows

    folder = settings().models / split.table.model
    code = (code_digest(folder), source_digest(), lock_digest())
    asked = training.model_copy(update={"resources": None})  # how fast, not what
    made_of = store.digest_of("fit", split.digest, asked, evaluation.metric, features, label, code)
    place = store.uri(split.table.model, "models", made_of)
    if (kept := _kept(place)) is not None:
        return kept

    first = Attempt(
        split=split,
        folder=folder,
        trainer=training.trainer,
        parameters=training.parameters,
        seed=training.seed,
        label=Target(label.name, label.kind),
        metric=evaluation.metric,
    )
    job, trials = _chosen(first, training)
    rows = training_rows(split)
    data, types = dump_model(fitted(job, rows), training.trusted_types)
    made = Fitted(
        uri=place,
        digest=hashlib.sha256(data).hexdigest(),
        trainer=training.trainer,
        parameters=job.parameters,
        seed=training.seed,
        trials=trials,
        rows=len(rows),
        split=split,
        trusted_types=types,
        hardware=own_hardware(),
    )
    return _stored(made, data, rows[list(split.table.features)])


def _chosen(first: "Attempt", training: TrainingSpec) -> "tuple[Attempt, tuple[Trial, ...]]":
    """The candidate to fit; with fewer than two there is nothing to choose, so none is tried."""
    from tasks.training.candidates import attempt, best, get_ready

    jobs = [
        replace(first, parameters={**training.parameters, **candidate})
        for candidate in training.candidates or ({},)
    ]
    if len(jobs) == 1:
        return jobs[0], ()
    trials = spread(
        attempt,
        jobs,
        training.resources,
        told=_tell,
        imports=(_MOST_TRAINERS_IMPORT,),
        meanwhile=partial(get_ready, first),
    )
    return replace(first, parameters=best(trials).parameters), tuple(trials)


def _tell(trial: Trial) -> None:
    """A line on the run's page for each candidate."""
    if TaskRunContext.get() is not None:
        get_run_logger().info(
            "%s %.4f in %.1f s with %s", trial.metric, trial.score, trial.seconds, trial.parameters
        )


def _stored(made: Fitted, data: bytes, features: "pd.DataFrame") -> Fitted:
    every = max(1, len(features) // _SAMPLE_ROWS)
    sample = features.iloc[::every].head(_SAMPLE_ROWS)
    store.put_bytes(f"{made.uri}/{MODEL_FILE}", data)
    store.put_bytes(f"{made.uri}/{SAMPLE_FILE}", sample.to_parquet(index=False))
    store.put_bytes(f"{made.uri}/{_RECORD}", made.model_dump_json(indent=1).encode())
    return made


def _kept(place: str) -> Fitted | None:
    """What an earlier run left here whole.

    Raises:
        IntegrityError: the model is not the one that was recorded beside it.
    """
    if not all(store.exists(f"{place}/{name}") for name in (_RECORD, MODEL_FILE, SAMPLE_FILE)):
        return None
    record = Fitted.model_validate_json(store.get_bytes(f"{place}/{_RECORD}"))
    found = hashlib.sha256(store.get_bytes(f"{place}/{MODEL_FILE}")).hexdigest()
    if found != record.digest:
        raise IntegrityError(
            f"{place}/{MODEL_FILE} has digest {found[:12]}, but {record.digest[:12]} was recorded."
        )
    return record.model_copy(update={"uri": place})

"""How a candidate is made: built by the model's trainer, tried, chosen, fitted.

Workers import this module for every run, so it reads no declaration: each stage's sections would
bring Prefect along, and with it more than half of the start of a worker.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pydantic import JsonValue

from infra.errors import ConfigError, DataError, PerennialError
from infra.gpu.visible import check_devices
from infra.models import classes_of, predict_scores, skops_io
from infra.plugins import resolve
from tasks.frames import feature_rows, split_rows
from tasks.labels import Target, comparable, learnable
from tasks.metrics import direction, score
from tasks.references import Split, Trial

_VALIDATION_SHARE: Final = 0.2
"""Of the rows, where there is no newer window to try a candidate on."""

_SHARE_SALT: Final = "perennial-trials"
"""Sixteen bytes: the share must not follow the one that split off the holdout."""


@dataclass(frozen=True)
class Attempt:
    """One candidate and where its rows are: all that a worker needs, and no row."""

    split: Split
    folder: Path
    trainer: str
    parameters: dict[str, JsonValue]
    seed: int
    label: Target
    metric: str


def attempt(job: Attempt) -> Trial:
    """The score of a candidate on rows that are newer than those it was trained on.

    Raises:
        ConfigError: the trainer or its parameters are wrong.
        DataError: there are too few rows, or the metric cannot be told of the newest.
    """
    start = time.perf_counter()
    older, newest = _rows_to_try(job.split)
    model = fitted(job, older)
    said = predict_scores(model, newest[list(job.split.table.features)], job.label.kind)
    classes = classes_of(model) if job.label.kind == "multiclass" else ()
    value = score(job.metric, job.label.kind, *comparable(newest, job.label, classes, said))
    if math.isnan(value):
        raise DataError(
            f"{job.metric} cannot be told of the {len(newest)} newest rows: they hold one class.",
            hint="Train on more or longer windows.",
        )
    seconds = round(time.perf_counter() - start, 3)
    return Trial(parameters=job.parameters, metric=job.metric, score=value, seconds=seconds)


def get_ready(job: Attempt) -> None:
    """Nothing; the process has imported what fitting and storing a model takes.

    Raises:
        ConfigError: the trainer cannot be imported.
    """
    resolve(job.folder, job.trainer)
    skops_io()


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the best score; of equal ones the first declared."""
    sign = direction(trials[0].metric)
    return max(trials, key=lambda trial: sign * trial.score)  # max keeps the first of equals


def training_rows(split: Split) -> pd.DataFrame:
    """Every row that a candidate may learn from."""
    if split.holdout_share is not None:
        return split_rows(split)[0]
    return _labelled(split, split.train)


def fitted(job: Attempt, rows: pd.DataFrame) -> Any:  # noqa: ANN401 - any estimator
    """The trainer's estimator, fitted on rows by one thread: threads add in any order.

    Raises:
        ConfigError: the trainer raises, returns no estimator, or cannot be fitted.
        DataError: there are too few rows, labels are missing, or all are the same.
        IntegrityError: this process sees other GPUs than its run has leased.
    """
    from threadpoolctl import threadpool_limits

    answers = learnable(rows, job.label)
    model = _built(job)
    check_devices()  # the trainer's own code was imported: from here on nothing hides or shows one
    try:
        with threadpool_limits(limits=1):
            return model.fit(rows[list(job.split.table.features)], answers)
    except PerennialError:
        raise
    except Exception as error:
        raise _trainer_error(job, f"fails on {len(rows)} rows: {_said(error)}") from error


def _built(job: Attempt) -> Any:  # noqa: ANN401 - any estimator
    build = resolve(job.folder, job.trainer)
    try:
        model = build(dict(job.parameters), list(job.split.table.categorical), job.seed)
    except PerennialError:
        raise
    except Exception as error:
        raise _trainer_error(job, f"raises {_said(error)}") from error
    answer = "predict" if job.label.kind == "regression" else "predict_proba"
    if isinstance(model, type) or not all(hasattr(model, name) for name in ("fit", answer)):
        raise _trainer_error(job, f"returns a {type(model).__name__}, no estimator with {answer}")
    return model


def _trainer_error(job: Attempt, what: str) -> ConfigError:
    return ConfigError(
        f"The trainer {job.trainer} with {job.parameters or 'no parameters'} {what}.",
        hint=f"It is build(parameters, categorical, seed) in {job.folder} and returns an unfitted "
        "scikit-learn estimator.",
    )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300].rstrip('.')}"


def _rows_to_try(split: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
    if split.holdout_share is None and len(split.train) > 1:
        *older, newest = split.train
        return _labelled(split, older), _labelled(split, [newest])
    rows = training_rows(split)
    key = rows[list(split.table.key)]
    place = pd.util.hash_pandas_object(key, index=False, hash_key=_SHARE_SALT)
    tried = place.to_numpy() < _VALIDATION_SHARE * 2**64
    return rows[~tried], rows[tried]


def _labelled(split: Split, windows: Sequence[str]) -> pd.DataFrame:
    # The label can be one of the features' neighbours in the key; what is read is named once.
    columns = list(dict.fromkeys((*split.table.key, split.table.label, *split.table.features)))
    return feature_rows(split.table, windows, columns, labelled=True)

"""A stored model as MLflow keeps one: its scikit-learn flavour around the very same file."""

import shutil
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.models import Model, infer_signature

from infra.models import MODEL_FILE, SAMPLE_FILE, load_model
from infra.pins import pins
from infra.store import local_path
from tasks.references import Fitted

_EXAMPLE_ROWS = 5
_NEEDS = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")


def write_flavour(fitted: Fitted, folder: Path, run_id: str, model_id: str) -> Path:
    """A folder in MLflow's format, with signature, example and the stored ``model.skops``.

    MLflow dumps the estimator anew, and a dump differs from the next in its bytes: the stored
    file takes its place, so that the registered model has the digest of the trained one.

    Args:
        fitted: the stored model.
        folder: an empty place for it.
        run_id: MLflow's name of the run that it belongs to.
        model_id: MLflow's name of the logged model.

    Raises:
        IntegrityError: the stored file is not the one that was trained.
    """
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    sample = pd.read_parquet(local_path(f"{fitted.uri}/{SAMPLE_FILE}"))
    answer = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    mlflow.sklearn.save_model(
        model,
        str(folder),
        mlflow_model=Model(run_id=run_id, model_id=model_id),
        serialization_format="skops",
        skops_trusted_types=list(fitted.trusted_types),
        signature=infer_signature(sample, getattr(model, answer)(sample)),
        input_example=sample.head(_EXAMPLE_ROWS),
        pip_requirements=pins(*_NEEDS),
        pyfunc_predict_fn=answer,
    )
    shutil.copyfile(local_path(f"{fitted.uri}/{MODEL_FILE}"), folder / MODEL_FILE)
    return folder

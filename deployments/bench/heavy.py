"""A flow that does nothing and imports what a training, its checks and its report need."""

import bentoml  # noqa: F401 - the import is what is measured
import dask  # noqa: F401 - as above
import deltalake  # noqa: F401 - as above
import distributed  # noqa: F401 - as above
import evidently  # noqa: F401 - as above
import great_expectations  # noqa: F401 - as above
import mlflow.sklearn  # noqa: F401 - as above
import pandas as pd  # noqa: F401 - as above
import sklearn.ensemble  # noqa: F401 - as above
from prefect import flow


@flow(name="heavy")
def heavy() -> None:
    """Start and end."""

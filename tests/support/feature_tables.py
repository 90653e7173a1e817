"""Feature tables of a test's own, and the references that later stages start from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from infra import store
from infra.settings import settings
from tasks.references import Candidate, Cause, Evaluation, FeaturePart, FeatureTable, Fitted, Split

AS_OF = datetime(2014, 2, 1, tzinfo=UTC)


def feature_table(
    model: str,
    windows: Mapping[str, pd.DataFrame],
    *,
    key: Sequence[str],
    label: str,
    features: Sequence[str],
    categorical: Sequence[str] = (),
) -> FeatureTable:
    """Frames of features written as one Delta table, a partition for each window."""
    location = store.uri("features", model, "rows")
    parts = []
    for window, frame in windows.items():
        digest = store.content_digest(frame, key)
        version = store.write_window(location, frame, window, digest, beside=True)
        known = int((frame["label_time"] <= pd.Timestamp(AS_OF)).sum())
        parts.append(FeaturePart(window=window, digest=digest, rows=len(frame), labelled=known))
    return FeatureTable(
        model=model,
        uri=location,
        version=version,
        parts=tuple(parts),
        key=tuple(key),
        label=label,
        features=tuple(features),
        categorical=tuple(categorical),
        as_of=AS_OF,
        history="of a test",
        digest=store.digest_of(parts, list(features)),
    )


def split_of(table: FeatureTable, train: Sequence[str], holdout: str) -> Split:
    """Train on some windows and judge on another."""
    digest = store.digest_of(table.digest, list(train), holdout)
    return Split(table=table, train=tuple(train), holdout=(holdout,), digest=digest)


def candidate_of(
    fitted: Fitted, evaluation: Evaluation, version: int = 1, cause: Cause = Cause.DRIFT
) -> Candidate:
    """A candidate as the registry would name it."""
    return Candidate(
        model=fitted.split.table.model,
        version=version,
        run_id="run",
        run_url="http://127.0.0.1/run",
        uri=f"models:/{fitted.split.table.model}/{version}",
        cause=cause,
        as_of=AS_OF,
        fitted=fitted,
        evaluation=evaluation,
        data_version="data",
        commit="commit",
        lock="lock",
        digest=store.digest_of(fitted.digest, evaluation.digest, version),
    )


@contextmanager
def bare_home(folder: Path, models: Path | None = None) -> Iterator[Path]:
    """A home without servers: store and reports in a folder, addresses made up."""
    variables = {
        "PERENNIAL_HOME": str(folder),
        "PERENNIAL_MODELS": str(models or folder / "models"),
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:2",
        "PERENNIAL_PAGES_URL": "http://127.0.0.1:3",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.delenv("PERENNIAL_STORE", raising=False)
        settings.cache_clear()
        try:
            yield folder
        finally:
            settings.cache_clear()

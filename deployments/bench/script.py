"""The train pipeline as a plain script: the same data, libraries and steps, and nothing around it.

``python -m deployments.bench.script TRACKING_URI FOLDER MONTHS`` reads the same parquet files,
builds features with the model's own builder, tries the declared candidates on two Dask workers,
fits, evaluates beside the baseline, registers with MLflow, builds and serves a Bento, compares by
bootstrap, and prints how long each stage took as JSON. No retries, no versions of data, no digests,
no records, no report: that is what the ratio to Perennial pays for.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

HERE: Final = Path(__file__).resolve().parent
MODEL: Final = HERE.parent / "flights"
LABEL: Final = "disrupted"
IMPORTANCE_ROWS: Final = 4_000
READY_S: Final = 90.0

stages: dict[str, float] = {}


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage of the script."""
    began = time.perf_counter()
    yield
    stages[name] = round(time.perf_counter() - began, 3)


def skops_io() -> Any:  # noqa: ANN401 - skops ships no types
    """The library skops without torch, which an environment of the script's own would not have.

    Scikit-learn's walk over its modules imports it where it is installed: 1.6 s.
    """
    import scipy.stats  # noqa: F401 - while it is imported it takes a hidden torch for a real one

    hidden = [name for name in ("torch", "dask.array") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None is what hides a name
    import skops.io

    for name in hidden:
        del sys.modules[name]
    return skops.io


def features_of(spec: dict[str, Any], months: int) -> pd.DataFrame:
    """The feature rows of the first months, straight from the files."""
    from deployments.flights.features import build

    frames = {}
    for name, table in spec["data"]["tables"].items():
        dated = [("month", "<=", months)] if "calendar" in table else None
        frame = pd.read_parquet(MODEL / table["path"], filters=dated)
        for column, kind in table["columns"].items():
            if kind == "timestamp":
                frame[column] = pd.to_datetime(frame[column], utc=True)
        frames[name] = frame
    return build(frames, "2013")


def trainer(spec: dict[str, Any], candidate: dict[str, Any]) -> Any:  # noqa: ANN401 - a pipeline
    """The estimator of a candidate, as the model's trainer builds it."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categorical = spec["features"]["categorical"]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=254,
    )
    columns = make_column_transformer((encoder, categorical), remainder="passthrough")
    model = HistGradientBoostingClassifier(
        **{**spec["training"]["parameters"], **candidate},
        early_stopping=False,
        categorical_features=list(range(len(categorical))),
        random_state=spec["training"]["seed"],
    )
    return make_pipeline(columns, model)


def attempt(spec: dict[str, Any], candidate: dict[str, Any], file: str, newest: int) -> float:
    """The ROC AUC of a candidate on the newest training month."""
    from sklearn.metrics import roc_auc_score

    rows = pd.read_parquet(file)
    columns = spec["features"]["columns"]
    older, tried = rows[rows["month"] < newest], rows[rows["month"] == newest]
    model = trainer(spec, candidate).fit(older[columns], older[LABEL])
    return float(roc_auc_score(tried[LABEL], model.predict_proba(tried[columns])[:, 1]))


def tuned(spec: dict[str, Any], train: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """The best candidate, each tried on a Dask worker of its own."""
    from distributed import Client, LocalCluster

    file, newest = str(folder / "train.parquet"), int(train["month"].max())
    train.to_parquet(file)
    candidates: list[dict[str, Any]] = spec["training"]["candidates"]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        futures = [client.submit(attempt, spec, each, file, newest) for each in candidates]
        scores = client.gather(futures)
    return candidates[int(np.argmax(scores))]


def evaluated(model: Any, train: pd.DataFrame, holdout: pd.DataFrame, folder: Path) -> Any:  # noqa: ANN401 - a pipeline
    """Scores of model and baseline, metrics, slices, importances, and a picture of calibration."""
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    from deployments.flights.baseline import predict

    columns = list(model.feature_names_in_)
    labels = holdout[LABEL].to_numpy()
    scores = model.predict_proba(holdout[columns])[:, 1]
    ruled = predict(train, holdout.drop(columns=LABEL))
    metrics = {}
    for prefix, said in (("", scores), ("baseline_", ruled)):
        metrics[f"{prefix}roc_auc"] = roc_auc_score(labels, said)
        metrics[f"{prefix}average_precision"] = average_precision_score(labels, said)
        metrics[f"{prefix}brier"] = brier_score_loss(labels, said)
        metrics[f"{prefix}log_loss"] = log_loss(labels, said)
    slices = {
        f"{column}={name}": roc_auc_score(labels[place], scores[place])
        for column in ("origin", "carrier")
        for name, place in holdout.groupby(column).indices.items()
        if len(place) >= 300  # noqa: PLR2004 - evaluation.min_group
    }
    draws = np.random.default_rng(0)
    sample = holdout.sample(min(len(holdout), IMPORTANCE_ROWS), random_state=0)
    whole = roc_auc_score(sample[LABEL], model.predict_proba(sample[columns])[:, 1])
    importances = {}
    for name in columns:
        mixed = sample[columns].assign(**{name: draws.permutation(sample[name].to_numpy())})
        importances[name] = whole - roc_auc_score(sample[LABEL], model.predict_proba(mixed)[:, 1])
    drawn(labels, scores, folder / "holdout.png")
    told = {"slices": slices, "importances": importances}
    (folder / "evaluation.json").write_text(json.dumps(told), encoding="utf-8")
    return scores, ruled, {name: float(value) for name, value in metrics.items()}


def drawn(labels: Any, scores: Any, file: Path) -> None:  # noqa: ANN401 - arrays
    """The calibration by decile as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.9), dpi=110)
    axes = figure.subplots(1, 3)
    place = np.argsort(scores)
    for part in np.array_split(place, 10):
        axes[0].scatter(scores[part].mean(), labels[part].mean())
    axes[1].hist(scores, bins=30)
    axes[2].hist(scores[labels > 0], bins=30)
    figure.savefig(file)


def registered(spec: dict[str, Any], model: Any, metrics: dict[str, float], sample: Any) -> None:  # noqa: ANN401 - pandas
    """A run, a logged model and a version of it in MLflow."""
    import mlflow

    skops = skops_io()
    mlflow.set_experiment("flights-plain")
    with mlflow.start_run():
        mlflow.log_params(spec["training"]["parameters"])
        mlflow.log_metrics(metrics)
        mlflow.log_artifact("evaluation.json")
        mlflow.log_artifact("holdout.png")
        skops.dump(model, "model.skops")
        mlflow.sklearn.log_model(
            model,
            name="flights-plain",
            registered_model_name="flights-plain",
            serialization_format="skops",
            skops_trusted_types=skops.get_untrusted_types(file="model.skops"),
            input_example=sample.head(5),
            pip_requirements=["scikit-learn", "skops"],
        )


def packaged(folder: Path) -> str:
    """The tag of a Bento that holds the service and the model."""
    import bentoml

    context = folder / "context"
    context.mkdir()
    shutil.copy(HERE / "plain_service.py", context / "service.py")
    shutil.copy("model.skops", context)
    built = bentoml.bentos.build(
        "service:Flights",
        build_ctx=str(context),
        include=["*"],
        python={"packages": ["scikit-learn", "pandas", "skops"], "lock_packages": False},
    )
    return str(built.tag)


def smoke_tested(tag: str, model: Any, holdout: pd.DataFrame) -> None:  # noqa: ANN401 - a pipeline
    """Serve the Bento in a process of its own and compare what it answers."""
    rows = holdout[list(model.feature_names_in_)].iloc[:50]
    records = rows.astype("object").where(rows.notna(), None).to_dict("records")
    plain = [{str(name): value for name, value in row.items()} for row in records]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1"]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        answered: list[float] = []
        for part in (plain[:25], plain[25:]):
            answered += asked(f"http://127.0.0.1:{port}", part)
        np.testing.assert_allclose(answered, model.predict_proba(rows)[:, 1], atol=1e-9)
    finally:
        server.terminate()
        server.wait(20)


def asked(address: str, rows: list[dict[str, Any]]) -> list[float]:
    """The answers of a server, as soon as it is ready."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            urllib.request.urlopen(f"{address}/readyz", timeout=1).close()  # noqa: S310 - our own http
            break
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    body = json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own http
        f"{address}/predict", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own http
        found: list[float] = json.load(answer)
    return found


def gained(labels: Any, scores: Any, ruled: Any, rounds: int) -> tuple[float, float]:  # noqa: ANN401 - arrays
    """The interval of the gain on the baseline: a paired bootstrap of 400 resamples."""
    draws = np.random.default_rng(0)
    orders = [np.argsort(said, kind="stable") for said in (scores, ruled)]
    gains = []
    for _ in range(rounds):
        weights = np.bincount(draws.integers(0, len(labels), len(labels)), minlength=len(labels))
        one, other = (weighted_auc(labels[order], weights[order]) for order in orders)
        gains.append(one - other)
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)


def weighted_auc(labels: Any, weights: Any) -> float:  # noqa: ANN401 - arrays
    """AUC of rows in the order of their scores; ties count as they stand."""
    positive, negative = weights * (labels > 0), weights * (labels <= 0)
    return float((np.cumsum(negative) * positive).sum() / (positive.sum() * negative.sum()))


def main() -> None:
    """Run every stage in the folder that was named."""
    tracking, folder, months = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3])
    os.environ |= {"MLFLOW_TRACKING_URI": tracking, "BENTOML_HOME": str(folder / "bentoml")}
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    with (MODEL / "model.yaml").open(encoding="utf-8") as file:
        spec = YAML(typ="safe").load(file)

    with stage("features"):
        rows = features_of(spec, months)
        rows = rows[rows["label_time"].notna()].reset_index(drop=True)
        train, holdout = rows[rows["month"] < months], rows[rows["month"] == months]
    with stage("fit"):
        chosen = tuned(spec, train, folder)
        columns = spec["features"]["columns"]
        model = trainer(spec, chosen).fit(train[columns], train[LABEL])
    with stage("evaluate"):
        scores, ruled, metrics = evaluated(model, train, holdout, folder)
    with stage("register"):
        registered(spec, model, metrics, train[columns])
    with stage("package"):
        tag = packaged(folder)
    with stage("smoke_test"):
        smoke_tested(tag, model, holdout)
    with stage("compare"):
        interval = gained(holdout[LABEL].to_numpy(), scores, ruled, spec["gates"]["rounds"])
    print(json.dumps({"stages": stages, "metrics": metrics, "interval": interval}))  # noqa: T201 - its output


if __name__ == "__main__":
    main()

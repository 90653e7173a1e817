"""What a model of flights scores in each month: never retrained, retrained, and a plain rule.

Run as ``python -m tests.benchmarks.flights_by_month``; about a minute on one core.
"""

import json
from collections.abc import Iterator

import pandas as pd

from infra.plugins import resolve
from infra.settings import PROJECT
from tasks.metrics import log_loss, roc_auc
from tasks.spec import load_spec
from tests.support.feeds import declared_frames

FOLDER = PROJECT / "deployments" / "flights"


def months() -> Iterator[dict[str, float]]:
    """Rows, base rate and scores of April to December, a month at a time."""
    spec = load_spec("flights", PROJECT / "deployments")
    rows = resolve(FOLDER, spec.features.builder)(declared_frames("flights", spec.data), "2013")
    trainer = resolve(FOLDER, spec.training.trainer)
    baseline = resolve(FOLDER, "baseline:predict")
    columns, categorical = list(spec.features.columns), list(spec.features.categorical)
    first = rows[rows["month"] <= 3]
    for month in range(4, 13):
        holdout = rows[rows["month"] == month]
        labels = holdout["disrupted"].to_numpy()
        rule = baseline(first, holdout.drop(columns="disrupted"))
        scores = {"month": month, "rows": len(holdout), "base": labels.mean()}
        for name, train in _reaches(rows, month).items():
            model = trainer(spec.training.parameters, categorical, spec.training.seed)
            model.fit(train[columns], train["disrupted"])
            predicted = model.predict_proba(holdout[columns])[:, 1]
            scores[f"{name}_auc"] = roc_auc(labels, predicted)
            scores[f"{name}_log_loss"] = log_loss(labels, predicted)
        yield {**scores, "rule_auc": roc_auc(labels, rule)}


def _reaches(rows: pd.DataFrame, month: int) -> dict[str, pd.DataFrame]:
    return {
        "static": rows[rows["month"] <= 3],
        "roll3": rows[rows["month"].between(month - 3, month - 1)],
        "exp": rows[rows["month"] < month],
    }


if __name__ == "__main__":
    for scores in months():
        print(json.dumps({name: round(float(value), 3) for name, value in scores.items()}))  # noqa: T201 - its output

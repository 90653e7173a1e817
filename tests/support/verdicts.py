"""Candidates and comparisons by their numbers alone, for tests of what is decided on them."""

from datetime import UTC, datetime

from tasks.references import Candidate, Cause, Comparison, Evaluation, FeatureTable, Fitted, Split

AS_OF = datetime(2013, 11, 1, tzinfo=UTC)


def candidate(
    *, model: float = 0.74, baseline: float = 0.64, cause: Cause = Cause.DRIFT
) -> Candidate:
    """A candidate whose holdout of October says these two ROC AUCs."""
    table = FeatureTable(
        model="flights",
        uri="/store/features",
        version=0,
        parts=(),
        key=("id",),
        label="disrupted",
        features=("x",),
        categorical=(),
        as_of=AS_OF,
        history="",
        digest="t",
    )
    return Candidate(
        model="flights",
        version=2,
        run_id="run",
        run_url="http://127.0.0.1/run",
        uri="models:/flights/2",
        cause=cause,
        as_of=AS_OF,
        fitted=Fitted(
            uri="/store/model",
            digest="f",
            trainer="trainer:build",
            parameters={},
            seed=1,
            trials=(),
            rows=1000,
            split=Split(table=table, train=("2013-09",), holdout=("2013-10",), digest="s"),
            trusted_types=(),
        ),
        evaluation=Evaluation(
            metrics={"roc_auc": model},
            baseline={"roc_auc": baseline},
            predictions_uri="/store/predictions",
            holdout=("2013-10",),
            rows=500,
            digest="e",
        ),
        data_version="d",
        commit="c",
        lock="l",
        digest="candidate",
    )


def comparison(
    *,
    metric: str = "roc_auc",
    challenger: float = 0.74,
    gain: float = 0.0,
    lower: float = 0.0,
    upper: float = 0.0,
) -> Comparison:
    """A comparison with version 1."""
    return Comparison(
        against="1",
        metric=metric,
        challenger=challenger,
        incumbent=challenger - gain,
        gain=gain,
        lower=lower,
        upper=upper,
        rows=500,
        rounds=400,
    )

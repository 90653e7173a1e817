"""Things that a person decides about, small and complete."""

from datetime import UTC, datetime, timedelta

from tasks.governance.reviews import Pending
from tasks.references import (
    Action,
    Bento,
    Candidate,
    Cause,
    Comparison,
    Delivery,
    DriftVerdict,
    Ending,
    Evaluation,
    FeaturePart,
    FeatureTable,
    Finding,
    Fitted,
    Inspection,
    Split,
    Subject,
    TableVersion,
)

_MAY = datetime(2013, 5, 1, tzinfo=UTC)


def batch(*findings: Finding, ending: Ending = Ending.HOLD) -> Inspection:
    """A batch of one table, of which 90 rows passed and 10 were set aside."""
    return Inspection(
        delivery=Delivery(
            model="flights", window="2013-04", as_of=_MAY, files={}, digests={"flights": "f" * 64}
        ),
        ending=ending,
        findings=findings,
        staged=(
            TableVersion(
                table="flights", window="2013-04", uri="", version=1, digest="a" * 64, rows=90
            ),
        ),
        quarantined={"flights": 10},
        report_uri="",
        report_url="http://127.0.0.1:1/report.html",
        digest="b" * 64,
    )


def finding(message: str = "distances look like kilometres", *examples: str) -> Finding:
    """What a contract saw in the flights."""
    return Finding(
        table="flights",
        check="median",
        ending=Ending.HOLD,
        message=message,
        column="distance",
        examples=examples,
    )


def candidate(version: int = 2, **metrics: float) -> Candidate:
    """A registered version."""
    table = FeatureTable(
        model="flights",
        uri="",
        version=1,
        parts=(FeaturePart(window="2013-03", digest="d", rows=9, labelled=9),),
        key=("id",),
        label="late",
        features=("hour",),
        categorical=(),
        as_of=_MAY,
        history="h",
        digest="t",
    )
    fitted = Fitted(
        uri="",
        digest="f",
        trainer="trainer:fit",
        parameters={},
        seed=7,
        trials=(),
        rows=9,
        split=Split(table=table, train=("2013-03",), holdout=("2013-04",), digest="s"),
        trusted_types=(),
    )
    evaluation = Evaluation(
        metrics=metrics or {"roc_auc": 0.71},
        baseline={"roc_auc": 0.62},
        predictions_uri="",
        holdout=("2013-04",),
        rows=1234,
        digest="e",
    )
    return Candidate(
        model="flights",
        version=version,
        run_id="r",
        run_url="http://127.0.0.1:1/run",
        uri=f"models:/flights/{version}",
        cause=Cause.DRIFT,
        as_of=_MAY,
        fitted=fitted,
        evaluation=evaluation,
        data_version="v" * 64,
        commit="c" * 40,
        lock="l",
        digest=f"candidate-{version}",
    )


def bento(version: int = 2) -> Bento:
    """The candidate's bento."""
    return Bento(tag=f"flights:{version}", uri="", digest="b", version=version, smoke="s")


def comparison(gain: float = 0.02) -> Comparison:
    """Challenger against version 1."""
    return Comparison(
        against="1",
        metric="roc_auc",
        challenger=0.7 + gain,
        incumbent=0.7,
        gain=gain,
        lower=gain - 0.01,
        upper=gain + 0.01,
        rows=1234,
        rounds=500,
    )


def drift(**psi: float) -> DriftVerdict:
    """A window that asks for a person."""
    return DriftVerdict(
        model="flights",
        window="2013-07",
        as_of=_MAY,
        action=Action.ASK,
        reasons=("roc_auc fell by 0.04",),
        drift=psi or {"hour": 0.31},
        metrics={"roc_auc": 0.66},
        champion=1,
        rows=100,
        report_url="http://127.0.0.1:1/drift.html",
        digest="x",
    )


def pending(since: datetime) -> Pending:
    """A review that waits for three days at most."""
    return Pending(
        run="flights-batch",
        run_id="1",
        run_url="http://127.0.0.1:1/run",
        model="flights",
        subject=Subject.BATCH,
        title="flights: the batch 2013-04 is on hold",
        state="Suspended",
        as_of=since,
        since=since,
        deadline=since + timedelta(days=3),
        default="refuse",
        evidence="e" * 64,
        evidence_uri="",
    )

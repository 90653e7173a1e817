"""The steps that judge a candidate: measured on its holdout, compared, decided."""

import hashlib
from typing import TYPE_CHECKING

from infra import store
from infra.addresses import addresses
from infra.models import load_model
from infra.plugins import resolve
from infra.settings import settings
from infra.steps import step
from tasks.data.spec import LabelSpec
from tasks.evaluation.spec import EvaluationSpec, GateSpec
from tasks.governance.spec import ApprovalSpec
from tasks.references import Candidate, Champion, Comparison, Evaluation, Fitted, Verdict

if TYPE_CHECKING:
    from tasks.evaluation.measuring import Measured


@step
def evaluate(fitted: Fitted, evaluation: EvaluationSpec, label: LabelSpec) -> Evaluation:
    """How a model does on its holdout, beside a simple rule; every prediction is kept.

    Raises:
        ConfigError: the metric, the baseline or a slice is not what it should be.
        DataError: the holdout cannot tell the metric.
        IntegrityError: the model is not the one that was recorded.
    """
    from tasks.evaluation.holdout import constant
    from tasks.evaluation.measuring import Asked, measured
    from tasks.frames import split_rows

    table = fitted.split.table
    train, rows = split_rows(fitted.split)
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    rule = constant(label, evaluation.metric)
    if evaluation.baseline is not None:
        rule = resolve(settings().models / table.model, evaluation.baseline)
    asked = Asked(table=table, evaluation=evaluation, label=label, seed=_seed(fitted.digest))
    found = measured(model, rule, train, rows, asked)

    digest = store.digest_of("evaluate", fitted.digest, fitted.split.digest, evaluation, label)
    place = store.uri(table.model, "evaluations", digest, "predictions.parquet")
    store.put_bytes(place, found.predictions)
    told = (found.metrics, found.baseline, found.slices, found.importances)
    return Evaluation(
        metrics=found.metrics,
        baseline=found.baseline,
        slices=found.slices,
        importances=found.importances,
        predictions_uri=place,
        picture_url=_pictured(found, fitted, evaluation, digest),
        holdout=fitted.split.holdout,
        rows=len(rows),
        digest=store.digest_of(told, hashlib.sha256(found.predictions).hexdigest()),
    )


@step
def compare(
    candidate: Candidate,
    incumbent: Champion | None,
    evaluation: EvaluationSpec,
    gates: GateSpec,
    label: LabelSpec,
) -> Comparison:
    """What the candidate gains on the champion, or on the baseline before there is one.

    Both predict the candidate's holdout; the interval is that of a paired bootstrap.

    Raises:
        DataError: the champion needs features that are gone.
        IntegrityError: models or predictions are not those that were recorded.
    """
    from tasks.evaluation.bootstrap import paired_bootstrap
    from tasks.evaluation.pairs import paired

    champion = incumbent.candidate.fitted if incumbent else None
    predictions = store.get_bytes(candidate.evaluation.predictions_uri)
    rows = paired(predictions, label, candidate.fitted.split, champion)
    gain = paired_bootstrap(
        rows,
        evaluation.metric,
        rounds=gates.rounds,
        confidence=gates.confidence,
        seed=_seed(candidate.fitted.digest, champion.digest if champion else "baseline"),
    )
    return Comparison(
        against=str(incumbent.version) if incumbent else "baseline",
        metric=evaluation.metric,
        challenger=gain.challenger,
        incumbent=gain.incumbent,
        gain=gain.gain,
        lower=gain.lower,
        upper=gain.upper,
        rows=len(rows.labels),
        rounds=gates.rounds,
    )


@step
def judge(
    candidate: Candidate, comparison: Comparison, gates: GateSpec, approval: ApprovalSpec
) -> Verdict:
    """Whether the candidate replaces the champion, a person decides, or it is refused."""
    from tasks.evaluation.gates import decide

    return decide(candidate, comparison, gates, approval)


def _seed(*digests: str) -> int:
    """The same draws for the same models, and others for others."""
    return int(store.digest_of(*digests)[:15], 16)


def _pictured(found: "Measured", fitted: Fitted, evaluation: EvaluationSpec, digest: str) -> str:
    """The address of the picture, written where the page server finds it."""
    from tasks.evaluation.pictures import picture

    split = fitted.split
    where = (
        "held out rows"
        if split.holdout_share
        else " to ".join(split.holdout[:1] + split.holdout[1:][-1:])
    )
    title = f"{split.table.model}: judged on {where}, {len(found.labels):,} rows"
    path = settings().home / "reports" / split.table.model / "train" / digest / "holdout.png"
    store.put_bytes(str(path), picture(found, evaluation.metric, title))
    return addresses().page(path)

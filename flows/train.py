"""Make a candidate, judge it, and let it replace the champion, ask a person, or refuse it."""

from datetime import UTC, datetime

from prefect import State, flow

from infra.runs import ended, moment, named
from tasks.data import read_history
from tasks.evaluation import compare, evaluate, judge
from tasks.features import build_features, split_by_time
from tasks.governance import (
    alert,
    evidence_for_candidate,
    gate_notice,
    promotion_held,
    record_verdict,
    request_promotion,
    request_review,
)
from tasks.monitoring import profile
from tasks.packaging import package, smoke_test
from tasks.references import Ask, Cause, Promote
from tasks.registry import champion, register
from tasks.spec import load_spec
from tasks.training import fit


@flow(name="train", flow_run_name=named("model", "cause", "as_of"))
def train(
    model: str,
    cause: Cause = Cause.PERSON,
    as_of: datetime | None = None,
    window: str | None = None,
) -> State[None]:
    """Train a candidate from everything known and bring it before the gates.

    Args:
        model: name of the model.
        cause: why it is trained.
        as_of: the time that decides what is known; by default the run's scheduled start.
        window: training windows in place of the declared: expanding, latest, or their number.
    """
    spec, as_of = load_spec(model), moment(as_of)
    label = spec.data.label

    table = build_features(read_history(model, as_of), spec.features, spec.data)
    split = split_by_time(table, spec.training, window)
    fitted = fit(split, spec.training, spec.evaluation, spec.features, label)
    evaluation = evaluate(fitted, spec.evaluation, label)
    profiled = profile(fitted, evaluation, spec.monitoring, label)
    candidate = register(fitted, evaluation, cause, as_of, profiled)
    bento = smoke_test(
        package(candidate, spec.serving, spec.features, label), candidate, spec.serving, label
    )

    incumbent = champion(model, as_of)
    comparison = compare(candidate, incumbent, spec.evaluation, spec.gates, label)
    verdict = judge(candidate, comparison, spec.gates, spec.approval)
    evidence = evidence_for_candidate(
        candidate, bento, comparison, verdict, incumbent, spec.triggers.code_paths
    )
    record_verdict(evidence, verdict)
    frozen = [spec.frozen("promote", day) for day in (as_of, datetime.now(UTC))]
    held = promotion_held(cause, *frozen) if isinstance(verdict, Promote) else ""
    review = request_review(evidence) if isinstance(verdict, Ask) else ""
    alert(gate_notice(evidence, verdict, review, held), spec.alerts)

    match verdict:
        case Promote(why=why) if held:
            return ended("Waiting", f"{why} The promotion waits: {held}.")
        case Promote(why=why):
            request_promotion(evidence, why, "gate")
            return ended("Promoted", why)
        case Ask(why=why):
            return ended("Asked", why)
        case _:
            return ended("Refused", verdict.why)

"""When a candidate may replace the champion: what the numbers of a comparison decide."""

from tasks.evaluation.spec import GateSpec
from tasks.governance.spec import ApprovalSpec
from tasks.metrics import direction
from tasks.references import Ask, Candidate, Comparison, Promote, Refuse, Verdict
from tasks.windows import EVERYTHING


def decide(
    candidate: Candidate, comparison: Comparison, gates: GateSpec, approval: ApprovalSpec
) -> Verdict:
    """Promote what is better for certain, ask about what may be, refuse the rest.

    In this order: a candidate that does not beat the baseline, or gains less than ``min_gain``
    or nothing, is refused. A metric that is too good, an interval that reaches down to
    ``min_gain``, or a cause that needs approval asks a person. What is left is promoted.

    Args:
        candidate: with the metrics of its holdout.
        comparison: against the champion, or the baseline where there is none.
        gates: what must be exceeded.
        approval: which causes a person approves.

    Raises:
        ConfigError: there is no such metric.
    """
    sign = direction(comparison.metric)
    reached = comparison.gain >= gates.min_gain and comparison.gain > 0
    gained = _gained(candidate, comparison)
    if gates.must_beat_baseline and not _beats_baseline(candidate, comparison.metric, sign):
        return Refuse(why=_below_baseline(candidate, comparison))
    if not reached:
        return Refuse(why=f"{gained}, below {gates.min_gain:.4f}")
    if gates.too_good is not None and sign * (comparison.challenger - gates.too_good) >= 0:
        return Ask(
            why=f"{comparison.metric} is {comparison.challenger:.4f}, at or beyond "
            f"{gates.too_good:.4f}: too good to be true, look for a leak; {gained}"
        )
    if not comparison.lower > gates.min_gain:
        return Ask(why=f"{gained}: the gain reaches {gates.min_gain:.4f}, its lower bound does not")
    if candidate.cause in approval.causes:
        return Ask(
            why=f"{gained}, above {gates.min_gain:.4f}; "
            f"trainings started by {candidate.cause.value} need approval"
        )
    return Promote(why=f"{gained}, above {gates.min_gain:.4f}")


def _gained(candidate: Candidate, comparison: Comparison) -> str:
    against = comparison.against
    other = "the baseline" if against == "baseline" else f"version {against}"
    verb = "gained" if comparison.gain > 0 else "lost" if comparison.gain < 0 else "moved"
    return (
        f"{comparison.metric} {verb} {abs(comparison.gain):.4f} "
        f"[{comparison.lower:+.4f}, {comparison.upper:+.4f}] against {other} "
        f"on {_where(candidate)}"
    )


def _where(candidate: Candidate) -> str:
    holdout = candidate.evaluation.holdout
    if not holdout or holdout == (EVERYTHING,):
        return f"{candidate.evaluation.rows} rows held out"
    return holdout[0] if len(holdout) == 1 else f"{holdout[0]} to {holdout[-1]}"


def _beats_baseline(candidate: Candidate, metric: str, sign: int) -> bool:
    evaluation = candidate.evaluation
    if metric not in evaluation.metrics or metric not in evaluation.baseline:
        return False
    return sign * (evaluation.metrics[metric] - evaluation.baseline[metric]) > 0


def _below_baseline(candidate: Candidate, comparison: Comparison) -> str:
    metric, evaluation = comparison.metric, candidate.evaluation
    if metric not in evaluation.metrics or metric not in evaluation.baseline:
        return f"{metric} is not known of the candidate or of the baseline on {_where(candidate)}"
    return (
        f"{metric} is {evaluation.metrics[metric]:.4f} on {_where(candidate)}, "
        f"no better than the baseline's {evaluation.baseline[metric]:.4f}"
    )

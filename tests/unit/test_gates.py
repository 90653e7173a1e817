"""What the gates decide, and that no number talks them into more than it should."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.gates import decide
from tasks.evaluation.spec import GateSpec
from tasks.governance.spec import ApprovalSpec
from tasks.references import Ask, Candidate, Cause, Comparison, Promote, Refuse, Verdict
from tests.support.verdicts import candidate, comparison

ANYONE = ApprovalSpec()
GATES = GateSpec(min_gain=0.005, too_good=0.85)

VALUES = st.floats(-1, 1)
COMPARISONS = st.builds(
    lambda challenger, gain, below, above: comparison(
        challenger=challenger, gain=gain, lower=gain - below, upper=gain + above
    ),
    st.floats(0, 1),
    VALUES,
    st.floats(0, 0.2),
    st.floats(0, 0.2),
)
CANDIDATES = st.builds(
    lambda model, baseline, cause: candidate(model=model, baseline=baseline, cause=cause),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(list(Cause)),
)


def decided(found: Comparison, gates: GateSpec = GATES, approval: ApprovalSpec = ANYONE) -> Verdict:
    """The verdict on a candidate that beats its baseline."""
    return decide(candidate(), found, gates, approval)


def test_a_certain_gain_is_promoted() -> None:
    """The whole interval lies above the margin."""
    verdict = decided(comparison(gain=0.065, lower=0.058, upper=0.074))

    assert verdict == Promote(
        why="roc_auc gained 0.0650 [+0.0580, +0.0740] against version 1 on 2013-10, above 0.0050"
    )


def test_a_gain_whose_interval_reaches_below_the_margin_asks() -> None:
    """The gain is there, but it could be noise: a person decides."""
    verdict = decided(comparison(gain=0.0061, lower=-0.004, upper=0.011))

    assert isinstance(verdict, Ask)
    assert "roc_auc gained 0.0061 [-0.0040, +0.0110]" in verdict.why


def test_a_gain_below_the_margin_is_refused_with_its_numbers() -> None:
    """A better score alone is not enough: it must reach ``min_gain``."""
    verdict = decided(comparison(gain=0.0042, lower=0.0035, upper=0.0049))

    assert verdict == Refuse(
        why="roc_auc gained 0.0042 [+0.0035, +0.0049] against version 1 on 2013-10, below 0.0050"
    )


def test_the_december_challenger_is_refused() -> None:
    """Three months of training lose 0.023 against the champion of the time."""
    verdict = decided(comparison(gain=-0.023, lower=-0.027, upper=-0.019))

    assert isinstance(verdict, Refuse)
    assert "lost 0.0230" in verdict.why


def test_the_same_model_again_is_refused_even_without_a_margin() -> None:
    """A gain of nothing asks nobody."""
    verdict = decided(comparison(gain=0.0, lower=0.0, upper=0.0), GateSpec(min_gain=0.0))

    assert isinstance(verdict, Refuse)


def test_a_metric_that_is_too_good_asks_for_a_leak() -> None:
    """With the departure delay left in, April says 0.894: nobody promotes that unseen."""
    verdict = decided(comparison(challenger=0.894, gain=0.2, lower=0.19, upper=0.21))

    assert isinstance(verdict, Ask)
    assert "0.8940, at or beyond 0.8500: too good to be true, look for a leak" in verdict.why


def test_a_loss_that_is_too_low_asks_for_a_leak() -> None:
    """Beyond means below where less is better."""
    found = comparison(metric="log_loss", challenger=0.05, gain=0.3, lower=0.29, upper=0.31)
    gates = GateSpec(too_good=0.1, must_beat_baseline=False)

    assert isinstance(decided(found, gates), Ask)


def test_a_cause_that_needs_approval_asks_although_the_gates_pass() -> None:
    """The declaration says who may move the champion without a person."""
    approval = ApprovalSpec(causes=(Cause.DRIFT,))

    verdict = decided(comparison(gain=0.03, lower=0.026, upper=0.034), approval=approval)

    assert isinstance(verdict, Ask)
    assert verdict.why.endswith("trainings started by drift need approval")


def test_a_candidate_below_the_baseline_is_refused_whatever_it_gains() -> None:
    """A rule on a sheet of paper that does better is the better model."""
    worse = candidate(model=0.62, baseline=0.636)

    verdict = decide(worse, comparison(gain=0.1, lower=0.09, upper=0.11), GATES, ANYONE)

    assert verdict == Refuse(
        why="roc_auc is 0.6200 on 2013-10, no better than the baseline's 0.6360"
    )


@given(CANDIDATES, COMPARISONS)
def test_only_certain_plausible_and_permitted_gains_are_promoted(
    one: Candidate, found: Comparison
) -> None:
    """Every promotion fulfils every condition; nothing else is promoted."""
    approval = ApprovalSpec(causes=(Cause.DRIFT, Cause.DATA))
    told = one.evaluation
    conditions = (
        told.metrics["roc_auc"] > told.baseline["roc_auc"],
        found.lower > 0.005,
        found.challenger < 0.85,
        one.cause not in approval.causes,
    )

    verdict = decide(one, found, GATES, approval)

    assert isinstance(verdict, Promote) == all(conditions)


@given(CANDIDATES, COMPARISONS, st.floats(0, 0.3))
def test_a_larger_gain_is_never_judged_worse(
    one: Candidate, found: Comparison, more: float
) -> None:
    """Refuse, ask, promote: the verdict climbs with the gain."""
    rank = {"refuse": 0, "ask": 1, "promote": 2}
    better = found.model_copy(
        update={name: getattr(found, name) + more for name in ("gain", "lower", "upper")}
    )

    before, after = (decide(one, each, GATES, ANYONE) for each in (found, better))

    assert rank[after.kind] >= rank[before.kind]


@given(CANDIDATES, COMPARISONS)
def test_every_verdict_says_why_in_numbers(one: Candidate, found: Comparison) -> None:
    """A reviewer reads the metric and the holdout in one line."""
    why = decide(one, found, GATES, ANYONE).why

    assert "roc_auc" in why
    assert "2013-10" in why
    assert "\n" not in why

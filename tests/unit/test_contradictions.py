"""Declarations whose sections contradict one another."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.errors import ConfigError
from tasks.contradictions import contradictions, unkept
from tasks.governance.notices import AlertSpec
from tasks.governance.policy_spec import PolicySpec
from tasks.governance.triggers import TriggersSpec
from tasks.monitoring.spec import MonitoringSpec
from tasks.references import Action
from tasks.schedules import FreezeSpec
from tasks.spec import load_spec
from tasks.verification.spec import ContinuousSpec, ShiftKind
from tests.support.small_model import write_model


def found(
    policy: dict[str, Any],
    monitoring: dict[str, Any] | None = None,
    triggers: dict[str, Any] | None = None,
    grain: str = "month",
    on: tuple[str, ...] = (),
) -> list[str]:
    """What contradicts itself in some sections."""
    alerts = [AlertSpec.model_validate({"on": on, "to": ["team"]})] if on else []
    return list(
        contradictions(
            PolicySpec.model_validate(policy),
            MonitoringSpec.model_validate(monitoring or {}),
            TriggersSpec.model_validate(triggers or {}),
            alerts,
            grain,
        )
    )


@pytest.mark.parametrize(
    ("kind", "field", "watched"),
    [
        ("value", "value.least", {"value": {"least": 1.0}}),
        ("target", "max_target_psi", {"max_target_psi": 0.2}),
        ("slices", "slices", {"slices": {"columns": ["place"]}}),
        ("attribution", "attribution", {"attribution": {}}),
        ("late", "objective", {"objective": {"within": "PT1H"}}),
        ("calibration", "max_calibration_gap", {}),
    ],
)
def test_what_nobody_watches_leads_nowhere(
    kind: str, field: str, watched: dict[str, object]
) -> None:
    """Refused until what yields such a cause is declared."""
    off = {"max_calibration_gap": None}

    [said] = found({"follow": {kind: "ask"}}, off)

    assert said.endswith(f"nobody watches: declare monitoring.{field}, or leave it out")
    assert found({"follow": {kind: "ask"}}, watched) == []


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"most": "alert", "persist": {"least": 2, "of": 3}}, "policy.persist holds back"),
        ({"most": "alert", "min_growth": 0.5}, "policy.min_growth decides"),
        ({"most": "ask", "cooldown": "P7D"}, "policy.cooldown lies between"),
        ({"most": "ask", "budget": {"retrains": 1}}, "no trigger starts one"),
        ({"every": "P1D"}, "policy.every is 1 day, but a window is a month"),
        ({"cooldown": "P14D", "budget": {"retrains": 2}}, "is never reached"),
        ({"cooldown": "P3D", "budget": {"retrains": 3}}, "is never reached"),
    ],
)
def test_a_limit_that_cannot_come_to_bear_is_refused(policy: dict[str, object], said: str) -> None:
    """Somebody who declares it believes that it does something."""
    [found_] = found(policy)

    assert said in found_


def test_limits_that_come_to_bear_are_none() -> None:
    """Triggers spend a budget too, whatever verdicts may do; a question needs `min_growth`."""
    data: dict[str, Any] = {"data": {"windows": 1}}

    assert found({"most": "ask", "min_growth": 0.5, "persist": {"least": 2, "of": 3}}) == []
    assert found({"most": "ask", "budget": {"retrains": 1}}, triggers=data) == []
    assert found({"cooldown": "P14D", "budget": {"retrains": 2}}, triggers=data) == []
    assert found({"cooldown": "P3D", "budget": {"retrains": 2}}) == []
    assert found({"every": "P1D"}, grain="day") == []


def test_windows_before_are_asked_for_where_there_are_some() -> None:
    """Data without time have the one window, which no other comes before."""
    lasting = {"persist": {"least": 2, "of": 3}}

    [said] = found(lasting, grain="all")

    assert said.endswith("data without time have one: all")


def test_nobody_waits_to_be_told_of_what_never_happens() -> None:
    """Of what `most` excludes; of batches and candidates everybody may be told."""
    assert found({"most": "ask"}, on=("retrain", "hold", "alert")) == [
        "alerts tell of retrain, but policy.most is ask"
    ]
    assert found({}, on=("alert", "ask", "retrain", "rollback")) == []


def test_a_proof_asks_for_no_training_that_the_policy_excludes() -> None:
    """Where the declaration says so itself; what it leaves out promises nothing."""
    asks = PolicySpec(most=Action.ASK)
    wanted = ContinuousSpec(retrains=(ShiftKind.FLIP,))

    assert list(unkept(asks, wanted, ())) == [
        "verify.continuous.retrains wants a training for flip, but policy.most is ask"
    ]
    assert list(unkept(asks, ContinuousSpec(), ())) == []
    assert list(unkept(PolicySpec(), wanted, ())) == []


@pytest.mark.parametrize(
    ("freezes", "are_refused"),
    [
        ([("2000-01-01", "2100-12-29", False)], True),
        ([("2026-01-01", "2026-06-30", True), ("2026-07-01", "2026-12-31", True)], True),
        ([("2026-01-01", "2026-06-30", True), ("2026-07-02", "2026-12-31", True)], False),
        ([("2026-01-01", "2026-06-30", False)], False),
    ],
)
def test_what_is_due_needs_a_day_that_is_not_frozen(
    freezes: list[tuple[str, str, bool]], *, are_refused: bool
) -> None:
    """Freezes of other flows leave the trainings alone."""
    due, days = (
        PolicySpec(every=timedelta(days=30)),
        [
            {"why": "shut", "first": first, "last": last, "yearly": yearly}
            for first, last, yearly in freezes
        ],
    )
    shut = [FreezeSpec.model_validate(each) for each in days]
    others = [FreezeSpec.model_validate({**each, "flows": ["ingest"]}) for each in days]

    assert bool(list(unkept(due, ContinuousSpec(), shut))) is are_refused
    assert list(unkept(due, ContinuousSpec(), others)) == []
    assert list(unkept(PolicySpec(), ContinuousSpec(), shut)) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("policy:\n", "policy is empty: give it a value, or remove the line"),
        ("policy: [rest]\n", "policy must be a mapping of its fields"),
        ("policy: {most: ask, cooldown: P7D}\n", "model.yaml: policy.cooldown lies between"),
        ("policy: {every: PT0S}\n", "policy: every must be a length of time above zero"),
        (
            "verify: {continuous: {retrains: [flip]}}\npolicy: {most: ask}\n",
            "but policy.most is ask",
        ),
        ("policy: {cooldown: P1D, cooldown: P2D}\n", 'found duplicate key "cooldown"'),
    ],
)
def test_a_mistake_in_the_file_is_a_sentence(tmp_path: Path, lines: str, said: str) -> None:
    """Without words of the libraries that found it, and without advice to look away."""
    path = write_model(tmp_path, "rides") / "model.yaml"
    path.write_text(path.read_text(encoding="utf-8") + lines, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_spec("rides", tmp_path)

    told = f"{caught.value.args[0]} {caught.value.advice}"
    assert said in told
    assert not {"value error", "suppress", "policyspec"} & set(told.lower().split())

"""What injections add up to, what fails a proof, and how it is drawn."""

import json
import re

import pytest

from deployments.proof.picture import draw
from deployments.proof.result import Calm, Continuous, Followed, Injection
from deployments.proof.summing import failures, shifts
from infra.settings import PROJECT
from tasks.references import Action
from tasks.verification.spec import ContinuousSpec, ShiftKind

WANTED = ContinuousSpec(retrains=(ShiftKind.FLIP,))


def injection(kind: ShiftKind = ShiftKind.FLIP, number: int = 1, **changes: object) -> Injection:
    """A gross shift that the monitor saw in the first window, and trained on."""
    feed = kind.of_feed
    facts: dict[str, object] = {
        "kind": kind,
        "size": 1.0,
        "gross": True,
        "repetition": number,
        "where": "a.b",
        "window": "2024-05",
        "actions": () if feed else (Action.RETRAIN,),
        "by": "contract" if feed else "monitor",
        "delay": 1,
        "days": 31.0,
        "followed": "hold" if feed else "retrain",
    }
    return Injection.model_validate({**facts, **changes})


def proof(*injections: Injection, **changes: object) -> Continuous:
    """A proof of two shadows with forty silent months, but for the changes."""
    calm = Calm(windows=40, years=10 / 3, alarms=0, retrains=0)
    followed = Followed(
        kind=ShiftKind.FLIP,
        verdict="roc_auc fell",
        conclusion=Action.RETRAIN,
        delivered=True,
        message="rides 2024-05: retrain",
        trained_rows=10,
        metric="roc_auc",
        champion=0.6,
        challenger=0.7,
        gates="promote: it gained",
    )
    facts: dict[str, object] = {
        "model": "rides",
        "passed": True,
        "failures": (),
        "seed": 1,
        "repetitions": 2,
        "grain": "month",
        "source_windows": 12,
        "max_false_alarms": 1.0,
        "max_delay": 1,
        "contract": calm,
        "unshifted": calm,
        "steady": None,
        "shifts": tuple(shifts(injections)),
        "left_out": {},
        "followed": followed,
        "injections": injections,
        "seconds": 1.0,
    }
    return Continuous.model_validate({**facts, **changes})


def test_a_shift_is_as_slow_as_the_slowest_shadow() -> None:
    """Three windows in one of two shadows are three; by whom and what followed is counted."""
    [shift] = shifts([injection(number=1), injection(number=2, delay=3, days=92.0)])

    assert (shift.delay, shift.days, shift.seen, shift.tried) == (3, 92.0, 2, 2)
    assert (shift.by, shift.followed) == (("monitor",), ("retrain",))


def test_a_shift_that_a_shadow_never_saw_has_no_delay() -> None:
    """An average would hide it."""
    [shift] = shifts([injection(), injection(number=2, delay=None, by="", followed="")])

    assert (shift.delay, shift.seen, shift.tried) == (None, 1, 2)


def test_shifts_come_in_the_order_of_their_kinds_small_to_gross() -> None:
    """The same order in the table, the picture and the JSON."""
    found = shifts(
        [injection(ShiftKind.UNIT), injection(size=0.5, gross=False), injection(size=1.0)]
    )

    assert [(each.kind, each.size) for each in found] == [
        (ShiftKind.FLIP, 0.5),
        (ShiftKind.FLIP, 1.0),
        (ShiftKind.UNIT, 1.0),
    ]


def test_a_proof_in_which_all_is_seen_has_no_failure() -> None:
    """The gross label flip is trained on, the broken feed is held."""
    assert failures(proof(injection(), injection(ShiftKind.UNIT)), WANTED) == ()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            proof(injection(delay=2)),
            "The gross flip (1) was not seen within 1 window in 1 of 1 shadows; first in a.b.",
        ),
        (
            proof(injection(delay=None, by="", actions=())),
            "The gross flip led to no training in 1 of 2 shadows",
        ),
        (
            proof(
                injection(
                    ShiftKind.MISSING,
                    size=0.1,
                    gross=False,
                    by="monitor",
                    actions=(Action.RETRAIN,),
                    says="Features moved.",
                )
            ),
            "1 faults of the feed led to a training; first missing of 0.1 in a.b: Features moved.",
        ),
        (
            proof(unshifted=Calm(windows=12, years=1.0, alarms=2, retrains=0, told=("May: x",))),
            "2 of 12 windows without a shift alarmed, 2.00 a year; 1 may. May: x",
        ),
        (
            proof(steady=Calm(windows=4, years=4.0, alarms=1, retrains=1, told=("2017: retrain",))),
            "1 of 4 windows as they came alarmed, though nothing moves in them. 2017: retrain",
        ),
        (proof(followed=None), "No shift of the world led to anything: nobody would be told."),
    ],
    ids=["late", "not trained on", "a fault learned", "false alarms", "not steady", "nobody told"],
)
def test_what_falls_short_is_told_in_a_sentence(broken: Continuous, told: str) -> None:
    """Each threshold of the declaration can fail, and says by how much."""
    found = failures(broken, WANTED)

    assert any(each.startswith(told) for each in found), found


def test_a_small_shift_that_is_not_seen_is_no_failure() -> None:
    """Only gross ones must be: a monitor that sees everything cries at everything."""
    small = injection(size=0.1, gross=False, delay=None, by="", actions=())

    assert failures(proof(small), WANTED) == ()


def test_a_proof_is_drawn_whatever_it_found() -> None:
    """Seen, seen by some, seen by nobody, alarms, a feed that was learned from: a picture each."""
    mixed = proof(
        injection(),
        injection(ShiftKind.MEAN, delay=2),
        injection(ShiftKind.MEAN, number=2, delay=None, by=""),
        injection(ShiftKind.SILENCE, delay=None, by="", size=0.5, gross=False),
        injection(ShiftKind.SILENCE, followed="retrain"),
        steady=Calm(windows=130, years=130.0, alarms=1, retrains=0),
    )

    assert draw(mixed).startswith(b"\x89PNG")


def test_the_schema_of_the_result_is_documented() -> None:
    """`--json` prints what the documentation says."""
    page = (PROJECT / "docs" / "proof.md").read_text(encoding="utf-8")
    block = re.search(r"```json\n(.*?)```", page, re.DOTALL)

    assert block is not None
    assert json.loads(block[1]) == Continuous.model_json_schema(mode="serialization")

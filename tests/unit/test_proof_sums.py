"""What injections add up to, what fails a proof, and how it is drawn."""

import json
import re
from datetime import UTC, datetime

import pytest

from deployments.proof.picture import draw
from deployments.proof.result import Calm, Continuous, Followed, Injection, Started
from deployments.proof.summing import failures, shifts, untold
from deployments.proof.wording import notes, outcome
from infra.settings import PROJECT
from tasks.governance.notices import AlertSpec, Occasion
from tasks.references import Action, Cause
from tasks.verification.spec import ContinuousSpec, ShiftKind

WANTED = ContinuousSpec(retrains=(ShiftKind.FLIP,))
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
STARTED = Started(deployment="train/rides", cause=Cause.DRIFT, as_of=AS_OF, key="train-rides-1")


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
        "calm": () if feed else (Action.REST,),
        "by": "contract" if feed else "monitor",
        "delay": 1,
        "days": 31.0,
        "followed": "hold" if feed else "retrain",
    }
    return Injection.model_validate({**facts, **changes})


FOLLOWED = Followed(
    kind=ShiftKind.FLIP,
    verdict="roc_auc fell",
    as_of=AS_OF,
    conclusion=Action.RETRAIN,
    declared=True,
    wanted=("team",),
    told=("team",),
    message="rides 2024-05: retrain",
    started=STARTED,
    trained_rows=10,
    metric="roc_auc",
    champion=0.6,
    challenger=0.7,
    gates="promote: it gained",
)
STOPPED = Calm(windows=12, years=1.0, alarms=12, retrains=0, told=("May: hold: x",))


def through(**changes: object) -> Followed:
    """A gross flip that somebody was told of, and that a training was asked for by."""
    return FOLLOWED.model_copy(update=changes)


def proof(*injections: Injection, **changes: object) -> Continuous:
    """A proof of two shadows with forty silent months, but for the changes."""
    calm = Calm(windows=40, years=10 / 3, alarms=0, retrains=0)
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
        "followed": FOLLOWED,
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
                    calm=(Action.REST,),
                    says="Features moved.",
                )
            ),
            "1 faults of a feed or of predictions led to a training; first missing of 0.1 in a.b:",
        ),
        (
            proof(injection(), contract=STOPPED),
            "The contract stops 12 of 12 windows as they came, 12.00 a year; 1 may. May: hold",
        ),
        (
            proof(followed=through(told=())),
            "A verdict was to be told to team, and no message came to the receiver.",
        ),
        (
            proof(followed=through(started=None)),
            "A verdict asked for a training, and none was started.",
        ),
        (
            proof(followed=through(started=STARTED.model_copy(update={"cause": Cause.DATA}))),
            "A verdict asked for a training for drift as of 2024-06-01; what was started is train",
        ),
        (
            proof(injection(), channels=("team",), untold={Occasion.ALERT: (ShiftKind.SILENCE,)}),
            "No more than an alert follows from the gross silence, and no rule under `alerts`",
        ),
        (proof(), "No shift could be tried"),
        (
            proof(unshifted=Calm(windows=12, years=1.0, alarms=2, retrains=0, told=("May: x",))),
            "2 of 12 windows without a shift alarmed, 2.00 a year; 1 may. May: x",
        ),
        (
            proof(steady=Calm(windows=4, years=4.0, alarms=1, retrains=1, told=("2017: retrain",))),
            "1 of 4 windows as they came alarmed, though nothing moves in them. 2017: retrain",
        ),
        (
            proof(left_out={"flip": "the model has no label"}),
            "The gross flip must lead to a training and could not be tried: the model has no label",
        ),
        (
            proof(injection(), followed=through(conclusion=Action.ALERT, started=None)),
            "The gross flip, tried to its end, led to no training, but to alert.",
        ),
        (
            proof(injection(actions=(Action.RETRAIN,), calm=(Action.RETRAIN,))),
            "The gross flip led to no training in 1 of 2 shadows, but to one that starts without",
        ),
        (
            proof(injection(), followed=through(kind=ShiftKind.MEAN)),
            "The gross flip, tried to its end, led to nothing.",
        ),
        (
            proof(injection(), followed=None),
            "No shift of the world led to anything: nobody would be told.",
        ),
    ],
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


def test_a_proof_without_any_shift_is_drawn_and_fails() -> None:
    """Where nothing could be tried nothing is shown, and that is no success."""
    empty = proof()

    assert draw(empty).startswith(b"\x89PNG")
    assert failures(empty, WANTED) != ()


def test_a_fault_of_predictions_must_not_be_trained_on_either() -> None:
    """Rows came as ever: there is nothing in them to learn."""
    learned = injection(
        ShiftKind.OUTAGE, by="monitor", actions=(Action.RETRAIN,), calm=(Action.REST,), says="x."
    )

    assert any(each.startswith("1 faults") for each in failures(proof(learned), WANTED))


def test_what_a_calm_window_starts_too_is_no_fault_s_doing() -> None:
    """A training that starts without the fault as well is none that the fault led to."""
    both = (Action.ALERT, Action.RETRAIN)

    assert not injection(ShiftKind.UNIT, by="monitor", actions=both, calm=both).trained
    assert injection(ShiftKind.UNIT, by="monitor", actions=both, calm=both[::-1]).trained


def test_what_no_channel_is_told_of_is_named_with_its_shifts() -> None:
    """Rules for a training alone leave those of an alert to whoever looks."""
    rules = (AlertSpec(on=(Occasion.RETRAIN,), to=("team",)),)
    found = untold(
        [
            injection(),
            injection(ShiftKind.SILENCE, followed="alert"),
            injection(ShiftKind.SWAP, followed="quarantine"),
            injection(ShiftKind.UNIT, followed="hold"),
            injection(ShiftKind.MISSING, followed="hold", gross=False),
        ],
        rules,
    )

    assert found == {Occasion.ALERT: (ShiftKind.SILENCE,), Occasion.HOLD: (ShiftKind.UNIT,)}


def test_what_was_left_out_and_who_would_be_told_is_said_plainly() -> None:
    """A reader must not have to compare counts to find what was not put to the test."""
    found = list(
        notes(
            proof(
                injection(),
                unlabelled_windows=("2024-09", "2024-10"),
                unlabelled_rows=4,
                left_out={"swap of rides.place": "it changes nothing"},
            )
        )
    )

    assert found[:4] == [
        "2 windows without labels were not dealt: 2024-09, 2024-10.",
        "4 rows without a label were not dealt.",
        "swap of rides.place: not tried, it changes nothing.",
        "The model declares no alerts: what follows is on record, and nobody is told of it.",
    ]
    assert "train/rides was asked for, cause drift" in found[-1]


def test_what_was_not_tried_is_named_in_the_ledger_s_line() -> None:
    """A proof that passed on one kind of eleven must not read as one of all."""
    few = proof(injection(), left_out={"swap": "the declaration leaves it out"})

    assert outcome(few) == "Every shift that was tried was seen as declared. Not tried: swap."
    assert outcome(few.model_copy(update={"failures": ("It fell.",)})) == (
        "It fell. Not tried: swap."
    )
    assert outcome(proof(injection())) == "Every shift that was tried was seen as declared."


def test_what_is_printed_can_be_read_again() -> None:
    """The JSON of a proof is one of its own schema, and means the same."""
    found = proof(injection(), injection(ShiftKind.LATE))

    assert Continuous.model_validate_json(found.model_dump_json()) == found
    assert "alarms_a_year" in found.model_dump_json()


def test_the_schema_of_the_result_is_documented() -> None:
    """`--json` prints what the documentation says."""
    page = (PROJECT / "docs" / "proof.md").read_text(encoding="utf-8")
    block = re.search(r"```json\n(.*?)```", page, re.DOTALL)

    assert block is not None
    assert json.loads(block[1]) == Continuous.model_json_schema(mode="serialization")

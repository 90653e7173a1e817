"""What holds a training back, in a word of a fixed list: the sentence is for people."""

from datetime import timedelta

import pytest

from tasks.governance.past import Past, Training
from tasks.governance.policy import conclude, named_policy
from tasks.governance.policy_spec import BudgetSpec, PolicySpec
from tasks.references import Action, Restraint, WatchKind
from tests.support.verdicts import AS_OF
from tests.unit.test_policy import DECLARED, NOVEL, TRIED, verdict

DAY = timedelta(days=1)
BEFORE = Past(trainings=(Training(AS_OF - DAY),), failed=("a", "b", "c"), asking="a-run")
LASTING = PolicySpec.model_validate({"persist": {"least": 2, "of": 3}})


@pytest.mark.parametrize(
    ("past", "policy", "word"),
    [
        (Past(underway="a-run"), DECLARED, Restraint.UNDERWAY),
        (Past(reviewing="a-run"), DECLARED, Restraint.REVIEWING),
        (Past(repeated="It was trained on these data."), DECLARED, Restraint.REPEATED),
        (BEFORE, PolicySpec(cooldown=14 * DAY), Restraint.COOLDOWN),
        (BEFORE, PolicySpec(budget=BudgetSpec(retrains=1)), Restraint.BUDGET),
        (BEFORE, DECLARED, Restraint.FAILING),
        (Past(), PolicySpec(most=Action.ALERT), Restraint.MOST),
        (Past(), LASTING, Restraint.PERSIST),
        (Past(frozen="year end"), DECLARED, Restraint.FREEZE),
    ],
)
def test_what_holds_a_training_back_has_a_word(
    past: Past, policy: PolicySpec, word: Restraint
) -> None:
    """A dashboard counts by it."""
    assert conclude(verdict(NOVEL), past, policy).restraints == (word,)


def test_a_question_that_is_open_or_was_answered_has_words_of_both() -> None:
    """Why it was not trained, and why nobody is asked."""
    again = verdict(NOVEL, turned_down=TRIED)
    declined = Past(declined=(frozenset({WatchKind.NOVELTY}),))

    found = [conclude(again, past, DECLARED).restraints for past in (Past(asking="a"), declined)]

    assert found == [
        (Restraint.TURNED_DOWN, Restraint.ASKING),
        (Restraint.TURNED_DOWN, Restraint.DECLINED),
    ]


def test_what_is_done_as_asked_for_has_no_word() -> None:
    """And a training that was due in any case was not held back."""
    assert conclude(verdict(NOVEL), Past(), DECLARED).restraints == ()
    assert conclude(verdict(NOVEL), Past(), named_policy("monthly", DECLARED)).restraints == ()

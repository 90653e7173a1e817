"""A run that judges two windows: what the second may do beside the first, and what the run says."""

import pytest

from tasks.governance.judging import outcome
from tasks.governance.past import Beside, Past
from tasks.governance.policy import conclude
from tasks.governance.policy_spec import PolicySpec
from tasks.references import Action, Conclusion, Restraint, WatchKind
from tests.unit.test_policy import DAY, DECLARED, NOVEL, cause, verdict

ASKS = cause(WatchKind.NOVELTY, Action.ASK)


@pytest.mark.parametrize(
    ("older", "newest", "done"),
    [
        (Action.ALERT, Action.RETRAIN, Action.RETRAIN),
        (Action.ASK, Action.ASK, Action.ALERT),
        (Action.ASK, Action.RETRAIN, Action.RETRAIN),
        (Action.RETRAIN, Action.ASK, Action.ALERT),
        (Action.RETRAIN, Action.RETRAIN, Action.ALERT),
        (Action.ROLLBACK, Action.RETRAIN, Action.ALERT),
        (Action.RETRAIN, Action.ALERT, Action.ALERT),
    ],
)
def test_a_run_asks_and_trains_once(older: Action, newest: Action, done: Action) -> None:
    """What the older window has led to is not done again for the newer one, but more may be."""
    past = Past(beside=Beside("2013-09", older))

    found = conclude(verdict(cause(WatchKind.NOVELTY, newest)), past, DECLARED)

    assert found.action is done
    held = newest.rank >= Action.ASK.rank > done.rank
    why = f"The verdict on 2013-09 leads to {older} in the same run."
    assert found.why == ((why,) if held else ())
    assert found.restraints == ((Restraint.UNDERWAY,) if held else ())


def test_the_calendar_goes_by_the_newest_window() -> None:
    """A window that is judged again by its labels starts no training that is merely due."""
    policy = PolicySpec(every=30 * DAY)

    due, again = (conclude(verdict(), Past(), each) for each in (policy, policy.by_verdict_alone()))

    assert (due.action, again.action) == (Action.RETRAIN, Action.REST)


def test_a_run_ends_as_the_gravest_of_its_windows() -> None:
    """With the words of each; of equals the newest names the state."""
    older = verdict(NOVEL, window="2013-09"), Conclusion(action=Action.RETRAIN)
    newest = verdict(ASKS), Conclusion(action=Action.ALERT, why=("It waits.",))
    waits = older[0], Conclusion(action=Action.RETRAIN, held="year end")

    name, words = outcome([older, newest])

    assert name == "Retrain"
    assert words.startswith("2013-09: novelty was seen.")
    assert "2013-10: It waits. novelty was seen." in words
    assert outcome([newest]) == ("Alert", words.partition("2013-10: ")[2])
    assert outcome([older, waits])[0] == "Waiting"

"""The policy remembers: trainings that did not help, answers, and data that were trained on."""

from tasks.governance.notices import drift_notice
from tasks.governance.past import Past, Tried, judged, never_gone, still_declined
from tasks.governance.policy import conclude
from tasks.governance.policy_spec import PolicySpec
from tasks.references import Action, WatchKind
from tests.support.verdicts import AS_OF
from tests.unit.test_policy import DAY, DECLARED, FALLS, NOVEL, cause, verdict


def test_a_training_that_was_promoted_and_did_not_help_asks_a_person() -> None:
    """The same cause in the first window of the new champion; another cause is another need."""
    tried = Tried(3, AS_OF - 30 * DAY, promoted=True, kinds=frozenset({WatchKind.PERFORMANCE}))
    past = Past(tried=tried)

    again, other = (conclude(verdict(each), past, DECLARED) for each in (FALLS, NOVEL))

    assert again.action is Action.ASK
    told = "Version 3 was trained for drift as of 2013-10-02 and is in charge; "
    assert again.why == (f"{told}it did not help against performance: a person decides.",)
    assert other.action is Action.RETRAIN
    assert conclude(verdict(FALLS), past, PolicySpec(min_growth=0)).action is Action.RETRAIN


def test_a_cause_that_was_gone_meanwhile_is_no_training_that_did_not_help() -> None:
    """A window that could not be judged tells nothing; one of another champion neither."""
    kinds = frozenset({WatchKind.PERFORMANCE, WatchKind.NOVELTY})
    fine, blind = verdict(NOVEL, metrics={"fall": 0.0}, drift={"x": 0.1}), verdict()

    assert never_gone(kinds, [], 3) == kinds
    assert never_gone(kinds, [blind], 3) == kinds
    assert never_gone(kinds, [fine], 3) == {WatchKind.NOVELTY}
    assert never_gone(kinds, [fine], 4) == kinds


def test_a_window_that_was_an_outage_is_no_first_sign_of_drift() -> None:
    """What a fault explained is not counted with what a sound window shows, only with its like."""
    policy = PolicySpec.model_validate({"persist": {"least": 2, "of": 3}})
    doubtful = NOVEL.model_copy(update={"explained": True})
    outage, sound = (judged(verdict(each, window="2013-09")) for each in (doubtful, NOVEL))

    done = [
        conclude(verdict(now), Past(seen=(before,)), policy).action
        for now, before in ((NOVEL, outage), (NOVEL, sound), (doubtful, outage), (doubtful, sound))
    ]

    assert done == [Action.ALERT, Action.RETRAIN, Action.RETRAIN, Action.RETRAIN]


def test_a_window_that_was_an_outage_says_nothing_of_whether_a_training_helped() -> None:
    """Neither that its cause is still there nor that it is gone."""
    kinds = frozenset({WatchKind.NOVELTY})
    facts: dict[str, object] = {"metrics": {"fall": 0.0}, "drift": {"x": 0.1}}
    outage = verdict(NOVEL.model_copy(update={"explained": True}), **facts)
    fine = verdict(**facts)

    assert never_gone(kinds, [outage], 3) == kinds
    assert never_gone(kinds, [outage, fine], 3) == frozenset()


def test_the_answer_to_a_question_is_remembered() -> None:
    """For a part of what was asked about too; on the very same window nobody is even told."""
    both = frozenset({WatchKind.PERFORMANCE, WatchKind.FEATURES})
    asks = cause(WatchKind.FEATURES, Action.ASK)

    later = conclude(verdict(asks), Past(declined=(both,)), DECLARED)
    more = conclude(verdict(asks), Past(declined=(frozenset({WatchKind.TARGET}),)), DECLARED)
    same = conclude(verdict(asks), Past(settled=both), DECLARED)

    assert [each.action for each in (later, more, same)] == ["alert", "ask", "rest"]
    assert later.why == ("A person was asked about features and wanted no training.",)


def test_a_no_counts_until_there_is_more_to_learn_from() -> None:
    """By the labelled rows that came since; where nobody counted them, until the next champion."""
    asked, little, much = (verdict(growth=growth) for growth in (0.5, 0.6, 0.75))

    assert still_declined(asked, little, 0.25)
    assert not still_declined(asked, much, 0.25)
    assert not still_declined(asked, little, 0)
    assert still_declined(verdict(), verdict(), 0.25)


def test_data_that_were_trained_on_are_not_trained_on_again() -> None:
    """Neither a training nor a question about one: it would start nothing."""
    past = Past(repeated="These data were trained on already, as version 4.")
    asks = cause(WatchKind.FEATURES, Action.ASK)

    for each in (NOVEL, asks):
        done = conclude(verdict(each), past, DECLARED)
        assert (done.action, done.why) == (Action.ALERT, (past.repeated,))


def test_a_challenger_that_waits_for_a_person_is_a_training_under_way() -> None:
    """Nothing is trained beside it for the same cause."""
    done = conclude(verdict(NOVEL), Past(reviewing="flights-candidate"), DECLARED)

    assert done.action is Action.ALERT
    assert done.why == ("flights-candidate asks a person about a challenger for drift already.",)


def test_a_window_that_is_judged_again_is_told_once() -> None:
    """Of the same data and causes, at whatever time; other data are news."""
    done = conclude(verdict(NOVEL), Past(), DECLARED)
    first = verdict(NOVEL, data_version="a")
    again = verdict(NOVEL, data_version="a", as_of=AS_OF + DAY, digest="e")
    other = verdict(NOVEL, data_version="b")

    told = {drift_notice(each, done).subject for each in (first, again)}

    assert len(told) == 1
    assert drift_notice(other, done).subject not in told

"""The policy: what is done about a verdict, with what was done before it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import ConfigError
from tasks.governance.past import Past, Training, judged
from tasks.governance.policy import CALENDARS, conclude, named_policy
from tasks.governance.policy_spec import BudgetSpec, PolicySpec
from tasks.references import Action, Cause, DriftVerdict, TurnedDown, VerdictCause, WatchKind
from tests.support.verdicts import AS_OF

DECLARED = PolicySpec()
DAY = timedelta(days=1)
KINDS = st.sampled_from(WatchKind)


def cause(kind: WatchKind, action: Action) -> VerdictCause:
    """A cause of a kind."""
    return VerdictCause(kind=kind, action=action, weight=0.5, sentence=f"{kind} was seen.")


def verdict(*causes: VerdictCause, **changes: object) -> DriftVerdict:
    """What a window of October says, by its causes."""
    facts: dict[str, object] = {
        "model": "flights",
        "window": "2013-10",
        "as_of": AS_OF,
        "action": max((each.action for each in causes), key=lambda a: a.rank, default=Action.REST),
        "reasons": tuple(each.sentence for each in causes),
        "causes": causes,
        "drift": {},
        "metrics": {},
        "champion": 3,
        "rows": 20_000,
        "report_url": "",
        "digest": "d",
    }
    return DriftVerdict.model_validate({**facts, **changes})


NOVEL = cause(WatchKind.NOVELTY, Action.RETRAIN)
FALLS = cause(WatchKind.PERFORMANCE, Action.RETRAIN)
MOVED = cause(WatchKind.PREDICTIONS, Action.ALERT)
TRIED = TurnedDown(version=4, as_of=AS_OF - 30 * DAY, growth=0.1)


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.ROLLBACK])
def test_without_a_policy_what_monitoring_asks_for_is_done(action: Action) -> None:
    """The default adds nothing and takes nothing away."""
    done = conclude(verdict(cause(WatchKind.NOVELTY, action)), Past(), DECLARED)

    assert (done.action, done.why) == (action, ())


def test_a_kind_of_cause_leads_where_the_policy_leads_it() -> None:
    """Predictions that moved ask a person here, and what moved nothing stays as it was."""
    policy = PolicySpec(follow={WatchKind.PREDICTIONS: Action.ASK})

    led = conclude(verdict(MOVED), Past(), policy)
    other = conclude(verdict(NOVEL, MOVED), Past(), policy)

    assert (led.action, led.kinds) == (Action.ASK, (WatchKind.PREDICTIONS,))
    assert led.why == ("The policy leads predictions to ask.",)
    assert (other.action, other.kinds) == (Action.RETRAIN, (WatchKind.NOVELTY,))


def test_a_fault_of_the_data_is_trained_on_by_no_policy() -> None:
    """Monitoring asked a person although a cause asks for a training: the policy adds none."""
    policy = PolicySpec(follow={WatchKind.PREDICTIONS: Action.RETRAIN})

    done = conclude(verdict(NOVEL, MOVED, action=Action.ASK), Past(), policy)

    assert done.action is Action.ASK


@pytest.mark.parametrize("to", [Action.ASK, Action.RETRAIN, Action.ROLLBACK])
def test_beside_a_fault_of_the_data_the_policy_leads_no_drift_further(to: Action) -> None:
    """A feed broke, so that what moved only alerts: what a policy adds is left out, and told."""
    policy = PolicySpec(follow={WatchKind.PREDICTIONS: to})
    broken = cause(WatchKind.MISSING, Action.ALERT)

    done = conclude(verdict(MOVED, broken), Past(predecessor=2), policy)

    assert conclude(verdict(MOVED), Past(predecessor=2), policy).action is to
    assert (done.action, done.why) == (
        Action.ALERT,
        (f"Beside missing the policy leads no other cause to {to}.",),
    )


def test_labels_that_are_out_explain_no_drift() -> None:
    """The policy still asks about it; a training would lack those labels, so a person decides."""
    late = cause(WatchKind.COVERAGE, Action.ALERT)
    asks, trains = (
        PolicySpec(follow={WatchKind.PREDICTIONS: to}) for to in (Action.ASK, Action.RETRAIN)
    )

    assert conclude(verdict(MOVED, late), Past(), asks).action is Action.ASK
    assert conclude(verdict(MOVED, late), Past(), trains).action is Action.ASK


def test_of_several_causes_of_a_kind_the_gravest_counts() -> None:
    """A champion that is both stale and old is trained again."""
    stale, old = (cause(WatchKind.STALENESS, to) for to in (Action.RETRAIN, Action.ALERT))

    assert conclude(verdict(stale, old), Past(), DECLARED).action is Action.RETRAIN


def test_within_the_cooldown_a_training_waits_and_is_told() -> None:
    """Ten days of fourteen: the need alerts, and says since when it waits."""
    policy = PolicySpec(cooldown=14 * DAY)
    ten, fourteen = (Past(trainings=(Training(AS_OF - n * DAY),)) for n in (10, 14))

    assert conclude(verdict(NOVEL), ten, policy).action is Action.ALERT
    assert conclude(verdict(NOVEL), ten, policy).why == (
        "The last training for drift was as of 2013-10-22; the cooldown is 14 days.",
    )
    assert conclude(verdict(NOVEL), fourteen, policy).action is Action.RETRAIN


def test_a_spent_budget_holds_a_training_back_for_the_week() -> None:
    """Trainings and GPU hours count for seven days each."""
    two = Past(trainings=(Training(AS_OF - 6 * DAY, 3.0), Training(AS_OF - 2 * DAY, 1.5)))
    counted = PolicySpec(budget=BudgetSpec(retrains=2))
    timed = PolicySpec(budget=BudgetSpec(gpu_hours=4))

    assert conclude(verdict(NOVEL), two, counted).why == (
        "2 trainings began within seven days; 2 may.",
    )
    assert conclude(verdict(NOVEL), two, timed).why == (
        "Trainings took 4.5 GPU hours within seven days; 4 may be spent.",
    )
    assert conclude(verdict(NOVEL), Past(trainings=two.trainings[1:]), timed).action == "retrain"


def test_one_training_and_one_question_are_open_at_a_time() -> None:
    """What is under way is named in the place of a second one."""
    train, ask = Past(underway="flights-drift-2013-10-01"), Past(asking="flights-drift")

    held = conclude(verdict(NOVEL), train, DECLARED)
    asked = conclude(verdict(cause(WatchKind.NOVELTY, Action.ASK)), ask, DECLARED)

    assert (held.action, asked.action) == (Action.ALERT, Action.ALERT)
    assert held.why == ("flights-drift-2013-10-01 trains for drift already.",)
    assert asked.why == ("flights-drift asks a person already.",)


def test_a_training_that_did_not_help_asks_a_person_once() -> None:
    """The next verdict of the same kind asks; declined, it alerts until there are new rows."""
    again = verdict(NOVEL, turned_down=TRIED)
    declined = Past(declined=(frozenset({WatchKind.NOVELTY}),))
    grown = verdict(NOVEL, turned_down=TRIED.model_copy(update={"growth": 0.25}))

    asked = conclude(again, Past(), DECLARED)

    assert asked.action is Action.ASK
    assert asked.why[0].startswith("Version 4 was trained for drift as of 2013-10-02 and turned ")
    assert conclude(again, declined, DECLARED).action is Action.ALERT
    assert conclude(verdict(FALLS, turned_down=TRIED), declined, DECLARED).action is Action.ASK
    assert conclude(grown, declined, DECLARED).action is Action.RETRAIN
    assert conclude(again, Past(), PolicySpec(min_growth=0)).action is Action.RETRAIN


def test_a_cause_must_last_before_it_leads_to_more_than_an_alert() -> None:
    """In two of three windows, the newest among them: one odd window trains nobody."""
    policy = PolicySpec.model_validate({"persist": {"least": 2, "of": 3}})
    july, august, september = (
        judged(verdict(*causes, window=window))
        for window, causes in (("2013-07", (NOVEL,)), ("2013-08", (NOVEL,)), ("2013-09", ()))
    )

    once = conclude(verdict(NOVEL), Past(seen=(july, september, september)), policy)
    twice = conclude(verdict(NOVEL, FALLS), Past(seen=(september, august, september)), policy)

    assert once.action is Action.ALERT
    told = "novelty was seen in 1 of the last 3 windows (2013-10); it leads to more than an alert "
    assert once.why == (f"{told}in 2.",)
    assert (twice.action, twice.kinds) == (Action.RETRAIN, (WatchKind.NOVELTY,))
    assert twice.why == ("novelty was seen in 2 of the last 3 windows (2013-08, 2013-10).",)
    assert conclude(verdict(), Past(seen=(july, august)), policy).action is Action.REST


def test_a_cause_that_lasts_is_not_hidden_by_a_graver_one_that_is_new() -> None:
    """Predictions moved for three windows and ask; that the performance fell once is not more."""
    policy = PolicySpec.model_validate(
        {"persist": {"least": 2, "of": 3}, "follow": {"predictions": "ask"}}
    )
    before = tuple(judged(verdict(MOVED, window=f"2013-0{month}")) for month in (8, 9))

    done = conclude(verdict(FALLS, MOVED), Past(seen=before), policy)

    assert (done.action, done.kinds) == (Action.ASK, (WatchKind.PREDICTIONS,))


@pytest.mark.parametrize("changes", [{"champion": 2}, {"window": "2011-09"}])
def test_only_the_champions_own_last_windows_count(changes: dict[str, object]) -> None:
    """What another version did, or this one two years ago, does not make a window the second."""
    policy = PolicySpec.model_validate({"persist": {"least": 2, "of": 3}})
    own = judged(verdict(FALLS, window="2013-09"))
    other = judged(verdict(FALLS, **{"window": "2013-09", **changes}))

    assert conclude(verdict(FALLS), Past(seen=(own,)), policy).action is Action.RETRAIN
    assert conclude(verdict(FALLS), Past(seen=(other,)), policy).action is Action.ALERT


def test_the_budget_counts_what_new_data_and_commits_have_started() -> None:
    """Two a week are two, whatever they were for; the cooldown is that of verdicts alone."""
    others = (Training(AS_OF - 2 * DAY), Training(AS_OF - DAY))
    two, cool = PolicySpec(budget=BudgetSpec(retrains=2)), PolicySpec(cooldown=7 * DAY)

    assert conclude(verdict(NOVEL), Past(others=others), two).action is Action.ALERT
    assert conclude(verdict(NOVEL), Past(others=others), cool).action is Action.RETRAIN


def test_a_training_that_is_due_waits_for_the_data_and_for_an_answer() -> None:
    """Its cause is the schedule; it learns no broken feed, and forestalls no question."""
    policy, past = PolicySpec(every=28 * DAY), Past(trained=AS_OF - 31 * DAY)
    broken, asks = cause(WatchKind.VOLUME, Action.ALERT), cause(WatchKind.FEATURES, Action.ASK)

    due = conclude(verdict(), past, policy)
    faulty = conclude(verdict(broken), past, policy)
    asked = conclude(verdict(asks), past, policy)
    open_ = conclude(verdict(), Past(trained=past.trained, asking="flights-drift"), policy)

    assert (due.action, due.cause) == (Action.RETRAIN, Cause.SCHEDULE)
    assert faulty.action is Action.ALERT
    assert faulty.why[-1].endswith("It waits: the data are at fault (volume).")
    assert asked.action is Action.ASK
    assert open_.action is Action.ALERT
    assert open_.why[-1].endswith("It waits: flights-drift asks first.")
    assert conclude(verdict(NOVEL), past, policy).cause is Cause.DRIFT


def test_a_rollback_needs_a_version_to_go_back_to() -> None:
    """The first champion has none before it, so a person decides."""
    policy = PolicySpec(follow={WatchKind.PERFORMANCE: Action.ROLLBACK})

    back = conclude(verdict(FALLS), Past(predecessor=2), policy)
    first = conclude(verdict(FALLS), Past(), policy)

    assert (back.action, back.version) == (Action.ROLLBACK, 2)
    assert (first.action, first.version) == (Action.ASK, None)


def test_a_policy_by_the_calendar_trains_when_its_time_has_come_and_for_nothing_else() -> None:
    """Monthly rests in the month of a training, whatever is seen, and trains in the next."""
    monthly = named_policy("monthly", DECLARED)

    assert conclude(verdict(NOVEL), Past(trained=AS_OF - 3 * DAY), monthly).action is Action.ALERT
    due = conclude(verdict(), Past(trained=AS_OF - 31 * DAY), monthly)
    assert (due.action, due.why) == (
        Action.RETRAIN,
        ("A training is due every 28 days: the last was as of 2013-10-01.",),
    )


def test_policies_have_names() -> None:
    """Never alerts at most; what is declared is the policy of drift; others are a mistake."""
    assert conclude(verdict(NOVEL), Past(), named_policy("never", DECLARED)).action == "alert"
    assert named_policy("drift", DECLARED) is DECLARED
    assert all(named_policy(name, DECLARED).every == every for name, every in CALENDARS.items())
    with pytest.raises(ConfigError, match="no policy 'dayly'"):
        named_policy("dayly", DECLARED)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            {"follow": {"novelty": "retrain"}, "most": "alert"},
            "leads novelty to retrain, but most is alert",
        ),
        ({"every": "P7D", "cooldown": "P14D"}, "shorter than the cooldown"),
        ({"every": "P7D", "most": "ask"}, "every asks for trainings, but most is ask"),
        (
            {"every": "P1D", "budget": {"retrains": 2}},
            "a training each day, but the budget allows 2 in a week",
        ),
        ({"every": "PT0S"}, "above zero"),
        ({"cooldown": "-P1D"}, "cannot be negative"),
        ({"budget": {"retrains": 0}}, "greater than or equal to 1"),
        ({"follow": {"weather": "ask"}}, "follow.weather"),
        ({"persist": {"least": 3, "of": 2}}, "only 2 windows"),
        ({"persist": {"least": 3}}, "only 1 windows are looked at: write of too"),
        ({"persist": {"of": 3}}, "the newest window is enough: write least too"),
        ({"follow": {"quality": "retrain"}}, "a fault of the data is trained on by no policy"),
        ({"min_growth": float("inf")}, "finite"),
        ({"budget": {"gpu_hours": float("inf")}}, "finite"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(policy: dict[str, object], said: str) -> None:
    """Found when the declaration is read, not when a window is judged."""
    with pytest.raises(ValidationError, match=said):
        PolicySpec.model_validate(policy)


@given(
    causes=st.lists(
        st.builds(cause, st.sampled_from(WatchKind), st.sampled_from(list(Action)[:4]))
    ),
    follow=st.dictionaries(st.sampled_from(WatchKind), st.sampled_from(list(Action)[:3])),
    most=st.sampled_from(list(Action)[2:]),
    past=st.builds(Past, underway=st.sampled_from(["", "a-run"])),
)
def test_nothing_follows_beyond_the_most_that_may(
    causes: list[VerdictCause], follow: dict[WatchKind, Action], most: Action, past: Past
) -> None:
    """Whatever was seen, and whatever is under way, nothing is trained twice at a time."""
    done = conclude(verdict(*causes), past, PolicySpec(follow=follow, most=most))

    assert done.action.rank <= most.rank
    assert done.restraints or done.action.rank >= verdict(*causes).action.rank
    assert not (past.underway and done.action is Action.RETRAIN)


def test_a_training_waits_for_the_end_of_a_freeze() -> None:
    """It stays a training, which says until when; questions and rollbacks are not held back."""
    frozen = Past(frozen="year end, frozen until 2027-01-03", predecessor=1)

    trains = conclude(verdict(NOVEL), frozen, DECLARED)
    asks = conclude(verdict(cause(WatchKind.TARGET, Action.ASK)), frozen, DECLARED)
    back = conclude(verdict(cause(WatchKind.PERFORMANCE, Action.ROLLBACK)), frozen, DECLARED)

    assert (trains.action, trains.state) == (Action.RETRAIN, "Waiting")
    assert trains.why == ("The training waits: year end, frozen until 2027-01-03.",)
    assert [(each.action, each.held) for each in (asks, back)] == [
        (Action.ASK, ""),
        (Action.ROLLBACK, ""),
    ]


def test_trainings_that_fail_again_and_again_are_not_started_for_ever() -> None:
    """Three on the same data; then somebody is told."""
    names = ("flights-drift-a", "flights-drift-b", "flights-drift-c")

    third = conclude(verdict(NOVEL), Past(failed=names[:2]), DECLARED)
    fourth = conclude(verdict(NOVEL), Past(failed=names), DECLARED)

    assert third.action is Action.RETRAIN
    assert fourth.action is Action.ALERT
    assert fourth.why[-1].startswith("3 trainings on these data failed, flights-drift-c the last")

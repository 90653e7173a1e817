"""The word above a page: it is true of what followed from the newest verdict, by what is known."""

from datetime import UTC, datetime, timedelta

import pytest

from deployments.pages.brief import Brief
from deployments.pages.headline import Headline, headline
from deployments.pages.rendering import index_page, model_page
from deployments.pages.wording import wants_of
from deployments.proof.subject import subject_of
from deployments.standing import LastRun
from deployments.takers import LateRuns
from infra.entries import Kind, Recorded
from tasks.references import Action
from tasks.schedules import ScheduleSpec
from tasks.spec import ModelSpec, load_spec
from tests.support.chronicle import Chronicle, month
from tests.support.mornings import NOW, facts
from tests.support.subjects import pending

LATER = datetime(2026, 2, 1, tzinfo=UTC)
"""By the clock, after every record of a chronicle."""


def watched(action: Action = Action.RETRAIN, **more: object) -> Chronicle:
    """A model whose first version was judged in May."""
    told = Chronicle()
    told.batch("2013-04", month(4))
    told.gate(1, month(4), "promote", "e1")
    told.crowned(1, month(4), "e1")
    told.judged("2013-05", month(5), action, **more)  # type: ignore[arg-type]  # JSON of a record
    return told


def said(records: list[Recorded], **given: object) -> Headline:
    """The headline of a ledger."""
    found = facts(records, **given)
    return headline(found, wants_of(found))


def run(state: str, *, at: datetime = LATER, going_on: bool = False) -> dict[str, LastRun]:
    """The last training."""
    return {"train": LastRun(state=state, at=at, run_url="", going_on=going_on)}


def test_a_training_that_runs_is_not_called_done() -> None:
    """Neither before it starts, nor while it runs; why it was asked for is told beside it."""
    told = watched().records

    asked, runs = said(told), said(told, last=run("Running", going_on=True))

    assert (asked.kind, asked.word) == ("act", "A training was asked for")
    assert (runs.kind, runs.word) == ("act", "A training runs")
    assert runs.sentence == "It fell <b>short</b>."


def test_a_training_that_ended_before_the_verdict_is_not_its_own() -> None:
    """The one that the verdict asks for has yet to begin."""
    before = run("Promoted", at=datetime(2025, 12, 31, tzinfo=UTC))

    assert said(watched().records, last=before).word == "A training was asked for"


def test_a_training_that_was_cancelled_is_told() -> None:
    """It brought nothing, and nobody waits for it."""
    found = said(watched().records, last=run("Cancelled"))

    assert (found.kind, found.word) == ("look", "The training brought nothing")
    assert "Cancelled" in found.sentence


def test_a_training_that_a_freeze_holds_back_waits() -> None:
    """Until when is what the policy said."""
    held = {"action": "retrain", "held": "the declaration freezes train until 2 June"}

    found = said(watched(conclusion=held).records)

    assert found.word == "Waits for the freeze"
    assert "until 2 June" in found.sentence


def test_a_challenger_that_was_refused_did_not_take_over() -> None:
    """By the gates or by a person: the champion goes on."""
    gates, person = watched(), watched()
    gates.gate(2, month(5), "refuse", "e2")
    person.gate(2, month(5), "ask", "e2")
    person.answered(month(5), "e2", approved=False)

    for told in (gates, person):
        found = said(told.records)
        assert (found.kind, found.word) == ("look", "Challenger refused")
        assert "Version 1 goes on." in found.sentence


def test_trained_again_is_said_of_a_version_that_is_in_charge() -> None:
    """And of no other: approved is not in charge, and a void decision led to nothing."""
    told = watched()
    told.gate(2, month(5), "ask", "e2")
    waits = said(told.records)
    told.answered(month(5), "e2", approved=True)
    approved = said(told.records)
    told.crowned(2, month(5), "e2")
    done = said(told.records)
    told.crowned(1, month(6), kind=Kind.ROLLBACK)
    back = said(told.records)
    void = watched()
    void.gate(2, month(5), "ask", "e2")
    void.answered(month(5), "e2", approved=True, void="Version 3 is in charge.")

    assert waits.word == "Version 2 waits for a decision"
    assert approved.word == "Version 2 is approved, not in charge yet"
    assert (done.kind, done.word) == ("well", "Trained again: version 2 is in charge")
    assert back.word == "Version 1 is in charge again"
    assert said(void.records).word == "The decision on version 2 is void"


@pytest.mark.parametrize(
    ("diagnosis", "approved", "word"),
    [
        ("world", True, "A training was asked for"),
        ("broken", False, "Said to be broken"),
        ("expected", False, "Said to be expected"),
        (None, False, "No training is wanted"),
    ],
)
def test_a_question_that_was_answered_is_no_longer_asked(
    diagnosis: str | None, approved: bool, word: str
) -> None:
    """What the person said is the state of the model."""
    told = watched(Action.ASK)
    open_still = said(told.records)
    told.asked(month(5), "q", "drift")
    asked = said(told.records)
    answer = {"approved": approved, "subject": "drift", "diagnosis": diagnosis, "void": ""}
    told.add(Kind.REVIEW, month(5), answer, "So it is.", "q", "ann")  # type: ignore[arg-type]

    assert open_still.word == asked.word == "A person decides"
    assert said(told.records).word == word


def test_a_rollback_is_told_once_the_version_is_back() -> None:
    """Before that it was only asked for."""
    told = watched(Action.ROLLBACK)
    before = said(told.records)
    told.crowned(1, month(5), kind=Kind.ROLLBACK)

    assert before.word == "A rollback was asked for"
    assert said(told.records).word == "Rolled back: version 1 is in charge again"


def test_what_wants_a_look_outranks_a_window_that_rests() -> None:
    """On the page and in the list of models: no green above a batch that is on hold."""
    told = watched(Action.REST)
    rests = said(told.records)
    told.batch("2013-06", month(6), "hold")
    found = said(told.records)
    told.add(Kind.HOLD, month(6), {"window": "2013-06", "ending": "hold"}, "Half the rows `x`.")
    listed = index_page([Brief("flights", "", said(told.records))], NOW, 300)

    assert (rests.kind, rests.word) == ("well", "Nothing is to be done")
    assert (found.kind, found.word) == ("look", "Worth a look")
    assert found.sentence == "The batch 2013-06 is on hold"
    assert '<li class="look">' in listed
    assert "Half the rows <code>x</code>. Nothing of it is in the tables." in listed, "the reason"
    assert 'http-equiv="refresh"' in listed


def test_a_new_model_is_begun_with_its_data() -> None:
    """A training without any ends in red; what is on hold is no data yet."""
    told = Chronicle()
    empty = said(told.records)
    told.batch("2013-04", month(4), "hold")
    held = said(told.records)
    told.batch("2013-04", month(4))
    let_in = said(told.records)
    told.gate(1, month(4), "refuse", "e1")

    assert (empty.word, empty.sentence) == (
        "Nothing is in charge yet",
        "Ingest a window to begin: `prefect deployment run 'ingest/flights'`.",
    )
    assert (held.kind, held.sentence) == ("look", "The batch 2013-04 is on hold")
    assert let_in.sentence.startswith("Train a version to begin: ")
    assert said(told.records).word == "Version 1 was refused"
    assert said([], last=run("Running", going_on=True)).word == "A training runs"


def test_what_the_headline_says_is_not_said_again_below_it() -> None:
    """One crash is one sentence, with its link; what else wants somebody is listed."""
    crash = LastRun(state="Crashed", at=NOW, run_url="http://127.0.0.1:1/r", failed=True)

    page = model_page(facts(watched(Action.REST).records, last={"promote": crash}))
    two = (pending(NOW), pending(NOW - timedelta(days=1)))
    asked = model_page(facts(watched(Action.REST).records, waiting=two))

    assert page.count("The last run of promote crashed") == 1
    assert '<a href="http://127.0.0.1:1/r">The last run of promote crashed</a>' in page
    assert '<ul class="wants">' not in page
    assert "<strong>2 decisions wait.</strong>" in asked
    assert asked.count('<li class="ask">') == 1, "the other one"


def test_a_model_that_is_watched_no_more_is_not_at_rest() -> None:
    """By the clock no window was judged for more than two; a replay of old data is not old."""
    told = watched(Action.REST).records
    [judged] = [each for each in told if each.kind is Kind.DRIFT]

    lately = said(told, now=judged.at + timedelta(days=60))
    long_ago = said(told, now=judged.at + timedelta(days=70))
    page = model_page(facts(told, now=judged.at + timedelta(days=70)))

    assert lately.word == "Nothing is to be done"
    assert (long_ago.kind, long_ago.word) == ("look", "Not watched lately")
    assert long_ago.sentence == "No window was judged for 70 days"
    assert "prefect deployment run &#39;monitor/flights&#39;" in page
    assert "Nothing is to be done" not in page


def test_windows_that_came_and_were_not_judged_are_told_first() -> None:
    """Two of them, where the model's own schedule has asked for two verdicts since."""
    told = watched(Action.RETRAIN)
    told.batch("2013-06", month(6))
    one = said(told.records, now=LATER + timedelta(days=29))
    told.batch("2013-07", month(7))
    early = said(told.records, now=LATER - timedelta(days=30))
    due = said(told.records, now=LATER + timedelta(days=29))

    assert one.word == early.word == "A training was asked for"
    assert due.word == "Not watched lately"
    assert due.sentence == "2 windows came and were not judged: 2013-06, 2013-07"


def test_a_table_without_time_is_judged_as_often_as_its_schedule_says() -> None:
    """It has no length of a window; one that nobody has scheduled is judged when somebody likes."""
    told = Chronicle()
    told.crowned(1, month(4), "e1")
    at = told.judged("all", month(5)).at
    spec = load_spec("flights")
    data = spec.data.model_copy(update={"grain": "all"})
    by_hand = spec.model_copy(update={"data": data, "schedules": ()})
    daily = ScheduleSpec(flow="monitor", interval=timedelta(days=1), active=True)
    scheduled = by_hand.model_copy(update={"schedules": (daily,)})

    def after(spec: ModelSpec, days: int) -> str:
        return said(told.records, spec=spec, now=at + timedelta(days=days)).word

    assert after(by_hand, 90) == after(scheduled, 2) == "Nothing is to be done"
    assert after(scheduled, 3) == "Not watched lately"


def test_a_run_that_does_not_begin_is_worth_a_look() -> None:
    """Not in the first minute, in which workers ask for it; how many there are is told."""
    told = watched(Action.REST).records

    def waits(count: int, **waited: float) -> Headline:
        found = LateRuns(count, NOW - timedelta(**waited), "http://127.0.0.1:1/r")
        return said(told, late={"monitor": found})

    assert waits(1, seconds=50).word == "Nothing is to be done"
    assert (waits(1, minutes=3).word, waits(1, minutes=3).sentence) == (
        "Worth a look",
        "A run of monitor is late",
    )
    two = waits(2, hours=5)
    assert two.sentence == "2 runs of monitor are late"
    assert two.told is not None
    assert two.told.text.startswith("The first was due 5 hours ago and has not begun")
    assert two.told.link == "http://127.0.0.1:1/r"


def test_a_pool_that_nobody_takes_runs_from_is_told_where_something_is_to_run() -> None:
    """It is no news of a model that nobody has scheduled, and of no green page."""
    told, idle = watched(Action.REST).records, ("Its work pool p is paused.",)
    late = {"ingest": LateRuns(1, NOW - timedelta(hours=1))}

    waits, rests = said(told, idle=idle, late=late), said(told, idle=idle)

    assert (waits.kind, waits.word, waits.sentence) == ("bad", "Nothing runs", idle[0])
    assert rests.word == "Nothing is to be done"


def test_a_proof_that_failed_or_is_of_another_declaration_is_worth_a_look() -> None:
    """It says nothing of the limits that are declared now; who owns the model has no part in it."""
    spec = load_spec("flights")
    blind = spec.monitoring.model_copy(update={"psi": 50.0})

    def proved(spec: ModelSpec, *, passed: bool, declared: str) -> tuple[Headline, str]:
        told = watched(Action.REST)
        told.proof(month(5), passed=passed, declared=declared)
        given = {"spec": spec}
        return said(told.records, **given), model_page(facts(told.records, **given))

    same = subject_of(spec)
    passed, page = proved(spec, passed=True, declared=same)
    renamed, _ = proved(spec.model_copy(update={"owner": "x"}), passed=True, declared=same)
    failed, _ = proved(spec, passed=False, declared=same)
    changed = spec.model_copy(update={"monitoring": blind})
    outdated, warned = proved(changed, passed=True, declared=same)
    before, _ = proved(changed, passed=True, declared="")

    assert passed.kind == renamed.kind == before.kind == "well"
    assert (failed.word, failed.sentence) == (
        "Worth a look",
        "The last proof of the watching failed",
    )
    assert outdated.sentence == "The last proof of the watching is outdated"
    assert ("of another declaration" in page, "of another declaration" in warned) == (False, True)

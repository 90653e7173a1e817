"""What ``perennial review`` makes of its options, and what it says was recorded."""

from datetime import UTC, datetime, timedelta

import pytest

from deployments.cli.review import Answered, follows, named, row
from infra.errors import ConfigError
from tasks.governance.answers import Answer
from tasks.references import Diagnosis, Subject
from tests.support.subjects import pending


@pytest.mark.parametrize(
    ("approve", "diagnosis"),
    [(False, Diagnosis.WORLD), (True, Diagnosis.BROKEN), (True, Diagnosis.EXPECTED)],
)
def test_options_that_contradict_each_other_decide_nothing(
    diagnosis: Diagnosis, *, approve: bool
) -> None:
    """A refusal of what is to be trained on, or an approval of a broken feed."""
    with pytest.raises(ConfigError, match=f"--diagnosis {diagnosis} contradict each other"):
        named(Answer(approve=approve, diagnosis=diagnosis, reviewer="ann"), Subject.DRIFT)


def test_a_diagnosis_is_no_decision_about_anything_but_drift() -> None:
    """It stays what was said, and is objected to; it is made no approval."""
    said = named(Answer(diagnosis=Diagnosis.WORLD, reviewer="ann"), Subject.BATCH)

    assert (said.approve, said.diagnosis) == (None, Diagnosis.WORLD)


@pytest.mark.parametrize(
    ("subject", "said", "told"),
    [
        (Subject.BATCH, {"approve": False}, "refused, so the batch stays out."),
        (Subject.CANDIDATE, {"approve": True}, "approved, 1 of 2 approvals; the others are"),
        (Subject.DRIFT, {"diagnosis": "world"}, "world, 1 of 2 approvals; the others are"),
        (Subject.DRIFT, {"diagnosis": "broken"}, "broken, so people are told, and nothing is"),
        (Subject.DRIFT, {"diagnosis": "expected"}, "expected, so nothing is done."),
    ],
)
def test_it_says_what_was_recorded_and_what_follows(
    subject: Subject, said: dict[str, object], told: str
) -> None:
    """The first of two approvals decides nothing yet, and a broken feed is no approval."""
    review = pending(datetime(2013, 5, 1, tzinfo=UTC)).model_copy(update={"subject": subject})
    answer = named(Answer.model_validate(said | {"reviewer": "ann"}), subject)

    assert follows(Answered(review, answer, 2)).startswith(told)


@pytest.mark.parametrize(
    ("state", "days", "told"),
    [
        ("Suspended", 1, ""),
        ("Cancelled", 1, "an answer starts it again"),
        ("Gone", 1, "at the deadline it is refused"),
        ("Failed", 3, "Its deadline has passed; the next upkeep applies the default."),
    ],
)
def test_the_list_says_what_can_still_be_done(state: str, days: int, told: str) -> None:
    """A run that was cancelled can be answered; one that was deleted, or is late, cannot."""
    since = datetime(2013, 5, 1, tzinfo=UTC)
    change = {"state": state, "is_cut_off": state != "Suspended"}

    shown = row(pending(since).model_copy(update=change), since + timedelta(days=days))

    assert told in shown[1]
    assert shown[1].count("\n") == 1 + bool(told)


def test_the_last_approval_says_what_it_brings() -> None:
    """As far as it can be known: a newer batch or champion makes the decision void."""
    review = pending(datetime(2013, 5, 1, tzinfo=UTC)).model_copy(
        update={"approved_by": ("bob",), "approved_with": ("",)}
    )
    answer = Answer(approve=True, reviewer="ann")

    assert follows(Answered(review, answer, 2)) == (
        "approved, so the batch is let in, if what was shown is still so."
    )

"""When people are reminded of a review that waits, and when others are told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from tasks.governance.notices import Occasion
from tasks.governance.reminders import waiting_notices
from tasks.governance.spec import ApprovalSpec
from tests.support.subjects import pending

_ASKED = datetime(2013, 5, 1, tzinfo=UTC)
_APPROVAL = ApprovalSpec(
    deadline=timedelta(days=3),
    remind_after=timedelta(days=1),
    escalate_after=timedelta(days=2),
)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (23, []),
        (24, [Occasion.REMIND]),
        (48, [Occasion.REMIND, Occasion.ESCALATE]),
        (72, []),
    ],
)
def test_people_are_told_as_a_review_waits(hours: int, told: list[Occasion]) -> None:
    """First a reminder, then an escalation; past the deadline the default has decided."""
    notices = list(waiting_notices(pending(_ASKED), _APPROVAL, _ASKED + timedelta(hours=hours)))

    assert [each.occasion for each in notices] == told
    assert all(each.review == "1" for each in notices)


def test_a_reminder_and_an_escalation_say_which_they_are() -> None:
    """Whoever gets both reads two titles; the times have a zone, and who has approved is told."""
    waiting = pending(_ASKED.astimezone(timezone(timedelta(hours=-4))))
    waiting = waiting.model_copy(update={"approved_by": ("ann",)})

    reminder, escalation = waiting_notices(waiting, _APPROVAL, _ASKED + timedelta(days=2))

    asked = "flights: the batch 2013-04 is on hold"
    assert reminder.title == f"Reminder: {asked}: a decision waits"
    assert escalation.title == f"Escalation: {asked}: nobody has decided for 2 days"
    assert escalation.lines == (
        "Asked 2013-05-01 00:00 UTC, decide by 2013-05-04 00:00 UTC; then the default is refuse.",
        "Approved so far by ann.",
    )


def test_nobody_is_reminded_where_nothing_is_declared() -> None:
    """Reminders are asked for."""
    late = _ASKED + timedelta(days=2)

    assert list(waiting_notices(pending(_ASKED), ApprovalSpec(), late)) == []


@pytest.mark.parametrize("name", ["remind_after", "escalate_after"])
@pytest.mark.parametrize("days", [0, 3])
def test_a_reminder_that_could_never_help_is_refused(name: str, days: int) -> None:
    """It must come after the question and before the deadline."""
    with pytest.raises(ValidationError, match=f"{name} is not between"):
        ApprovalSpec.model_validate({"deadline": "P3D", name: timedelta(days=days)})

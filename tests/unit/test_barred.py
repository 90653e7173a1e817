"""What nobody may approve, so that no default does either."""

from datetime import UTC, datetime

import pytest

from tasks.governance.objections import barred
from tasks.governance.rules import Rules
from tasks.governance.spec import ApprovalSpec
from tasks.references import Evidence, Subject


@pytest.mark.parametrize(
    ("reviewers", "uncommitted", "nobody_may"),
    [
        ((), (), False),
        ((), ("trainer.py",), True),
        (("ann",), (), True),
        (("ann", "eve"), (), False),
    ],
)
def test_nobody_may_approve_what_is_of_every_reviewer_or_of_nobody_known(
    reviewers: tuple[str, ...], uncommitted: tuple[str, ...], *, nobody_may: bool
) -> None:
    """Then a default cannot either, unless the declaration lets authors approve."""
    evidence = Evidence(
        subject=Subject.CANDIDATE,
        model="shop",
        as_of=datetime(2013, 5, 1, tzinfo=UTC),
        title="May version 2 take over?",
        markdown="",
        payload={"authors": ["Ann Lee <ann@example.org>"], "uncommitted": list(uncommitted)},
        digest="e" * 64,
    )

    assert bool(barred(Rules(ApprovalSpec(reviewers=reviewers)), evidence)) is nobody_may
    allowed = ApprovalSpec(reviewers=reviewers, author_may_approve=True)
    assert barred(Rules(allowed), evidence) == ()

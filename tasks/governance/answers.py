"""The form that a reviewer fills in, and what makes an answer one that counts."""

from prefect.input import RunInput
from pydantic import Field

from tasks.governance.spec import ApprovalSpec

DEADLINE = "deadline"
"""The actor of a decision that nobody took in time."""

_SHORTEST_REASON = 3


class Answer(RunInput):
    """What a reviewer says; every field has a default, because a form may come back empty."""

    approve: bool = Field(False, description="On: it goes ahead. Off: it is refused.")
    reason: str = Field("", description="Why, in a sentence; it is kept in the ledger.")
    reviewer: str = Field("", description="Your name; it is kept in the ledger.")


def faults(answer: Answer, approval: ApprovalSpec) -> tuple[str, ...]:
    """What keeps an answer from counting, as sentences for the one who gave it.

    Prefect checks types but drops limits of fields, so we look ourselves.
    """
    found = []
    if len(answer.reason.strip()) < _SHORTEST_REASON:
        found.append(f"Give a reason of at least {_SHORTEST_REASON} characters.")
    name = answer.reviewer.strip()
    if not name:
        found.append("Give your name as reviewer.")
    elif name == DEADLINE:
        found.append(f"{DEADLINE!r} is what the ledger calls the default; give your name.")
    elif approval.reviewers and name not in approval.reviewers:
        found.append(
            f"{name} is no reviewer of this model; they are {', '.join(approval.reviewers)}."
        )
    return tuple(found)


def default_answer(approval_default: str, deadline: str) -> Answer:
    """What the declaration says shall count when nobody has answered in time."""
    return Answer(
        approve=approval_default == "approve",
        reason=f"Nobody answered by {deadline}; the declared default is {approval_default}.",
        reviewer=DEADLINE,
    )

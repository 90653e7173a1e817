"""What there is to tell of a review that waits: a reminder, then an escalation."""

from collections.abc import Iterator
from datetime import datetime

from tasks.governance.notices import Notice, Occasion
from tasks.governance.reviews import Pending
from tasks.governance.spec import ApprovalSpec


def waiting_notices(pending: Pending, approval: ApprovalSpec, now: datetime) -> Iterator[Notice]:
    """What is due to be told of a review by now; nothing once its deadline has passed."""
    if now >= pending.deadline:
        return
    due = {Occasion.REMIND: approval.remind_after, Occasion.ESCALATE: approval.escalate_after}
    for occasion, after in due.items():
        if after is not None and now >= pending.since + after:
            yield Notice(
                occasion=occasion,
                model=pending.model,
                as_of=pending.as_of,
                subject=pending.evidence,
                title=f"{pending.title}: waits for a decision",
                lines=(
                    (
                        f"Asked {pending.since:%Y-%m-%d %H:%M}, decide by "
                        f"{pending.deadline:%Y-%m-%d %H:%M}; then the default is {pending.default}."
                    ),
                    f"Decide: {pending.run_url}",
                ),
            )

"""What there is to tell of a review that waits: a reminder, an escalation, a refusal by record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from infra.durations import exactly
from infra.errors import few
from tasks.governance.notices import Notice, Occasion, titled
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
                title=_title(occasion, pending.title, after),
                lines=tuple(_lines(pending)),
                review=pending.run_id,
            )


def default_notice(pending: Pending, reason: str) -> Notice:
    """What there is to tell of a review that was refused because its run could not decide."""
    return Notice(
        occasion=Occasion.EXPIRED,
        model=pending.model,
        as_of=pending.as_of,
        subject=pending.evidence,
        title=titled(pending.title, "nobody decided in time, refused by default"),
        lines=(reason,),
    )


def _title(occasion: Occasion, question: str, after: timedelta) -> str:
    if occasion is Occasion.REMIND:
        return f"Reminder: {titled(question, 'a decision waits')}"
    return f"Escalation: {titled(question, f'nobody has decided for {exactly(after)}')}"


def _lines(pending: Pending) -> Iterator[str]:
    yield (
        f"Asked {_told(pending.since)}, decide by {_told(pending.deadline)}; then the default is "
        f"{pending.default}."
    )
    if pending.approved_by:
        yield f"Approved so far by {few(list(pending.approved_by))}."


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

"""Which challenger was turned down last: what a new one for the same reason is weighed against."""

from datetime import datetime, timedelta
from typing import Final

from infra import store
from infra.ledger import Kind, Ledger, Recorded
from infra.steps import step
from tasks.governance.evidence import read_evidence
from tasks.governance.recording import is_refusal, verdict_of
from tasks.references import Candidate, Cause, Champion, Contest, Subject

_MOST_WINDOWS: Final = 60
"""Windows that a picture shows at most."""


@step(moving=True)
def contest(champion: Champion, as_of: datetime) -> Contest:
    """The champion beside the last challenger for drift that the gates or a person turned down.

    Args:
        champion: the version in charge; what was tried before its time says nothing about it.
        as_of: what was decided before then counts, so that a run that is repeated sees the same.

    Raises:
        DataError: the evidence of the decision is gone.
        IntegrityError: the evidence is not what was stored.
        BackendError: the database is gone.
    """
    before = as_of - timedelta(microseconds=1)
    said = Ledger().entries(champion.model, (Kind.GATE, Kind.REVIEW), before)
    course = _course(champion, before)
    for entry in reversed(said):
        if entry.as_of < champion.since:
            break
        if _turned_down(entry):
            place = store.uri("evidence", entry.model, f"{entry.evidence}.json")
            seen = read_evidence.fn(place).payload["candidate"]
            candidate = Candidate.model_validate(seen)
            if candidate.cause is Cause.DRIFT:
                return Contest(champion=champion, turned_down=candidate, course=course)
    return Contest(champion=champion, course=course)


def _course(champion: Champion, before: datetime) -> dict[str, dict[str, float]]:
    """What the newest verdicts say of their windows: no row is read again for it."""
    measured = champion.candidate.evaluation.metrics
    said = Ledger().entries(champion.model, (Kind.DRIFT,), before, limit=_MOST_WINDOWS)
    verdicts = map(verdict_of, said)
    return {
        each.window: {name: value for name, value in each.metrics.items() if name in measured}
        for each in verdicts
    }


def _turned_down(entry: Recorded) -> bool:
    if entry.kind == Kind.GATE:
        return entry.payload["verdict"] == "refuse"
    return entry.payload["subject"] == Subject.CANDIDATE and is_refusal(entry)

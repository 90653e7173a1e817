"""Who decided what, on which evidence."""

from tasks.governance.answers import Answer
from tasks.governance.asking import ask
from tasks.governance.consequences import (
    request_promotion,
    request_review,
    request_rollback,
    request_training,
)
from tasks.governance.contests import contest
from tasks.governance.evidence import (
    evidence_for_batch,
    evidence_for_candidate,
    evidence_for_drift,
    read_evidence,
)
from tasks.governance.following import follow
from tasks.governance.recording import (
    decide,
    record,
    record_approved,
    record_batch,
    record_drift,
    record_verdict,
)

__all__ = [
    "Answer",
    "ask",
    "contest",
    "decide",
    "evidence_for_batch",
    "evidence_for_candidate",
    "evidence_for_drift",
    "follow",
    "read_evidence",
    "record",
    "record_approved",
    "record_batch",
    "record_drift",
    "record_verdict",
    "request_promotion",
    "request_review",
    "request_rollback",
    "request_training",
]

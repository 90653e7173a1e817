"""Who decided what, on which evidence."""

from tasks.governance.alerting import alert
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
from tasks.governance.heeding import heed_events
from tasks.governance.judging import labels_due, outcome
from tasks.governance.notices import batch_notice, decision_notice, drift_notice, gate_notice
from tasks.governance.promoting import promotion_held
from tasks.governance.recording import (
    decide,
    record,
    record_approved,
    record_batch,
    record_drift,
    record_verdict,
)
from tasks.governance.settling import settle
from tasks.governance.starting import train_on_new_data
from tasks.governance.trainings import deciding

__all__ = [
    "Answer",
    "alert",
    "ask",
    "batch_notice",
    "contest",
    "decide",
    "deciding",
    "decision_notice",
    "drift_notice",
    "evidence_for_batch",
    "evidence_for_candidate",
    "evidence_for_drift",
    "follow",
    "gate_notice",
    "heed_events",
    "labels_due",
    "outcome",
    "promotion_held",
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
    "settle",
    "train_on_new_data",
]

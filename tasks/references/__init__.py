"""The frozen values that travel between tasks: where something is, what it holds, what people see.

A reference is small enough to be stored as JSON with every task, names its content by digest,
and points back at the references that it was made from: the chain is the provenance graph.
Frames, models and clients never travel.
"""

from tasks.references.data import (
    Delivery,
    Ending,
    FeaturePart,
    FeatureTable,
    Finding,
    History,
    Incident,
    Inspection,
    Manifest,
    Split,
    TableVersion,
)
from tasks.references.decisions import Decision, Diagnosis, Evidence, Subject
from tasks.references.frozen import Reference
from tasks.references.models import (
    Bento,
    Candidate,
    Cause,
    Champion,
    Contest,
    Evaluation,
    Fitted,
    Predictions,
    Profiled,
    Trial,
)
from tasks.references.verdicts import (
    Action,
    Ask,
    Comparison,
    Conclusion,
    DriftVerdict,
    LabelCoverage,
    Promote,
    Refuse,
    TurnedDown,
    Verdict,
    VerdictCause,
    WatchKind,
)

__all__ = [
    "Action",
    "Ask",
    "Bento",
    "Candidate",
    "Cause",
    "Champion",
    "Comparison",
    "Conclusion",
    "Contest",
    "Decision",
    "Delivery",
    "Diagnosis",
    "DriftVerdict",
    "Ending",
    "Evaluation",
    "Evidence",
    "FeaturePart",
    "FeatureTable",
    "Finding",
    "Fitted",
    "History",
    "Incident",
    "Inspection",
    "LabelCoverage",
    "Manifest",
    "Predictions",
    "Profiled",
    "Promote",
    "Reference",
    "Refuse",
    "Split",
    "Subject",
    "TableVersion",
    "Trial",
    "TurnedDown",
    "Verdict",
    "VerdictCause",
    "WatchKind",
]

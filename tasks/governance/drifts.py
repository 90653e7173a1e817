"""What the ledger's records of drift hold: a verdict, and what was done about it."""

from infra.ledger import Recorded
from tasks.references import Conclusion, DriftVerdict


def verdict_of(drift: Recorded) -> DriftVerdict:
    """The verdict that a record of drift holds; its reasons are the record's own."""
    facts = {name: value for name, value in drift.payload.items() if name != "conclusion"}
    return DriftVerdict.model_validate({**facts, "reasons": (), "report_url": ""})


def conclusion_of(drift: Recorded) -> Conclusion:
    """What a record of drift says was done; before there were policies, what was asked for."""
    said = drift.payload.get("conclusion", {"action": drift.payload["action"]})
    return Conclusion.model_validate(said)

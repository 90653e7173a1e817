"""What is worth telling people, and the ``alerts`` section: who is told of what."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from tasks.references import (
    Action,
    Candidate,
    Conclusion,
    Decision,
    Diagnosis,
    DriftVerdict,
    Ending,
    Evidence,
    Inspection,
    Verdict,
)
from tasks.references.frozen import Reference
from tasks.sections import Section

_MOST_LINES: Final = 12


class Occasion(StrEnum):
    """What people may want to be told of."""

    ALERT = "alert"
    ASK = "ask"
    RETRAIN = "retrain"
    ROLLBACK = "rollback"
    HOLD = "hold"
    REJECT = "reject"
    PROMOTE = "promote"
    REFUSE = "refuse"
    APPROVE = "approve"
    BROKEN = "broken"
    REMIND = "remind"
    ESCALATE = "escalate"


ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class AlertSpec(Section):
    """Who is told of what; each machine says in ``PERENNIAL_ALERTS`` where a channel leads."""

    on: tuple[Occasion, ...] = Field(
        min_length=1,
        description="Of a window: alert, ask, retrain, rollback. Of a batch: hold, reject. Of a "
        "candidate: promote, refuse, and approve where a person is asked. Of a review: "
        "broken, remind, escalate.",
    )
    to: tuple[ChannelName, ...] = Field(min_length=1, description="Names of channels.")


class Notice(Reference):
    """What there is to tell, once it has happened.

    Attributes:
        subject: digest of what happened: the same is told once to each channel.
    """

    occasion: Occasion | None = Field(description="Null where nothing is to be told.")
    model: str
    as_of: datetime
    subject: str
    title: str
    lines: tuple[str, ...]
    link: str = ""


def channels(notice: Notice, rules: tuple[AlertSpec, ...]) -> Iterator[str]:
    """The channels that are told, each once."""
    told = [name for rule in rules if notice.occasion in rule.on for name in rule.to]
    return iter(dict.fromkeys(told))


def drift_notice(verdict: DriftVerdict, conclusion: Conclusion) -> Notice:
    """What there is to tell of a window."""
    quiet = conclusion.action is Action.REST
    return Notice(
        occasion=None if quiet else Occasion(conclusion.action.value),
        model=verdict.model,
        as_of=verdict.as_of,
        subject=verdict.digest,
        title=f"{verdict.model} {verdict.window}: {conclusion.action.value}",
        lines=(*conclusion.why, *verdict.reasons)[:_MOST_LINES],
        link=verdict.report_url,
    )


def batch_notice(inspection: Inspection) -> Notice:
    """What there is to tell of a batch: nothing where it was let in."""
    delivery, ending = inspection.delivery, inspection.ending
    stopped = ending in {Ending.HOLD, Ending.REJECT}
    return Notice(
        occasion=Occasion(ending.value) if stopped else None,
        model=delivery.model,
        as_of=delivery.as_of,
        subject=inspection.digest,
        title=f"{delivery.model} {delivery.window}: {ending.value}",
        lines=tuple(each.message for each in inspection.findings if each.ending is ending)[
            :_MOST_LINES
        ],
        link=inspection.report_url,
    )


def gate_notice(evidence: Evidence, verdict: Verdict) -> Notice:
    """What there is to tell of a candidate that came before the gates."""
    said = {"promote": Occasion.PROMOTE, "refuse": Occasion.REFUSE, "ask": Occasion.APPROVE}
    candidate = Candidate.model_validate(evidence.payload["candidate"])
    return Notice(
        occasion=said[verdict.kind],
        model=evidence.model,
        as_of=evidence.as_of,
        subject=evidence.digest,
        title=f"{evidence.model} version {candidate.version}: the gates say {verdict.kind}",
        lines=(verdict.why,),
        link=candidate.run_url,
    )


def decision_notice(evidence: Evidence, decision: Decision) -> Notice:
    """What there is to tell of a decision: that a reviewer found the model or a feed broken."""
    broken = decision.diagnosis is Diagnosis.BROKEN and not decision.void
    return Notice(
        occasion=Occasion.BROKEN if broken else None,
        model=evidence.model,
        as_of=evidence.as_of,
        subject=evidence.digest,
        title=f"{evidence.title}: broken, says {decision.actor}",
        lines=(decision.reason,),
    )

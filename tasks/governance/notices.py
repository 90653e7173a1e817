"""What is worth telling people, and the ``alerts`` section: who is told of what."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from infra.store import digest_of
from tasks.governance.answers import DEADLINE
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
    DECIDED = "decided"
    EXPIRED = "expired"
    VOID = "void"
    REMIND = "remind"
    ESCALATE = "escalate"


ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class AlertSpec(Section):
    """Who is told of what; each machine says in ``PERENNIAL_ALERTS`` where a channel leads."""

    on: tuple[Occasion, ...] = Field(
        min_length=1,
        description="Of a window: alert, ask, retrain, rollback. Of a batch: hold, reject. Of a "
        "candidate: promote, refuse, and approve where a person is asked. Of a review: "
        "remind, escalate, broken, decided, expired, void.",
    )
    to: tuple[ChannelName, ...] = Field(min_length=1, description="Names of channels.")


class Notice(Reference):
    """What there is to tell, once it has happened.

    Attributes:
        subject: digest of what happened: the same is told once to each channel.
        review: id of the run whose page asks the reader to decide; empty where nothing is asked.
    """

    occasion: Occasion | None = Field(description="Null where nothing is to be told.")
    model: str
    as_of: datetime
    subject: str
    title: str
    lines: tuple[str, ...]
    link: str = ""
    review: str = ""


def channels(notice: Notice, rules: tuple[AlertSpec, ...]) -> Iterator[str]:
    """The channels that are told, each once."""
    told = [name for rule in rules if notice.occasion in rule.on for name in rule.to]
    return iter(dict.fromkeys(told))


def drift_notice(verdict: DriftVerdict, conclusion: Conclusion, review: str = "") -> Notice:
    """What there is to tell of a window; judged again on the same data it is the same.

    Args:
        verdict: what was seen.
        conclusion: what is done about it.
        review: id of the run that asks a person, where one is asked.
    """
    quiet = conclusion.action is Action.REST
    data = verdict.data_version or verdict.digest
    done = (conclusion.action, sorted(conclusion.kinds), review)
    return Notice(
        occasion=None if quiet else Occasion(conclusion.action.value),
        model=verdict.model,
        as_of=verdict.as_of,
        subject=digest_of(verdict.window, data, verdict.champion, *done),
        title=f"{verdict.model} {verdict.window}: {conclusion.action.value}",
        lines=(*(*conclusion.why, *verdict.reasons)[:_MOST_LINES], *verdict.remarks),
        link=verdict.report_url,
        review=review,
    )


def batch_notice(inspection: Inspection, review: str = "") -> Notice:
    """What there is to tell of a batch: nothing where it was let in.

    Args:
        inspection: how it ended, and why.
        review: id of the run that asks a person, where one is asked.
    """
    delivery, ending = inspection.delivery, inspection.ending
    stopped = ending in {Ending.HOLD, Ending.REJECT}
    lines = tuple(each.message for each in inspection.findings if each.ending is ending)
    return Notice(
        occasion=Occasion(ending.value) if stopped else None,
        model=delivery.model,
        as_of=delivery.as_of,
        subject=digest_of(delivery.window, delivery.digests, lines, review),
        title=f"{delivery.model} {delivery.window}: {ending.value}",
        lines=lines[:_MOST_LINES],
        link=inspection.report_url,
        review=review,
    )


def gate_notice(evidence: Evidence, verdict: Verdict, review: str = "", held: str = "") -> Notice:
    """What there is to tell of a candidate that came before the gates.

    Args:
        evidence: of the candidate.
        verdict: what the gates say.
        review: id of the run that asks a person, where one is asked.
        held: why the promotion waits, where it does.
    """
    said = {"promote": Occasion.PROMOTE, "refuse": Occasion.REFUSE, "ask": Occasion.APPROVE}
    candidate = Candidate.model_validate(evidence.payload["candidate"])
    return Notice(
        occasion=said[verdict.kind],
        model=evidence.model,
        as_of=evidence.as_of,
        subject=evidence.digest,
        title=f"{evidence.model} version {candidate.version}: the gates say {verdict.kind}",
        lines=(verdict.why, *([f"The promotion waits: {held}."] if held else ())),
        link=candidate.run_url,
        review=review,
    )


def decision_notice(evidence: Evidence, decision: Decision) -> Notice:
    """What there is to tell of a decision: a person's, the default's, or that it came to nothing.

    That a reviewer found the model or a feed broken is an occasion of its own.
    """
    occasion, said = _decided(decision)
    return Notice(
        occasion=occasion,
        model=evidence.model,
        as_of=evidence.as_of,
        subject=evidence.digest,
        title=titled(evidence.title, said),
        lines=(decision.reason,),
    )


def titled(question: str, said: str) -> str:
    """A title made of what a review asks and of what became of it.

    >>> titled("May version 2 take over?", "approved"), titled("It is on hold", "refused")
    ('May version 2 take over? Approved', 'It is on hold: refused')
    """
    if question.endswith("?"):
        return f"{question} {said[:1].upper()}{said[1:]}"
    return f"{question}: {said}"


def _decided(decision: Decision) -> tuple[Occasion, str]:
    if decision.void:
        return Occasion.VOID, "the answer is void"
    if decision.actor == DEADLINE:
        default = "approved" if decision.approved else "refused"
        return Occasion.EXPIRED, f"nobody decided in time, {default} by default"
    broken = decision.diagnosis is Diagnosis.BROKEN
    said = f"{decision.outcome.lower()}, says {decision.actor}"
    return Occasion.BROKEN if broken else Occasion.DECIDED, said

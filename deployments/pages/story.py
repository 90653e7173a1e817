"""What the ledger tells of one model: windows, champions, trainings, reviews and batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deployments.proof.result import Shift
from infra.entries import Kind, Recorded
from tasks.governance.recording import conclusion_of, verdict_of
from tasks.references import (
    Action,
    Comparison,
    LabelCoverage,
    Restraint,
    SliceResult,
    VerdictCause,
)
from tasks.registry.crownings import champion_of
from tasks.windows import EVERYTHING


class Outcome(StrEnum):
    """How a training or a question ended, by what followed from it."""

    PROMOTED = "promoted"
    ALLOWED = "allowed"
    """It may take over and has not: its promotion runs, waits or failed."""

    REFUSED = "refused"
    APPROVED = "approved"
    BROKEN = "broken"
    EXPECTED = "expected"
    VOID = "void"
    WAITING = "waiting"


@dataclass(frozen=True)
class Judged:
    """A window as it was judged last, and what was done about it."""

    window: str
    as_of: datetime
    at: datetime
    action: Action
    asked: Action
    why: tuple[str, ...]
    causes: tuple[VerdictCause, ...]
    unjudged: tuple[str, ...]
    psi: Mapping[str, float]
    metrics: Mapping[str, float]
    champion: int
    rows: int
    digest: str = ""
    ages: tuple[LabelCoverage, ...] = ()
    kept: tuple[str, ...] | None = None
    """Features that moved, as the verdict kept them."""

    held: str = ""
    """Why its training waits, and until when."""

    restraints: tuple[Restraint, ...] = ()
    slices: tuple[SliceResult, ...] = ()
    missing: Mapping[str, float] = field(default_factory=dict)
    attribution: Mapping[str, float] = field(default_factory=dict)

    @property
    def labelled(self) -> float | None:
        """Share of the predictions whose label is known: 0 to 1."""
        return 1 - self.metrics["unlabelled"] if "unlabelled" in self.metrics else None

    def moved(self, limit: float) -> frozenset[str]:
        """Features that moved; where the verdict does not keep them, those above the limit."""
        if self.kept is not None:
            return frozenset(self.kept)
        return frozenset(name for name, psi in self.psi.items() if psi > limit)


@dataclass(frozen=True)
class Reign:
    """A version in charge, until the next one was; the one in charge now has no end."""

    version: int
    since: datetime
    until: datetime | None
    cause: str
    actor: str
    reason: str
    back: bool
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Trained:
    """A candidate that came before the gates."""

    version: int
    as_of: datetime
    cause: str
    outcome: Outcome
    why: str
    comparison: Comparison


@dataclass(frozen=True)
class Reviewed:
    """A question to a person, and the answer."""

    title: str
    subject: str
    as_of: datetime
    outcome: Outcome
    actor: str = ""
    reason: str = ""
    signed: bool = False


@dataclass(frozen=True)
class Batch:
    """What became of the newest delivery of a window; of a whole table each one counts."""

    window: str
    as_of: datetime
    ending: str
    reason: str

    @property
    def is_let_in(self) -> bool:
        """Whether its rows are in the tables."""
        return self.ending not in {"hold", "reject"}


@dataclass(frozen=True)
class Proved:
    """What came of the last proof that the model is watched."""

    as_of: datetime
    passed: bool
    reason: str
    alarms_a_year: float
    shifts: tuple[Shift, ...]
    digest: str
    declared: str = ""
    """What it is about; empty in a record of before that was kept."""


@dataclass(frozen=True)
class Story:
    """What the ledger tells of one model, each part oldest first."""

    judged: tuple[Judged, ...] = ()
    reigns: tuple[Reign, ...] = ()
    trained: tuple[Trained, ...] = ()
    reviewed: tuple[Reviewed, ...] = ()
    batches: tuple[Batch, ...] = ()
    proved: Proved | None = None
    importances: Mapping[str, float] = field(default_factory=dict)
    """Of the version in charge, by feature."""

    @property
    def held(self) -> tuple[Batch, ...]:
        """The windows whose newest delivery was not let in, newest first."""
        newest = {each.window: each for each in self.batches}
        return tuple(each for each in newest.values() if not each.is_let_in)[::-1]


_BATCHES = (Kind.INGEST, Kind.HOLD, Kind.REFUSAL)
KINDS = (
    *(Kind.DRIFT, Kind.GATE, Kind.QUESTION, Kind.REVIEW, Kind.PROMOTION, Kind.ROLLBACK),
    *(*_BATCHES, Kind.PROOF),
)
"""The records that a story is made of."""


def told(records: Iterable[Recorded]) -> Story:
    """The story that records of one model tell, given in order of logical time."""
    by: dict[Kind, list[Recorded]] = {kind: [] for kind in KINDS}
    for each in records:
        if each.kind in by:
            by[each.kind].append(each)
    crowned = sorted([*by[Kind.PROMOTION], *by[Kind.ROLLBACK]], key=_order)
    answers = {each.evidence: each for each in by[Kind.REVIEW]}
    reigns = _reigns(crowned)
    return Story(
        judged=_judged(by[Kind.DRIFT]),
        reigns=reigns,
        trained=tuple(_trained(each, crowned, answers) for each in by[Kind.GATE]),
        reviewed=_reviewed(by[Kind.QUESTION], answers),
        batches=_batches(sorted((one for kind in _BATCHES for one in by[kind]), key=_order)),
        proved=proved_of(by[Kind.PROOF][-1]) if by[Kind.PROOF] else None,
        importances=champion_of(crowned[-1]).candidate.evaluation.importances if crowned else {},
    )


def _order(record: Recorded) -> tuple[datetime, int]:
    return record.as_of, record.id


def _judged(drifts: Iterable[Recorded]) -> tuple[Judged, ...]:
    """Of a window that was judged again the last verdict counts; of a whole table each one does."""
    last: dict[object, Judged] = {}
    for each in drifts:
        verdict = judged_of(each)
        whole = verdict.window == EVERYTHING
        last[(verdict.window, verdict.as_of if whole else None)] = verdict
    return tuple(last.values())


def judged_of(drift: Recorded) -> Judged:
    """What a record of drift says of its window."""
    verdict, done = verdict_of(drift), conclusion_of(drift)
    return Judged(
        window=verdict.window,
        as_of=verdict.as_of,
        at=drift.at,
        action=done.action,
        asked=verdict.action,
        why=(drift.reason,) if not verdict.causes else done.why,
        causes=verdict.causes,
        unjudged=verdict.unjudged,
        psi=verdict.drift,
        metrics=verdict.metrics,
        champion=verdict.champion,
        rows=verdict.rows,
        digest=verdict.digest,
        ages=verdict.coverage,
        kept=verdict.moved,
        held=done.held,
        restraints=done.restraints,
        slices=verdict.slices,
        missing=verdict.missing,
        attribution=verdict.attribution,
    )


def _reigns(crowned: list[Recorded]) -> tuple[Reign, ...]:
    """Of what was decided at one time the last record counts."""
    last = list({each.as_of: each for each in crowned}.values())
    ends = [*(each.as_of for each in last[1:]), None]
    found = []
    for each, end in zip(last, ends, strict=False):
        candidate = champion_of(each).candidate
        found.append(
            Reign(
                version=candidate.version,
                since=each.as_of,
                until=end,
                cause=candidate.cause.value,
                actor=each.actor,
                reason=each.reason,
                back=each.kind is Kind.ROLLBACK,
                metrics=candidate.evaluation.metrics,
            )
        )
    return tuple(found)


def _trained(
    gate: Recorded, crowned: Iterable[Recorded], answers: Mapping[str, Recorded]
) -> Trained:
    came = next((each for each in crowned if each.evidence == gate.evidence), None)
    cause = champion_of(came).candidate.cause.value if came else gate.payload.get("cause", "")
    said = str(gate.payload["verdict"])
    return Trained(
        version=int(str(gate.payload["version"])),
        as_of=gate.as_of,
        cause=str(cause),
        outcome=Outcome.PROMOTED if came else _of_gate(said, answers.get(gate.evidence)),
        why=gate.reason,
        comparison=Comparison.model_validate(gate.payload["comparison"]),
    )


def _of_gate(said: str, answer: Recorded | None) -> Outcome:
    """What a verdict of the gates led to where no promotion stands on it."""
    if said == "refuse":
        return Outcome.REFUSED
    if answer is None:
        return Outcome.ALLOWED if said == "promote" else Outcome.WAITING
    if answer.payload.get("void"):
        return Outcome.VOID
    return Outcome.ALLOWED if answer.payload["approved"] is True else Outcome.REFUSED


def _reviewed(
    questions: Iterable[Recorded], answers: Mapping[str, Recorded]
) -> tuple[Reviewed, ...]:
    """Each question once, however often it was asked, with the answer that stands."""
    asked = {each.evidence: each for each in questions}
    return tuple(_review(each, answers.get(evidence)) for evidence, each in asked.items())


def _review(question: Recorded, answer: Recorded | None) -> Reviewed:
    subject = str(question.payload["subject"])
    if answer is None:
        return Reviewed(question.reason, subject, question.as_of, Outcome.WAITING)
    return Reviewed(
        title=question.reason,
        subject=subject,
        as_of=question.as_of,
        outcome=answered(answer),
        actor=answer.actor,
        reason=answer.reason,
        signed=bool(answer.payload.get("signed")),
    )


def answered(answer: Recorded) -> Outcome:
    """What a person answered; a decision that became void led to nothing, whatever it was."""
    if answer.payload.get("void"):
        return Outcome.VOID
    if answer.payload["approved"] is True:
        return Outcome.APPROVED
    diagnosis = answer.payload.get("diagnosis")
    return Outcome(str(diagnosis)) if diagnosis in {"broken", "expected"} else Outcome.REFUSED


def _batches(records: Iterable[Recorded]) -> tuple[Batch, ...]:
    """Of a window that was delivered again the last one counts; of a whole table each one does."""
    last: dict[object, Batch] = {}
    for each in records:
        window = str(each.payload["window"])
        last[(window, each.as_of if window == EVERYTHING else None)] = Batch(
            window=window,
            as_of=each.as_of,
            ending=str(each.payload["ending"]) if each.kind is not Kind.HOLD else "hold",
            reason=each.reason,
        )
    return tuple(last.values())


def proved_of(proof: Recorded) -> Proved:
    """What a record of a proof says."""
    shifts = proof.payload["shifts"]
    return Proved(
        as_of=proof.as_of,
        passed=proof.payload["passed"] is True,
        reason=proof.reason,
        alarms_a_year=float(str(proof.payload["alarms_a_year"])),
        shifts=tuple(
            Shift.model_validate({"where": (), **each})
            for each in (shifts if isinstance(shifts, list) else [])
            if isinstance(each, dict)
        ),
        digest=proof.evidence,
        declared=str(proof.payload.get("declared", "")),
    )

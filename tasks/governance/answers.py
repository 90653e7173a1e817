"""The form that a reviewer fills in, and what makes an answer one that counts."""

from typing import Self

from prefect.input import RunInput
from pydantic import ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from tasks.governance.spec import ApprovalSpec
from tasks.references import Action, Diagnosis, DriftVerdict, Evidence, Subject, WatchKind

DEADLINE = "deadline"
"""The actor of a decision that nobody took in time."""

_SHORTEST_REASON = 3

_MOVES = frozenset({WatchKind.FEATURES, WatchKind.PREDICTIONS})


class Answer(RunInput):
    """What a reviewer says; every field has a default, because a form may come back empty."""

    # What the form does not show, the command line may still hand over.
    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    approve: bool = Field(False, description="On: it goes ahead. Off: it is refused.")
    reason: str = Field("", description="Why, in a sentence; it is kept in the ledger.")
    reviewer: str = Field("", description="Your name; it is kept in the ledger.")
    diagnosis: SkipJsonSchema[Diagnosis | None] = None
    signature: SkipJsonSchema[str] = ""


class DriftAnswer(Answer):
    """What a reviewer says of drift: what it is, from which follows what is done."""

    approve: SkipJsonSchema[bool] = False
    diagnosis: Diagnosis | None = Field(None, description="What it is.")

    @model_validator(mode="after")
    def _follows(self) -> Self:
        if self.diagnosis is None and self.approve:
            self.diagnosis = Diagnosis.WORLD
        self.approve = self.diagnosis is Diagnosis.WORLD
        return self


def form(subject: Subject) -> type[Answer]:
    """The form for what is decided about."""
    return DriftAnswer if subject is Subject.DRIFT else Answer


def suggested(evidence: Evidence) -> Diagnosis | None:
    """What the heaviest cause of a verdict speaks for; nothing about a batch or a candidate.

    A fault of the data that alerts speaks for a feed that broke, whatever moved beside it.
    """
    if evidence.subject is not Subject.DRIFT:
        return None
    causes = DriftVerdict.model_validate(evidence.payload["verdict"]).causes
    if any(each.kind.is_of_data and each.action is not Action.REST for each in causes):
        return Diagnosis.BROKEN
    return Diagnosis.EXPECTED if causes and causes[0].kind in _MOVES else Diagnosis.WORLD


def faults(answer: Answer, approval: ApprovalSpec) -> tuple[str, ...]:
    """What keeps an answer from counting, as sentences for the one who gave it.

    Prefect checks types but drops limits of fields, so we look ourselves.
    """
    found = []
    if len(answer.reason.strip()) < _SHORTEST_REASON:
        found.append(f"Give a reason of at least {_SHORTEST_REASON} characters.")
    name = answer.reviewer.strip()
    if not name:
        found.append("Give your name as reviewer.")
    elif name == DEADLINE:
        found.append(f"{DEADLINE!r} is what the ledger calls the default; give your name.")
    elif approval.reviewers and name not in approval.reviewers:
        found.append(
            f"{name} is no reviewer of this model; they are {', '.join(approval.reviewers)}."
        )
    return tuple(found)


def default_answer(approval_default: str, deadline: str, so_far: str = "") -> Answer:
    """What the declaration says shall count when nobody has answered in time.

    Args:
        approval_default: as declared.
        deadline: as people read it.
        so_far: who has approved, where several must.
    """
    nobody = f"By {deadline} {so_far}" if so_far else f"Nobody answered by {deadline};"
    return Answer(
        approve=approval_default == "approve",
        reason=f"{nobody} {'The' if so_far else 'the'} declared default is {approval_default}.",
        reviewer=DEADLINE,
    )

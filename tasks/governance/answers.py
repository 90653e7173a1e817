"""The form that a reviewer fills in, and what makes an answer one that counts."""

from typing import Annotated, Any, Final, Self

from prefect.input import RunInput
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from tasks.governance.people import plain
from tasks.governance.spec import ApprovalSpec
from tasks.references import Action, Diagnosis, DriftVerdict, Evidence, Subject, WatchKind

DEADLINE = "deadline"
"""The actor of a decision that nobody took in time."""

_SHORTEST_REASON: Final = 3
_LONGEST: Final = {"reason": 2_000, "name": 200, "signature": 10_000}
"""Characters: a reason is a sentence, no document, and SSH signs with 1,600 at most."""

_MOVES: Final = frozenset({WatchKind.FEATURES, WatchKind.PREDICTIONS})
_CHOICES: Final = {"approve": True, "refuse": False}


def _chosen(said: object) -> object:
    if not isinstance(said, str):
        return said
    if said not in _CHOICES:
        raise ValueError("say approve or refuse")
    return _CHOICES[said]


def _word(approve: bool | None) -> str | None:
    return None if approve is None else {value: word for word, value in _CHOICES.items()}[approve]


Choice = Annotated[
    bool | None,
    BeforeValidator(_chosen),
    PlainSerializer(_word, when_used="json"),
    WithJsonSchema({"type": "string", "enum": list(_CHOICES)}),
]
"""Approve or refuse: words on the form, where a switch would have a decision before anybody has."""

_Said = Annotated[
    Diagnosis | None, WithJsonSchema({"type": "string", "enum": [each.value for each in Diagnosis]})
]


def _as_form(schema: dict[str, Any]) -> None:
    """What the form demands: every field, none of them filled in but by a suggestion."""
    shown = schema["properties"]
    for each in shown.values():
        if not each.get("default"):
            each.pop("default", None)
    schema["required"] = list(shown)
    schema["additionalProperties"] = True  # the command hands over more than the form shows


class Answer(RunInput):
    """What a reviewer says; every field has a default, because a run may be resumed without."""

    model_config = ConfigDict(json_schema_extra=_as_form, populate_by_name=True)

    approve: Choice = Field(
        None,
        alias="decision",
        title="Decision",
        description="Refusing is final, as approving is.",
    )
    reason: str = Field("", description="Why, in a sentence; it is kept in the ledger.")
    reviewer: str = Field("", description="Your name; it is kept in the ledger.")
    diagnosis: SkipJsonSchema[Diagnosis | None] = None
    signature: SkipJsonSchema[str] = ""


class DriftAnswer(Answer):
    """What a reviewer says of drift: what it is, from which follows what is done."""

    approve: SkipJsonSchema[Choice] = Field(None, alias="decision")
    diagnosis: _Said = Field(
        None,
        title="What is it?",
        description="world: a model is trained again. broken (the model or a feed): people are "
        "told, nothing is trained. expected: nothing is done.",
    )

    @model_validator(mode="after")
    def _follows(self) -> Self:
        if self.diagnosis is None and self.approve:
            self.diagnosis = Diagnosis.WORLD
        trains = None if self.diagnosis is None else self.diagnosis is Diagnosis.WORLD
        if trains is not None and self.approve not in {None, trains}:
            raise ValueError(f"{_word(self.approve)} contradicts the diagnosis {self.diagnosis}")
        self.approve = trains
        return self


def form(subject: Subject) -> type[Answer]:
    """The form for what is decided about."""
    return DriftAnswer if subject is Subject.DRIFT else Answer


def form_about(evidence: Evidence, description: str) -> type[Answer]:
    """The form with a text above its fields, and of drift with a suggestion filled in."""
    shown, guess = form(evidence.subject), suggested(evidence)
    suggesting = shown if guess is None else _suggesting(shown, guess)
    return suggesting.with_initial_data(description=description)


def _suggesting(shown: type[Answer], guess: Diagnosis) -> type[Answer]:
    """The form with a diagnosis filled in; Prefect's own way drops what is written beside it."""
    field = shown.model_fields["diagnosis"]
    given = Field(guess, title=field.title, description=field.description)
    return create_model(shown.__name__, __base__=shown, diagnosis=(_Said, given))


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
    said = {"reason": answer.reason, "name": answer.reviewer, "signature": answer.signature}
    found += [
        f"A {what} has at most {_LONGEST[what]:,} characters; this one has {len(text):,}."
        for what, text in said.items()
        if len(text) > _LONGEST[what]
    ]
    return (*found, *_of_the_name(answer.reviewer.strip(), approval))


def _of_the_name(name: str, approval: ApprovalSpec) -> tuple[str, ...]:
    if len(name) > _LONGEST["name"]:
        return ()  # that was said
    if not plain(name):
        return ("Give your name as reviewer.",)
    if not name.isprintable():
        return (f"The name {name!a} holds a character that nobody sees; write it anew.",)
    if plain(name) == DEADLINE:
        return (f"{DEADLINE!r} is what the ledger calls the default; give your name.",)
    if approval.reviewers and name not in approval.reviewers:
        known = ", ".join(approval.reviewers)
        return (f"{name} is no reviewer of this model; they are {known}.",)
    return ()


def default_answer(
    approval_default: str, deadline: str, so_far: str = "", barred: str = ""
) -> Answer:
    """What the declaration says shall count when nobody has answered in time.

    Args:
        approval_default: as declared, or refuse where nobody may approve.
        deadline: as people read it.
        so_far: who has approved, where several must.
        barred: why nobody may approve, where the declared default is to.
    """
    nobody = f"By {deadline} {so_far}" if so_far else f"Nobody answered by {deadline};"
    declared = f"declared default is {'approve' if barred else approval_default}"
    but = f", but nobody may approve. {barred}" if barred else "."
    return Answer(
        approve=approval_default == "approve",
        reason=f"{nobody} {'The' if so_far else 'the'} {declared}{but}",
        reviewer=DEADLINE,
    )

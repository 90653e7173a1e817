"""What keeps an answer from counting for the evidence that it was given to."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from infra.entries import canonical
from infra.errors import PerennialError
from infra.settings import settings
from infra.signatures import fingerprint, is_signed
from tasks.governance.answers import Answer, faults
from tasks.governance.people import among
from tasks.governance.rules import Rules, standing_signers
from tasks.references import Evidence, Subject

NOBODY: Final[Mapping[str, str]] = MappingProxyType({})
"""No approvals before."""


def objections(
    answer: Answer, rules: Rules, evidence: Evidence, approved: Mapping[str, str] = NOBODY
) -> tuple[str, ...]:
    """What keeps an answer from counting, as sentences for the one who gave it; none if it counts.

    Args:
        answer: what was said.
        rules: under which it was asked.
        evidence: what it was said about.
        approved: the names of those who have approved before, to the key that each signed with;
            an empty one where none did.
    """
    found = [*faults(answer, rules.approval), *_of_the_decision(answer, evidence.subject)]
    if answer.approve:
        found += _of_the_author(answer.reviewer.strip(), rules, evidence)
        found += _of_the_others(answer, rules, approved)
    return (*found, *of_the_signature(answer, rules, evidence.model, evidence.digest))


def barred(rules: Rules, evidence: Evidence) -> tuple[str, ...]:
    """Why nobody may approve, whoever it is; empty where somebody may."""
    people = rules.approval.reviewers or ("",)
    found = [tuple(_of_the_author(each, rules, evidence)) for each in people]
    return tuple(dict.fromkeys(said for each in found for said in each)) if all(found) else ()


def of_the_signature(answer: Answer, rules: Rules, model: str, digest: str) -> tuple[str, ...]:
    """What keeps the signature of an answer from counting now; a key may lose its place meanwhile.

    Args:
        answer: what was said, with its signature.
        rules: under which it was asked.
        model: what the evidence is of.
        digest: of the evidence.
    """
    approval = rules.approval
    if not answer.signature:
        asked = f"This model wants signed decisions: perennial review {model} ... "
        return (f"{asked}--sign KEY.",) if approval.signed else ()
    if not approval.signers:
        return ("This model declares no allowed signers, so no signature can be checked.",)
    name = answer.reviewer.strip()
    try:
        standing = standing_signers(settings().models / model, approval)
        of_then = standing if rules.signers is None else rules.signers
        held = [_holds(answer, digest, each) for each in (standing, of_then)]
    except PerennialError as error:
        return (error.args[0],)
    if all(held):
        return ()
    if any(held):
        changed = f"{approval.signers} was changed after this was asked, and the key of {name}"
        return (f"{changed} is not in it both then and now.",)
    return (f"This is not a signature of {name} under this decision and evidence.",)


def statement(answer: Answer, digest: str) -> str:
    """The text that a reviewer signs: it names the evidence, so it holds for no other."""
    return canonical(
        {
            "approve": answer.approve,
            "diagnosis": answer.diagnosis,
            "evidence": digest,
            "reason": answer.reason.strip(),
            "reviewer": answer.reviewer.strip(),
        }
    )


def keys_of(answers: tuple[Answer, ...]) -> dict[str, str]:
    """The names of those who answered, to the key that each signed with."""
    return {each.reviewer.strip(): fingerprint(each.signature) for each in answers}


def _of_the_decision(answer: Answer, subject: Subject) -> Iterator[str]:
    if subject is Subject.DRIFT:
        if answer.diagnosis is None:
            yield "Say what it is: the world, broken, or expected."
        return
    if answer.approve is None:
        yield "Say what you decide: approve or refuse."
    if answer.diagnosis is not None:
        yield f"{answer.diagnosis} is said of drift; of a {subject} say approve or refuse."


def _of_the_author(name: str, rules: Rules, evidence: Evidence) -> Iterator[str]:
    """Evidence of before authors were kept names none, and has no key for them."""
    if rules.approval.author_may_approve or "authors" not in evidence.payload:
        return
    authors, uncommitted = (evidence.payload.get(each) for each in ("authors", "uncommitted"))
    allow = "or let authors approve (approval: author_may_approve: true)"
    if not isinstance(authors, list):
        yield (
            "Git could not tell who wrote what is new here, so no approval counts. Keep the "
            f"model's folder in a git repository that the worker can read, {allow}, and train "
            "again."
        )
    elif among(name, map(str, authors)):
        yield f"{name} wrote what is new here, and the author of a change may not approve it."
    if uncommitted:
        yield (
            "It was trained by files that nobody has committed, so nobody knows whose they are and "
            f"no approval counts. Commit them, {allow}, and train again."
        )


def _of_the_others(answer: Answer, rules: Rules, approved: Mapping[str, str]) -> Iterator[str]:
    name, key = answer.reviewer.strip(), fingerprint(answer.signature)
    people = rules.approval.approvals
    if among(name, approved):
        yield f"{name} has approved already; it takes {people} people."
    elif key and key in approved.values():
        yield f"The key of {name} has signed an approval already; it takes {people} people."


def _holds(answer: Answer, digest: str, signers: str) -> bool:
    name = answer.reviewer.strip()
    return name.isprintable() and is_signed(
        statement(answer, digest), answer.signature, name, signers
    )

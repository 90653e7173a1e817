"""What keeps an answer from counting for the evidence that it was given to."""

from collections.abc import Iterator, Sequence

from infra.entries import canonical
from infra.errors import PerennialError
from infra.settings import settings
from infra.signatures import is_signed
from tasks.governance.answers import Answer, faults
from tasks.governance.people import among, authors_of
from tasks.governance.spec import ApprovalSpec
from tasks.references import Evidence, Subject


def objections(
    answer: Answer, approval: ApprovalSpec, evidence: Evidence, approved: Sequence[str] = ()
) -> tuple[str, ...]:
    """What keeps an answer from counting, as sentences for the one who gave it; none if it counts.

    Args:
        answer: what was said.
        approval: what the model declares.
        evidence: what it was said about.
        approved: the names of those who have approved before.
    """
    found = list(faults(answer, approval))
    if evidence.subject is Subject.DRIFT and answer.diagnosis is None:
        found.append("Say what it is: the world, broken, or expected.")
    if answer.approve:
        found += _of_the_person(answer.reviewer, approval, evidence, approved)
    return (*found, *_of_the_signature(answer, approval, evidence.model, evidence.digest))


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


def _of_the_person(
    reviewer: str, approval: ApprovalSpec, evidence: Evidence, approved: Sequence[str]
) -> Iterator[str]:
    name = reviewer.strip()
    if not approval.author_may_approve and among(name, authors_of(evidence)):
        yield f"{name} wrote what is new here, and the author of a change may not approve it."
    if among(name, approved):
        yield f"{name} has approved already; it takes {approval.approvals} people."


def _of_the_signature(
    answer: Answer, approval: ApprovalSpec, model: str, digest: str
) -> tuple[str, ...]:
    if not answer.signature:
        asked = f"This model wants signed decisions: perennial review {model} ... --sign KEY."
        return (asked,) if approval.signed else ()
    if not approval.signers:
        return ("This model declares no allowed signers, so no signature can be checked.",)
    signers, name = settings().models / model / approval.signers, answer.reviewer.strip()
    if not signers.is_file():
        return (f"The file of allowed signers, {approval.signers}, is not there.",)
    try:
        holds = name.isprintable() and is_signed(
            statement(answer, digest), answer.signature, name, signers
        )
    except PerennialError as error:
        return (error.args[0],)
    return (
        () if holds else (f"This is not a signature of {name} under this decision and evidence.",)
    )

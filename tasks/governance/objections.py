"""What keeps an answer from counting for the evidence that it was given to."""

from infra.entries import canonical
from infra.errors import PerennialError
from infra.settings import settings
from infra.signatures import is_signed
from tasks.governance.answers import Answer, faults
from tasks.governance.spec import ApprovalSpec
from tasks.references import Subject


def objections(
    answer: Answer, approval: ApprovalSpec, model: str, subject: Subject, digest: str
) -> tuple[str, ...]:
    """What keeps an answer from counting, as sentences for the one who gave it; none if it counts.

    Args:
        answer: what was said.
        approval: what the model declares.
        model: its name.
        subject: what is decided about.
        digest: that of the evidence.
    """
    found = list(faults(answer, approval))
    if subject is Subject.DRIFT and answer.diagnosis is None:
        found.append("Say what it is: the world, broken, or expected.")
    return (*found, *_of_the_signature(answer, approval, model, digest))


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

"""The rules under which a review was asked: they hold for its answers, whatever changes then."""

from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from infra.entries import storable
from infra.errors import ConfigError
from infra.identity import is_committed
from infra.ledger import Kind, Ledger, Recorded
from infra.settings import settings
from tasks.governance.spec import ApprovalSpec


class Rules(NamedTuple):
    """Who decides, and by which keys a signature counts.

    Attributes:
        approval: as it was declared.
        signers: the text of the allowed signers; None where what is there now counts.
    """

    approval: ApprovalSpec
    signers: str | None = None


def rules_for(model: str, evidence: str, approval: ApprovalSpec) -> Rules:
    """The rules under which evidence was first asked about, or those of now where it was not.

    Args:
        model: its name.
        evidence: digest of the evidence.
        approval: as it is declared now.

    Raises:
        BackendError: the database is gone.
    """
    asked = [each for each in Ledger().entries(model, Kind.QUESTION) if each.evidence == evidence]
    first = min(asked, key=lambda each: each.id, default=None)
    return Rules(approval) if first is None else _asked_under(first, approval)


def kept(model: str, approval: ApprovalSpec) -> dict[str, JsonValue]:
    """What a question keeps of the rules of its time."""
    try:
        signers = (
            standing_signers(settings().models / model, approval) if approval.signers else None
        )
    except ConfigError:
        signers = None  # an answer is told why, once it is signed
    return {"approval": storable(approval.model_dump(mode="json")), "signers": signers}


def standing_signers(folder: Path, approval: ApprovalSpec) -> str:
    """The text of the file of allowed signers, as it is now.

    Args:
        folder: of the model.
        approval: as it is declared.

    Raises:
        ConfigError: it is not there; or signatures are demanded, and it is not as committed.
    """
    path = folder / approval.signers
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file of allowed signers, {approval.signers}, is not there, or is no text.",
            hint="Each line is a name and a public key; see `man ssh-keygen`, ALLOWED SIGNERS.",
        ) from error
    if approval.signed and not is_committed(path):
        raise ConfigError(
            f"The file of allowed signers, {approval.signers}, is not as it was committed, so no "
            "signature counts.",
            hint=f"Commit {path} to the git repository of the model, or restore it.",
        )
    return text


def _asked_under(question: Recorded, approval: ApprovalSpec) -> Rules:
    """A question of before the rules were kept is held to those of now."""
    said, signers = question.payload.get("approval"), question.payload.get("signers")
    if said is None:
        return Rules(approval)
    declared = ApprovalSpec.model_validate(said)
    return Rules(declared, None if signers is None else str(signers))

"""By what right a version is put in charge: what the ledger holds of it, not what a caller says."""

from typing import Final, NoReturn

from infra.errors import ConfigError
from infra.ledger import Kind, Ledger, Recorded
from infra.steps import step
from tasks.references import Candidate
from tasks.registry.crownings import once_in_charge

_BACK: Final = "`perennial rollback {model}` goes back to a version that was in charge."


@step(moving=True)
def require_warrant(candidate: Candidate, evidence: str) -> None:
    """Nothing, where the candidate may be put in charge.

    It may if it was in charge before, which makes this a rollback; if the gates let it through;
    or if they asked and a person approved. Where no evidence is named, their newest verdict
    counts.

    Args:
        candidate: the version that is asked for.
        evidence: digest of the evidence that was decided on; empty where a person names none.

    Raises:
        ConfigError: nobody judged it on this evidence, the gates or a person refused it, or a
            person has not decided yet.
    """
    if candidate.version in once_in_charge(candidate.model):
        return
    verdict = _verdict(candidate, evidence)
    if verdict is None:
        _refuse_unjudged(candidate, evidence)
    if verdict.payload["verdict"] == "promote":
        return
    decision = _decision(candidate.model, verdict.evidence)
    if decision is None or decision.payload["approved"] is not True:
        _refuse(candidate, verdict, decision)


def _verdict(candidate: Candidate, evidence: str) -> Recorded | None:
    said = [
        entry
        for entry in Ledger().entries(candidate.model, Kind.GATE)
        if entry.subject == candidate.digest and evidence in {"", entry.evidence}
    ]
    return said[-1] if said else None


def _decision(model: str, evidence: str) -> Recorded | None:
    decided = [e for e in Ledger().entries(model, Kind.REVIEW) if e.evidence == evidence]
    return decided[-1] if decided else None


def _refuse_unjudged(candidate: Candidate, evidence: str) -> NoReturn:
    on = f" on the evidence {evidence[:12]}" if evidence else ""
    raise ConfigError(
        f"Nobody judged version {candidate.version} of {candidate.model}{on}: the ledger holds no "
        "verdict of the gates.",
        hint=f"Run `train/{candidate.model}`: it brings the version before the gates.",
    )


def _refuse(candidate: Candidate, verdict: Recorded, decision: Recorded | None) -> NoReturn:
    model, named = candidate.model, f"version {candidate.version} of {candidate.model}"
    back = _BACK.format(model=model)
    if decision is not None:
        raise ConfigError(f"{decision.actor} refused {named}: {decision.reason}", hint=back)
    if verdict.payload["verdict"] == "ask":
        raise ConfigError(
            f"The gates want a person to decide about {named}: {verdict.reason}",
            hint="`perennial review` lists what waits; an approval promotes it.",
        )
    raise ConfigError(f"The gates refused {named}: {verdict.reason}", hint=back)

"""Put a version in charge: the ledger first, then the registry, then what serves."""

from datetime import datetime

from prefect import State, flow

from infra.runs import ended, moment, named, sentence
from tasks.registry import crown, find_version, require_warrant
from tasks.spec import load_spec


@flow(name="promote", flow_run_name=named("model", "version"))
def promote(
    model: str,
    version: int,
    reason: str,
    actor: str,
    as_of: datetime | None = None,
    evidence: str = "",
) -> State[None]:
    """Make a registered version the champion; one that was in charge before is a rollback.

    Any other needs what the ledger holds of it: the gates' verdict, or a person's approval.

    Args:
        model: name of the model.
        version: the registered version.
        reason: why, for the ledger.
        actor: who decided: a person's name, or ``gate``.
        as_of: the time from which it is in charge; by default the run's scheduled start.
        evidence: digest of the evidence that was decided on; by default the newest verdict counts.
    """
    spec = load_spec(model)
    candidate, bento = find_version(model, version)
    require_warrant(candidate, evidence)
    crowned = crown(candidate, bento, moment(as_of), reason, actor, evidence)
    said = f"{sentence(spec.title)} Version {crowned.version} is in charge. {reason}"
    return ended("Promoted", said)

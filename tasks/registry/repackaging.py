"""Another Bento of the version in charge: the ledger first, then what serves."""

from infra import identity
from infra.ledger import Entry, Kind, Ledger, Recorded
from infra.steps import step
from infra.turns import turn
from tasks.references import Bento, Champion
from tasks.registry.crownings import in_charge
from tasks.registry.succession import repair, require_servable


@step(moving=True)
def replace_bento(champion: Champion, bento: Bento, reason: str) -> bool:
    """Whether the Bento answers for the champion now; not if another has taken its place meanwhile.

    The version stays in charge since when it was. Killed at any point and run again at the same
    commit, it makes no second entry and brings the rest in line.

    Args:
        champion: the version that was in charge when the Bento was built.
        bento: built anew and smoke-tested.
        reason: why, for the ledger.

    Raises:
        ConfigError: the Bento is another version's, was never smoke-tested, or is gone.
        BackendError: the database or MLflow failed.
    """
    require_servable(champion.candidate, bento)
    with turn("crown", champion.model):
        now = in_charge(champion.model)
        if now is None or (now.version, now.since) != (champion.version, champion.since):
            return False
        _recorded(now, bento, reason)
        repair(champion.model)
    return True


def packaged_at(champion: Champion) -> str:
    """The commit that the champion's Bento is known to be up to date with.

    Raises:
        BackendError: the database is gone.
    """
    entries = Ledger().entries(champion.model, Kind.REPACKAGE)
    of_it = [each for each in entries if each.digest == champion.entry]
    return str(of_it[0].payload["commit"]) if of_it else champion.candidate.commit


def _recorded(champion: Champion, bento: Bento, reason: str) -> Recorded:
    ledger, commit = Ledger(), identity.commit()
    key = f"{Kind.REPACKAGE}:{champion.model}:{champion.since.isoformat()}:{bento.digest}:{commit}"
    return ledger.find(key) or ledger.append(
        Entry(
            kind=Kind.REPACKAGE,
            model=champion.model,
            as_of=champion.since,
            subject=champion.candidate.digest,
            reason=reason,
            payload={
                "candidate": champion.candidate.model_dump(mode="json"),
                "bento": bento.model_dump(mode="json"),
                "replaced": champion.bento.tag,
                "commit": commit,
            },
            key=key,
        )
    )

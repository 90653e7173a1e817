"""The promote flow's end as the ledger sees it, without a registry and what serves."""

from datetime import datetime

from prefect import State, flow

from infra.ledger import Entry, Kind, Ledger, Recorded
from infra.runs import ended
from tests.support.subjects import bento, candidate


@flow(name="promote")
def promote(model: str, version: int, reason: str, actor: str, as_of: datetime) -> State[None]:
    """Record that a version is in charge; there is no version above 9."""
    if version > 9:
        raise ValueError(f"{model} has no version {version}.")
    crowned(version, as_of, reason=reason, actor=actor)
    return ended("Promoted", f"Version {version} is in charge.")


def crowned(version: int, as_of: datetime, **words: str) -> Recorded:
    """The record of a promotion."""
    payload = {
        "candidate": candidate(version).model_dump(mode="json"),
        "bento": bento(version).model_dump(mode="json"),
    }
    return Ledger().append(
        Entry(
            kind=Kind.PROMOTION,
            model="flights",
            as_of=as_of,
            subject=f"candidate-{version}",
            payload=payload,
            **words,
        )
    )

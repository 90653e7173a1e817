"""Who was put in charge, and when: what the ledger says of a model's champions."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from infra.ledger import Kind, Ledger, Recorded
from tasks.references import Bento, Candidate, Champion

CROWNINGS: Final = (Kind.PROMOTION, Kind.ROLLBACK, Kind.REPACKAGE)
"""The records that put a version in charge, or another Bento of it in service.

A Bento that is built anew counts from the time of its champion, whose reign it belongs to.
"""


def in_charge(model: str, as_of: datetime | None = None) -> Champion | None:
    """The version that was in charge when a time came, by the ledger alone.

    What is decided at that very time counts from then on: a flow that is run again at the same
    ``as_of`` sees the champion that it saw the first time, not the one that it made.
    """
    before = None if as_of is None else as_of - timedelta(microseconds=1)
    entry = Ledger().last(model, CROWNINGS, before)
    return None if entry is None else champion_of(entry)


def before_it(champion: Champion, since: datetime) -> tuple[Champion, ...]:
    """Those in charge before a champion, oldest first: the one at a time, and who came after it."""
    before = champion.since - timedelta(microseconds=1)
    crowned = [champion_of(entry) for entry in Ledger().entries(champion.model, CROWNINGS, before)]
    # At one time the last record counts, and each is in charge until the next.
    reigns = {each.since: each for each in crowned}
    ends = [*reigns, champion.since][1:]
    return tuple(each for each, end in zip(reigns.values(), ends, strict=True) if end > since)


def champions(model: str) -> tuple[int, ...]:
    """The champions that stand behind the one in charge, oldest first, itself the last."""
    return line_of(champion_of(entry).version for entry in Ledger().entries(model, CROWNINGS))


def once_in_charge(model: str) -> frozenset[int]:
    """Every version that was ever put in charge."""
    return frozenset(champion_of(entry).version for entry in Ledger().entries(model, CROWNINGS))


def champion_of(entry: Recorded) -> Champion:
    """The champion that a record of a crowning speaks of."""
    candidate = Candidate.model_validate(entry.payload["candidate"])
    return Champion(
        model=entry.model,
        version=candidate.version,
        since=entry.as_of,
        candidate=candidate,
        bento=Bento.model_validate(entry.payload["bento"]),
        entry=entry.digest,
    )


def line_of(crowned: Iterable[int]) -> tuple[int, ...]:
    """The versions that a rollback can go through, oldest first, the one in charge the last.

    A version that is crowned again is a rollback: those that came after it are taken off.

    >>> line_of([1, 3, 4, 3, 5])
    (1, 3, 5)
    """
    line: list[int] = []
    for version in crowned:
        line = line[: line.index(version)] if version in line else line
        line.append(version)
    return tuple(line)

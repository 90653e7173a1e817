"""Whether a reviewer is somebody else: than who wrote a change, than who approved it before."""

from collections.abc import Iterable
from email.utils import parseaddr

from tasks.references import Evidence


def authors_of(evidence: Evidence) -> tuple[str, ...]:
    """Who wrote what is new in a candidate, as git names them; nobody for other evidence."""
    said = evidence.payload.get("authors")
    return tuple(map(str, said)) if isinstance(said, list) else ()


def among(reviewer: str, people: Iterable[str]) -> bool:
    """Whether a reviewer is one of some people, by name, address or the name in the address.

    >>> among("Ann", ["Ann Lee <ann@example.org>"]), among("ann lee", ["Ann Lee <a@b.c>"])
    (True, True)
    >>> among("an", ["Ann Lee <ann@example.org>"])
    False
    """
    return any(_same(reviewer) & _names(each) for each in people)


def _names(person: str) -> set[str]:
    name, address = parseaddr(person)
    return _same(name or person) | _same(address) | _same(address.partition("@")[0])


def _same(name: str) -> set[str]:
    plain = " ".join(name.casefold().split())
    return {plain} if plain else set()

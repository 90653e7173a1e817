"""Whether a reviewer is somebody else: than who wrote a change, than who approved it before."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import combinations
from typing import Final

_ADDRESSED: Final = re.compile(r"\s*(?P<name>.*?)\s*<(?P<address>[^<>]*)>\s*")
_REMARK: Final = re.compile(r"\s*\([^()]*\)\s*$")
_NUMBERED: Final = re.compile(r"^\d+[+-](?=.)")
"""What code forges put before a login in the addresses that they make up for their users."""


def among(reviewer: str, people: Iterable[str]) -> bool:
    """Whether a reviewer may be one of some people, however either is written.

    Name, address and the name in the address count, of both; who shares one may be the same.

    >>> among("Ann", ["Ann Lee <ann@example.org>"]), among("ann lee", ["Ann Lee <a@b.c>"])
    (True, True)
    >>> among("ann", ["Ann Lee <12345+ann@users.noreply.example.org>"])
    True
    >>> among("an", ["Ann Lee <ann@example.org>"])
    False
    """
    names = _names(reviewer)
    return any(names & _names(each) for each in people)


def alike(people: Iterable[str]) -> tuple[str, str] | None:
    """The first two of some people who may be the same one; None where all differ."""
    return next((pair for pair in combinations(people, 2) if among(pair[0], pair[1:])), None)


def plain(name: str) -> str:
    """A name without what cannot be seen of it: case, form of its letters, width of its spaces.

    >>> plain(" ANN\u200b  Lee") == plain("ann lee")
    True
    """
    whole = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(each for each in whole if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen).split())


def _names(person: str) -> set[str]:
    """All that a person is called by: as it stands, without a remark, and by parts."""
    found = {person, _REMARK.sub("", person)}
    for text in tuple(found):
        parts = _ADDRESSED.fullmatch(text)
        name, address = (parts["name"], parts["address"]) if parts else ("", text)
        found |= {name.strip('"'), _REMARK.sub("", name), address}
        if "@" in address:
            login = _NUMBERED.sub("", address.partition("@")[0])
            found |= {login, login.partition("+")[0]}
    return {name for name in map(plain, found) if name} or {""}

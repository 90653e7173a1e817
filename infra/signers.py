"""Allowed signers files, read as OpenSSH reads them: whose name goes with which key."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_FIELD: Final = re.compile(r'(?:[^\s"]|"(?:\\.|[^"\\])*")+')
"""One field of a line; what stands in quotes may hold spaces."""

_KEY_TYPE: Final = re.compile(r"(?:ssh|ecdsa|sk)-\S+")
_PATTERN: Final = frozenset("*?!")


class Signer(NamedTuple):
    """One line of the file.

    Attributes:
        names: patterns of the names that go with the key.
        key: in the file's own letters.
        is_authority: the key vouches for others', each of which names its own people.
    """

    names: tuple[str, ...]
    key: str
    is_authority: bool

    def knows(self, name: str) -> bool:
        """Whether the line counts for a name: a pattern matches, and none that begins with !.

        Source: OpenSSH, match_pattern_list in match.c.
        """
        denied = [each[1:] for each in self.names if each.startswith("!")]
        allowed = [each for each in self.names if not each.startswith("!")]
        return _any(allowed, name) and not _any(denied, name)

    @property
    def has_patterns(self) -> bool:
        """Whether more than the names that it spells out count."""
        return any(_PATTERN & set(each) for each in self.names)


def signers_in(text: str) -> tuple[Signer, ...]:
    """The lines of an allowed signers file that name a key."""
    return tuple(_read(text))


def without_key(names: Iterable[str], signers: Iterable[Signer]) -> tuple[str, ...]:
    """Those of some names that no line counts for."""
    lines = tuple(signers)
    return tuple(name for name in names if not any(each.knows(name) for each in lines))


def sharing_a_key(names: Iterable[str], signers: Iterable[Signer]) -> tuple[str, ...]:
    """Those of some names that sign with the key of another; empty where each has his own."""
    people, owners = tuple(names), dict[str, set[str]]()
    for each in signers:
        if not each.is_authority:
            owners.setdefault(each.key, set()).update(filter(each.knows, people))
    shared = [owned for owned in owners.values() if len(owned) > 1]
    return tuple(name for name in people if any(name in owned for owned in shared))


def _read(text: str) -> Iterator[Signer]:
    for line in text.splitlines():
        fields = _FIELD.findall(line)
        if not fields or fields[0].startswith("#"):
            continue
        place = next((at for at, each in enumerate(fields) if at and _KEY_TYPE.match(each)), None)
        if place is None or place + 1 >= len(fields):
            continue
        names = fields[0].replace('\\"', '"').removeprefix('"').removesuffix('"')
        options = [each.lower() for each in fields[1:place]]
        is_authority = any("cert-authority" in each.split(",") for each in options)
        yield Signer(tuple(names.split(",")), fields[place + 1], is_authority)


def _any(patterns: Iterable[str], name: str) -> bool:
    wild = {"*": ".*", "?": "."}
    spelt = ("".join(wild.get(c, re.escape(c)) for c in each) for each in patterns)
    return any(re.fullmatch(each, name, re.DOTALL) for each in spelt)

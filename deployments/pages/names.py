"""Names in the room that there is: cut in the middle, and no two alike."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

_CUT: Final = "…"
_WORD: Final = re.compile(r"[^_.\-\s]+[_.\-\s]*|[_.\-\s]+")


def shortened(names: Sequence[str], letters: int) -> Mapping[str, str]:
    """Each name in so many letters at most, names that differ in texts that differ.

    Where the middle is what tells them apart, the words that most of them share are left out.

    Args:
        names: all of those that are shown together.
        letters: most of each, at least four.

    >>> shortened(["hour", "customer_lifetime_value"], 12)["customer_lifetime_value"]
    'custom…value'
    >>> list(shortened(["mean_of_the_last_07_days", "mean_of_the_last_28_days"], 12).values())
    ['mean…07_days', 'mean…28_days']
    """
    found = {name: _middle(name, letters) for name in names}
    if len(set(found.values())) == len(found):
        return found
    shared = Counter(word for name in found for word in set(_words(name)))
    told = {
        name: name if len(name) <= letters else _telling(name, letters, shared) for name in found
    }
    return _numbered(told, letters)


def _middle(name: str, letters: int) -> str:
    """The first and the last letters of a name that is too long."""
    if len(name) <= letters:
        return name
    tail = (letters - 1) // 2
    return f"{name[: letters - 1 - tail]}{_CUT}{name[len(name) - tail :]}"


def _words(name: str) -> list[str]:
    return _WORD.findall(name)


def _telling(name: str, letters: int, shared: Mapping[str, int]) -> str:
    """A name without the words that most others have too, those far from its own first."""
    words = _words(name)
    own = min(range(len(words)), key=lambda place: shared[words[place]])
    least = sorted(
        (place for place in range(len(words)) if place != own),
        key=lambda place: (-shared[words[place]], place == 0, -abs(place - own)),
    )
    kept = set(range(len(words)))
    for place in least:
        if len(_joined(words, kept)) <= letters:
            break
        kept.remove(place)
    return _middle(_joined(words, kept), letters)


def _joined(words: Sequence[str], kept: set[int]) -> str:
    """The words that are kept, a mark where some are left out."""
    text = ""
    for place, word in enumerate(words):
        if place in kept:
            text += word
        elif not text.endswith(_CUT):
            text = f"{text.rstrip('_.- ')}{_CUT}"
    return text


def _numbered(told: Mapping[str, str], letters: int) -> dict[str, str]:
    """Texts that are alike all the same, each with a number."""
    found: dict[str, str] = {}
    for name, text in told.items():
        one, number = text, 1
        while one in found.values():
            number += 1
            one = f"{text[: letters - len(str(number)) - 1]} {number}"
        found[name] = one
    return found

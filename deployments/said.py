"""What a look that is repeated has said before: each state of things is told once."""

import json
from collections.abc import Iterable, Iterator

from infra.private import make_private, read_private, write_private
from infra.settings import settings


def unsaid(topic: str, sentences: Iterable[str]) -> Iterator[str]:
    """The sentences that the last look at a topic did not say.

    What waits for the end of a freeze waits at each look: people read it when it begins to wait
    and when it changes, not every ten minutes.

    Args:
        topic: what was looked at, a word.
        sentences: all that this look has to say.

    Raises:
        ConfigError: what was noted cannot be read or written.
    """
    path = make_private(settings().home / "said") / f"{topic}.json"
    before, now = set(_noted(read_private(path))), []
    for sentence in sentences:
        now.append(sentence)
        if sentence not in before:
            yield sentence
    if set(now) != before:
        write_private(path, json.dumps(now))


def _noted(text: str | None) -> list[str]:
    """What was said; of a note that is damaged nothing, so that all is said again."""
    try:
        said = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(each) for each in said] if isinstance(said, list) else []

"""A file that a person wants a result in: whether it can be written is known before the work."""

import os
from collections.abc import Sequence
from pathlib import Path

from infra.errors import ConfigError


def require_writable(out: Path | None, endings: Sequence[str], what: str) -> None:
    """Nothing, where a file can be written at the end.

    Args:
        out: the file, if one is wanted.
        endings: that it may have.
        what: those are, for the message.

    Raises:
        ConfigError: it has another ending, or its folder is not there or not writable.
    """
    if out is None:
        return
    if out.suffix not in endings:
        raise ConfigError(
            f"--out {out} is not {what}.", hint=f"End it with {' or '.join(endings)}."
        )
    taken = out.exists() and not (out.is_file() and os.access(out, os.W_OK))
    if taken or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        place = out if taken else out.parent
        raise ConfigError(f"--out {out}: {place} is none that this user may write.")

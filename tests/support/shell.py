"""A person at a shell in the project's folder, with a home and models of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.settings import PROJECT

Done = subprocess.CompletedProcess[str]

_KEPT = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_BIN = Path(sys.executable).parent


class User:
    """Types commands; nothing in the environment but what a login shell has and what is given.

    Libraries keep quiet where they find the marks of a test or of CI: there are none here.
    """

    def __init__(self, home: Path, variables: Mapping[str, str] | None = None) -> None:
        self.home = home
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {"HOME": str(home.parent), "PERENNIAL_HOME": str(home), "COLUMNS": "300"}
        self.environment = kept | own | dict(variables or {})

    def perennial(self, *arguments: str, within: Sequence[str] = ()) -> Done:
        """Our command.

        Args:
            arguments: what follows ``perennial``.
            within: the command that runs it.
        """
        return self.types([*within, str(_BIN / "perennial"), *arguments])

    def prefect(self, *arguments: str, folder: Path = PROJECT) -> Done:
        """Prefect's own command, typed in a folder."""
        return self.types([str(_BIN / "prefect"), *arguments], folder=folder)

    def types(self, command: Sequence[str], folder: Path = PROJECT, within_s: float = 280) -> Done:
        """What a command printed and how it ended."""
        return subprocess.run(
            list(command),
            env=self.environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )


def told(done: Done, code: int, *words: str) -> None:
    """Claim that a command failed as ours fail: a sentence, a hint, the code, no traceback."""
    said = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == code, said
    assert "Traceback" not in done.stdout + done.stderr, said
    assert len(lines) >= 2, said
    for word in words:
        assert word in done.stderr, said

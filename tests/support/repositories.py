"""Git repositories of a test's own."""

import subprocess
from pathlib import Path


def repository(folder: Path) -> Path:
    """An empty repository."""
    git(folder, "init", "-q", "repository")
    return folder / "repository"


def committed(folder: Path, path: Path, text: str) -> str:
    """The commit that gave a file of a repository a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return git(folder, "add", ".") or git(folder, "commit", "-qm", text) or head(folder)


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    author = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *author, *arguments],  # noqa: S607 - git is found on PATH
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def head(folder: Path) -> str:
    """The commit that a repository is at."""
    return git(folder, "rev-parse", "HEAD")

"""Which code and which libraries a run is made of."""

import hashlib
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from infra.errors import ConfigError
from infra.settings import PROJECT

LOCK = PROJECT / "requirements.lock"
"""Exact versions of everything, the one lock."""

_SOURCES = ("infra", "tasks", "flows")


@lru_cache(maxsize=1)
def lock_digest() -> str:
    """SHA-256 of the lock file.

    Raises:
        ConfigError: the checkout has no lock file.
    """
    try:
        return hashlib.sha256(LOCK.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise ConfigError(f"{LOCK} is missing.", hint="Check the repository out anew.") from error


@lru_cache(maxsize=1)
def source_digest() -> str:
    """SHA-256 over the Python sources of the core, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(path for root in _SOURCES for path in (PROJECT / root).rglob("*.py")):
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


@lru_cache(maxsize=8)
def commit(folder: Path = PROJECT) -> str:
    """The commit that a folder is at, with ``+dirty`` where its files differ from it.

    Returns:
        Forty hex digits and perhaps ``+dirty``; ``none`` outside a git repository, where the
        digests of sources, model folder and lock name the code instead.
    """
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return "none"
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return head + ("+dirty" if changed else "")


class Changes(NamedTuple):
    """What committed changes made of some files: their names, and the newest commit of them."""

    files: tuple[str, ...]
    newest: str


def changed_since(known: str, paths: Sequence[str], folder: Path = PROJECT) -> Changes:
    """The files that differ between a commit and the one that a repository is at.

    What was not committed is no change yet.

    Args:
        known: the commit, as `commit` tells it.
        paths: files and folders to look at, from the repository's root or absolute.
        folder: in the repository.

    Raises:
        ConfigError: it is no repository, does not hold the commit, or a path lies outside it.
    """
    before = known.removesuffix("+dirty")
    told = _git(folder, "diff", "--name-only", "--relative", before, "HEAD", "--", *paths)
    newest = _git(folder, "log", "-1", "--format=%H", "--", *paths)
    if told is None or newest is None:
        raise ConfigError(
            f"What changed since commit {before[:12]} in {', '.join(paths)} cannot be told.",
            hint=f"See that git is there, that {folder} is a whole clone, and that the paths lie "
            "in it.",
        )
    return Changes(tuple(told.splitlines()), newest)


def authors_between(
    known: str | None, made: str, paths: Sequence[str], folder: Path = PROJECT
) -> tuple[str, ...] | None:
    """Who wrote what differs between two commits, as ``Ann Lee <ann@example.org>``, sorted.

    Args:
        known: the commit that is known, as `commit` tells it; None for all that came before.
        made: the commit that holds the change.
        paths: files and folders to look at, from the repository's root or absolute.
        folder: in the repository.

    Returns:
        Authors and co-authors; None where git cannot tell, as in a clone without its history.
    """
    if _git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return None
    before, after = ((each or "").removesuffix("+dirty") for each in (known, made))
    span = f"{before}..{after}" if before else after
    names = "--format=%aN <%aE>%n%(trailers:key=Co-authored-by,valueonly)"
    told = _git(folder, "log", names, span, "--", *paths)
    return None if told is None else tuple(sorted({each for each in told.splitlines() if each}))


class Uncommitted(NamedTuple):
    """The files that are not what a commit holds: changed since, or unknown to git."""

    changed: tuple[str, ...]
    unknown: tuple[str, ...]


def uncommitted(made: str, paths: Sequence[str], folder: Path = PROJECT) -> Uncommitted | None:
    """The names of the files that are not what a commit holds; None where git cannot tell.

    Args:
        made: the commit, as `commit` tells it: only one that is ``+dirty`` was not all there was.
        paths: files and folders to look at, from the repository's root or absolute.
        folder: in the repository.
    """
    held = made.removesuffix("+dirty")
    changed: str | None = ""
    if held != made:
        changed = _git(folder, "diff", "--name-only", held, "--", *paths)
    unknown = _git(
        folder, "ls-files", "--full-name", "--others", "--exclude-standard", "--", *paths
    )
    if changed is None or unknown is None:
        return None
    return Uncommitted(tuple(changed.splitlines()), tuple(unknown.splitlines()))


def is_committed(path: Path) -> bool:
    """Whether a file is, to the letter, what the newest commit of its repository holds."""
    held = _git(path.parent, "rev-parse", "--verify", f"HEAD:./{path.name}")
    return held is not None and held == _git(path.parent, "hash-object", path.name)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is found on PATH, as everywhere
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

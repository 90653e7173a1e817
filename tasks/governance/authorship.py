"""Who wrote what a candidate was newly made of, as far as git can tell."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from infra.identity import Uncommitted, authors_between, uncommitted
from infra.settings import PROJECT, settings
from tasks.references import Candidate, Champion

_CODE: Final = frozenset({".py", ".sql", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini"})
"""What a model is made of beside its data: an untracked file of another kind is such data."""


class Authorship(NamedTuple):
    """Who wrote what is new, and what of it nobody has committed.

    Attributes:
        authors: as git names them; None where it cannot tell.
        uncommitted: files that differ from the commit that the candidate names.
    """

    authors: tuple[str, ...] | None = None
    uncommitted: tuple[str, ...] = ()


def written(
    candidate: Candidate, incumbent: Champion | None, paths: Sequence[str] = ()
) -> Authorship:
    """Who wrote what is new since the one in charge: in the model's folder, suites and paths.

    Git is asked where the files are: a model may have a repository of its own.

    Args:
        candidate: that may take over.
        incumbent: the one in charge, if any.
        paths: more files and folders that a training is made of, from the project's root.
    """
    known = incumbent.candidate if incumbent else None
    own, suites = settings().models / candidate.model, PROJECT / "expectations" / candidate.model
    shared = [PROJECT / each for each in paths]
    shared = [each for each in (suites, *shared) if each.exists() and not each.is_relative_to(own)]
    before, after = (known.model_commit or known.commit) if known else None, candidate.model_commit
    found = [_asked(before, after or candidate.commit, [own], own)]
    if shared:
        found.append(_asked(known.commit if known else None, candidate.commit, shared, PROJECT))
    return Authorship(
        _united([each.authors for each in found]),
        tuple(sorted({file for each in found for file in each.uncommitted})),
    )


def _asked(known: str | None, made: str, paths: Iterable[Path], folder: Path) -> Authorship:
    named = [str(each) for each in paths]
    authors = authors_between(known, made, named, folder)
    if authors is None and known:
        authors = authors_between(None, made, named, folder)  # that commit is of no history here
    found = uncommitted(made, named, folder) or Uncommitted((), ())
    unknown = (each for each in found.unknown if Path(each).suffix in _CODE)
    return Authorship(authors, (*found.changed, *unknown))


def _united(found: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    names: set[str] = set()
    for each in found:
        if each is None:
            return None
        names |= set(each)
    return tuple(sorted(names))

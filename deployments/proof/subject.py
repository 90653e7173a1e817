"""What a proof is about: the declaration and the code that decide what is seen and what follows."""

from typing import Final

from infra.settings import PROJECT
from infra.store import digest_of
from tasks.spec import ModelSpec

_SECTIONS: Final = {"data", "features", "training", "evaluation", "monitoring", "policy", "verify"}
"""Of a declaration; who is told, who owns it and when it runs change nothing that is proved."""


def subject_of(spec: ModelSpec) -> str:
    """What names all that a proof of a model depends on, but for its data and our own code.

    Another one means that the proof is of something else: sections of the declaration, the
    modules in the model's folder or the suites of its contract were changed. What is declared as
    it is by default is left out, so that a new version with a new setting makes no proof old.
    """
    declared = spec.model_dump(mode="json", include=_SECTIONS, exclude_defaults=True)
    suites = (PROJECT / "expectations" / spec.name, spec.folder / "expectations")
    files = [*spec.folder.rglob("*.py"), *(path for each in suites for path in each.glob("*.json"))]
    return digest_of(declared, sorted((path.name, path.read_bytes().hex()) for path in files))

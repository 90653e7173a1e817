"""What goes into a Bento: the model, its declaration, and the few modules that answer with it."""

import ast
import shutil
from pathlib import Path

from infra.errors import IntegrityError
from infra.models import MODEL_FILE
from infra.pins import pins
from infra.settings import PROJECT
from infra.store import digest_of, file_digest, get_bytes
from tasks.packaging.service import Declaration
from tasks.packaging.spec import ServingSpec
from tasks.references import Candidate

ENTRY = "serve:service"
"""Where BentoML finds the service."""

_ENTRY_CODE = '''"""The entry of this Bento: it answers with its own code only."""

from pathlib import Path

import infra.models

from service import make_service

HERE = Path(__file__).resolve().parent
if not Path(infra.models.__file__).resolve().is_relative_to(HERE):
    raise ImportError(f"{infra.models.__file__} is not the copy in {HERE}")
service = make_service(HERE)
'''

_NEEDS = (
    "fsspec",
    "numpy",
    "pandas",
    "pydantic",
    "pydantic-settings",
    "scikit-learn",
    "scipy",
    "skops",
)


def declaration(candidate: Candidate, serving: ServingSpec, kind: str) -> Declaration:
    """What the Bento of a candidate serves; its tag is not known yet."""
    table = candidate.fitted.split.table
    return Declaration(
        model=candidate.model,
        version=candidate.version,
        tag="",
        digest=candidate.fitted.digest,
        trusted_types=candidate.fitted.trusted_types,
        features=table.features,
        categorical=table.categorical,
        kind=kind,
        max_batch_size=serving.max_batch_size,
        max_latency_ms=serving.max_latency_ms,
    )


def packages() -> list[str]:
    """What a Bento needs beside BentoML, pinned as in our lock."""
    return pins(*_NEEDS)


def tag_of(candidate: Candidate, declared: Declaration) -> str:
    """The tag of a candidate's Bento: another one only where something else would answer."""
    made_of = digest_of(
        declared, packages(), _ENTRY_CODE, {name: file_digest(p) for name, p in _modules().items()}
    )
    return f"{candidate.model}:{candidate.digest[:12]}-{made_of[:6]}"


def write_context(candidate: Candidate, declared: Declaration, folder: Path) -> Path:
    """A folder with all that the Bento holds; the model is copied, never opened.

    Raises:
        IntegrityError: the stored model is not the one that was registered.
    """
    for name, source in _modules().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / "serve.py").write_text(_ENTRY_CODE, encoding="utf-8")
    (folder / "declaration.json").write_text(declared.model_dump_json(indent=2), encoding="utf-8")
    model = folder / "model" / MODEL_FILE
    model.parent.mkdir()
    model.write_bytes(get_bytes(f"{candidate.fitted.uri}/{MODEL_FILE}"))
    if file_digest(model) != candidate.fitted.digest:
        raise IntegrityError(
            f"{candidate.fitted.uri}/{MODEL_FILE} is not the model of version "
            f"{candidate.version}: its digest is {file_digest(model)[:12]}, registered was "
            f"{candidate.fitted.digest[:12]}."
        )
    return folder


def _modules() -> dict[str, Path]:
    """Place in the Bento to file, for the service and every module of ours that it imports."""
    own = Path(__file__).with_name("service.py")
    found = {"service.py": own, "infra/__init__.py": PROJECT / "infra" / "__init__.py"}
    waiting = [own]
    while waiting:
        for name in sorted(_imported(waiting.pop())):
            path = PROJECT / "infra" / f"{name}.py"
            if path.is_file() and f"infra/{name}.py" not in found:
                found[f"infra/{name}.py"] = path
                waiting.append(path)
    return dict(sorted(found.items()))


def _imported(path: Path) -> set[str]:
    """Names of modules of ``infra`` that a file imports at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module == "infra":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("infra."):
            names.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            inside = [alias.name for alias in node.names if alias.name.startswith("infra.")]
            names |= {name.split(".")[1] for name in inside}
    return names

"""The repository as the architecture tests read it: files, modules, functions."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("flows", "tasks", "infra", "deployments")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file of the repository, read and parsed."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        """Where it lies, from the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function and method with the name that its module knows it by."""
        yield from _functions(self.tree, "")


@lru_cache(maxsize=1)
def files() -> tuple[Path, ...]:
    """Every file that git tracks, or would track, and that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git is on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def texts() -> Iterator[tuple[str, str]]:
    """Place and text of every file that is text; data files and bad input on purpose are not."""
    for path in files():
        place = path.relative_to(ROOT).as_posix()
        if place.startswith("tests/bad_input/"):
            continue
        try:
            yield place, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@lru_cache(maxsize=8)
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python modules under some folders of the repository."""
    found = (path for path in files() if path.suffix == ".py")
    inside = (path for path in found if path.relative_to(ROOT).parts[0] in folders)
    return tuple(
        Module(path, text := path.read_text(encoding="utf-8"), ast.parse(text)) for path in inside
    )


def length(node: Function) -> int:
    r"""Lines of a function, its decorators and docstring not counted.

    >>> length(ast.parse("def f():\n    '''Say.'''\n    return 1").body[0])
    2
    """
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from _functions(child, f"{name}.")

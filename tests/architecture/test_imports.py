"""Who may import whom, and how lean a flow starts."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, Module, modules

HEAVY = (
    "torch",
    "mlflow",
    "bentoml",
    "great_expectations",
    "evidently",
    "dask",
    "distributed",
    "sklearn",
    "pandas",
    "pyarrow",
    "deltalake",
)

IMPORT_AND_REPORT = """
import importlib, json, sys
heavy, names = json.loads(sys.argv[1])
report = {}
for name in names:
    importlib.import_module(name)
    report[name] = [library for library in heavy if library in sys.modules]
print("REPORT" + json.dumps(report))
"""


def _loaded_by(names: list[str]) -> dict[str, list[str]]:
    """Which heavy libraries are loaded after each import, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_AND_REPORT, json.dumps([HEAVY, names])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, list[str]] = json.loads(done.stdout.split("REPORT")[1])
    return report


def test_every_import_contract_is_kept() -> None:
    """Layers, stages and backends: the contracts of pyproject.toml hold for the code as it is."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout


def test_a_flow_starts_without_a_heavy_library() -> None:
    """Importing any module of ``flows`` loads no backend: a run starts in seconds, not in ten."""
    names = [
        ".".join(module.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for module in modules("flows")
    ]

    report = _loaded_by(names)

    assert report == {name: [] for name in names}


def test_the_command_line_starts_without_a_heavy_library() -> None:
    """``perennial --help`` and the pure plan of deployments load no backend."""
    names = ["deployments.cli", "deployments.plan", "tasks.spec"]

    report = _loaded_by(names)

    assert report == {name: [] for name in names}


@pytest.mark.parametrize("library", ["dask", "pyarrow"])
def test_the_probe_sees_a_heavy_library_that_is_imported(library: str) -> None:
    """The check above can fail: a module that imports a heavy library is reported."""
    report = _loaded_by([library])

    assert library in report[library]


def test_an_edge_imports_no_heavy_library_at_its_top() -> None:
    """Steps, sections and packages are imported by flows; knowledge is imported inside a step."""
    edges = [module for module in modules("tasks") if _is_edge(module)]

    heavy = {module.place: found for module in edges if (found := _at_top(module) & set(HEAVY))}

    assert len(edges) > 10
    assert heavy == {}


def _is_edge(module: Module) -> bool:
    """Whether flows import it: it has steps, is a section of the declaration, or a package."""
    decorators = [each for _, node in module.functions() for each in node.decorator_list]
    has_steps = any(ast.unparse(each).startswith("step") for each in decorators)
    return has_steps or module.path.name in {"__init__.py", "spec.py"}


def _at_top(module: Module) -> set[str]:
    names = [
        each.name
        for node in module.tree.body
        if isinstance(node, ast.Import)
        for each in node.names
    ]
    names += [node.module or "" for node in module.tree.body if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}

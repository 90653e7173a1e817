"""What lies in the repository: nothing of one machine, nothing unfinished, no dead link."""

import ast
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.source_tree import PRODUCT, ROOT, files, modules, texts

LARGEST_BYTES = 8 * 2**20
"""The largest file that a clone should bring: the flights of a year take 5 MB."""

THIS_FILE = "tests/architecture/test_files.py"

REGISTRY = re.compile(
    r"(--(extra-)?index-url|--find-links|index-url\s*=|\b(pypi|pythonhosted|npmjs)\.(org|io)\b)"
)
MACHINE = re.compile(r"(?<![.\w/])/(home|root|Users|work|mnt|srv)/\w")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b|except Exception: *pass")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BARE = re.compile(r"(?<![\w./`-])(perennial|prefect|python3?|mlflow|bentoml)(?= +[\w-])")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _hits(pattern: re.Pattern[str]) -> dict[str, str]:
    """The first line of each file that the pattern is found in, this file left out."""
    found = {}
    for place, text in texts():
        lines = [line for line in text.splitlines() if pattern.search(line)]
        if lines and place != THIS_FILE:
            found[place] = lines[0][:120]
    return found


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        (REGISTRY, "pip install --index-url somewhere"),
        (MACHINE, "open('/home/somebody/data.csv')"),
        (UNFINISHED, "# TODO: the rest"),
    ],
    ids=["address of a registry", "path of one machine", "unfinished"],
)
def test_no_file_holds_what_only_its_author_can_use(pattern: re.Pattern[str], example: str) -> None:
    """A clone works elsewhere, and what is not there yet is an issue and not a comment."""
    assert pattern.search(example)

    found = _hits(pattern)

    assert found == {}


def test_no_file_is_too_large_to_clone() -> None:
    """Large data belong into the store, not into git."""
    sizes = {path: path.stat().st_size for path in files()}

    too_large = {path: size for path, size in sizes.items() if size > LARGEST_BYTES}

    assert sizes
    assert too_large == {}


def test_every_relative_link_in_the_documents_leads_somewhere() -> None:
    """README, CONTRIBUTING, decisions and docs are read on a page where links are followed."""
    documents = [path for path in files() if path.suffix == ".md"]
    links = [(path, link) for path in documents for link in LINK.findall(path.read_text("utf-8"))]
    local = [(path, link) for path, link in links if not re.match(r"[a-z]+:|#", link)]

    dead = [f"{path.relative_to(ROOT)}: {link}" for path, link in local if not _leads(path, link)]

    assert local
    assert dead == []


def test_every_make_verb_that_the_documents_name_exists() -> None:
    """A command in a document is a command that works."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    documents = [path.read_text("utf-8") for path in files() if path.suffix == ".md"]

    verbs = declared[1].split() if declared else []
    named = {verb for text in documents for verb in re.findall(r"`make ([a-z]+)`", text)}

    assert verbs == ["demo", "test", "check", "bench", "soak", "docs", "up", "clean"]
    assert named <= set(verbs)


def test_every_command_in_a_block_of_the_documents_is_found_in_a_clone() -> None:
    """A new clone has activated nothing: its programs are in ``.venv/bin``."""
    documents = [path for path in files() if path.suffix == ".md"]
    commands = [
        (path, line)
        for path in documents
        for language, text in BLOCK.findall(path.read_text("utf-8"))
        for line in _commands(language, text)
    ]

    bare = [f"{path.name}: {line}" for path, line in commands if BARE.search(line)]

    assert BARE.search("$ perennial status flights | head")
    assert any(".venv/bin/perennial" in line for _, line in commands)
    assert bare == []


@pytest.mark.parametrize("written", ["flights.html", "morning.html", "proof.png", "bench.json"])
def test_what_commands_of_the_documents_write_is_no_change_of_the_clone(written: str) -> None:
    """A model trained in a clone bears ``+dirty`` where files came that git would track."""
    ignored = subprocess.run(["git", "check-ignore", "-q", written], cwd=ROOT, check=False)  # noqa: S607 - git is on PATH

    assert ignored.returncode == 0


def test_no_parametrisation_is_empty() -> None:
    """A test over an empty list passes and checks nothing."""
    empty = [
        f"{module.place}:{node.lineno}"
        for module in modules("tests")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("mark.parametrize")
        and len(node.args) > 1
        and isinstance(node.args[1], ast.List | ast.Tuple)
        and not node.args[1].elts
    ]

    assert empty == []


def test_every_test_says_what_it_claims() -> None:
    """A test's docstring is one sentence about behaviour."""
    silent = [
        f"{module.place}:{name}"
        for module in modules("tests")
        for name, node in module.functions()
        if name.startswith("test_") and "." not in name and ast.get_docstring(node) is None
    ]

    assert silent == []


def test_every_exemption_from_a_check_gives_its_reason() -> None:
    """``noqa`` names what it silences and says why, there or on the line above."""
    bare = re.compile(r"#\s*(noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)* +\S)|type: ignore(?!\[))")

    unexplained = {
        f"{module.place}: {line.strip()[:90]}"
        for module in modules(*PRODUCT, "tests")
        if module.place != THIS_FILE
        for above, line in pairwise(["", *module.text.splitlines()])
        if bare.search(line) and not above.strip().startswith("#")
    }

    assert unexplained == set()


def _commands(language: str, text: str) -> list[str]:
    """The commands of a block, without what is printed and without comments."""
    lines = [line.partition(" # ")[0] for line in text.splitlines() if not line.startswith("#")]
    if language == "sh":
        return lines
    if language == "console":  # one command, then what it prints
        return lines[:1]
    return [line for line in lines if line.startswith("$ ")]


def _leads(document: Path, link: str) -> bool:
    target = link.split("#", maxsplit=1)[0]
    return (document.parent / target).exists()

"""Every public name is explained, in the form that the rest has."""

import ast
import re

from tests.support.source_tree import PRODUCT, Module, modules

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Source", "Example", "Examples")


def _documented() -> list[tuple[str, str]]:
    """Place and docstring of every public module, class and function that has one."""
    found = []
    for module in modules(*PRODUCT):
        nodes: list[ast.AST] = [module.tree, *ast.walk(module.tree)]
        for node in nodes:
            if isinstance(node, ast.Module | Documented):
                text = ast.get_docstring(node)
                if text is not None:
                    found.append((f"{module.place}:{getattr(node, 'name', '')}", text))
    return found


def _raised(module: Module) -> list[str]:
    return [
        ast.unparse(node.exc)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    ]


def test_the_first_line_of_a_docstring_is_one_sentence() -> None:
    """People read the first line alone, in an editor or on Prefect's page."""
    first = {place: text.splitlines()[0] for place, text in _documented()}

    broken = {place: line for place, line in first.items() if line[-1] not in ".:?!"}

    assert len(first) > 100
    assert broken == {}


def test_sections_of_docstrings_are_those_of_google_style() -> None:
    """A section with a name of its own is found by no tool."""
    heading = re.compile(r"^([A-Z][a-z]+):$", re.MULTILINE)

    unknown = {
        place: name
        for place, text in _documented()
        for name in heading.findall(text)
        if name not in SECTIONS
    }

    assert unknown == {}


def test_raises_names_errors_of_ours() -> None:
    """What a caller is told to expect is in our tree, or is Python's own."""
    section = re.compile(r"^Raises:\n((?:    .*\n?)+)", re.MULTILINE)
    entry = re.compile(r"^    (\w+):", re.MULTILINE)
    named = {
        (place, error)
        for place, text in _documented()
        for block in section.findall(text)
        for error in entry.findall(block)
    }

    foreign = {each for each in named if not each[1].endswith(("Error", "Exit", "Interrupt"))}

    assert named
    assert foreign == set()


def test_nothing_is_raised_bare() -> None:
    """``raise Exception`` tells neither a person nor a retry what should happen next."""
    bare = [
        f"{module.place}: {each}"
        for module in modules(*PRODUCT)
        for each in _raised(module)
        if re.match(r"(Exception|BaseException|RuntimeError|SystemError)\b", each)
    ]

    assert bare == []

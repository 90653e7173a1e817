"""The size budget: what no longer fits into one head is split."""

import ast

from tests.support.source_tree import PRODUCT, Function, length, modules

MODULE_LINES, FUNCTION_LINES, FLOW_LINES, PARAMETERS = 400, 60, 30, 6


def _parameters(node: Function) -> int:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([each for each in given if each.arg not in {"self", "cls"}])


def _is_flow(node: Function) -> bool:
    calls = [each.func for each in node.decorator_list if isinstance(each, ast.Call)]
    names = [*node.decorator_list, *calls]
    return any(isinstance(each, ast.Name) and each.id == "flow" for each in names)


def _is_command(node: Function) -> bool:
    """Whether its parameters are options of the command line, which people see by name."""
    return any(
        "typer." in ast.unparse(each.annotation) for each in node.args.args if each.annotation
    )


def test_no_module_is_longer_than_400_lines() -> None:
    """The budget counts tests too."""
    lines = {each.place: len(each.text.splitlines()) for each in modules(*PRODUCT, "tests")}

    too_long = {place: count for place, count in lines.items() if count > MODULE_LINES}

    assert lines
    assert too_long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    """Docstrings are not counted: a rule must not cost an explanation."""
    lengths = {
        f"{module.place}:{name}": length(node)
        for module in modules(*PRODUCT, "tests")
        for name, node in module.functions()
    }

    too_long = {place: count for place, count in lengths.items() if count > FUNCTION_LINES}

    assert lengths
    assert too_long == {}


def test_no_flow_is_longer_than_30_statement_lines() -> None:
    """A flow reads as prose; its signature, docstring and the wrapping of calls are not counted."""
    flows = {
        f"{module.place}:{name}": sum(isinstance(each, ast.stmt) for each in ast.walk(node)) - 1
        for module in modules("flows")
        for name, node in module.functions()
        if _is_flow(node)
    }

    too_long = {place: count for place, count in flows.items() if count > FLOW_LINES}

    assert len(flows) >= 6
    assert too_long == {}


def test_no_function_takes_more_than_six_parameters() -> None:
    """More of them are a value that has no name yet; options of the command line are exempt."""
    counts = {
        f"{module.place}:{name}": _parameters(node)
        for module in modules(*PRODUCT)
        for name, node in module.functions()
        if not _is_command(node)
    }

    too_many = {place: count for place, count in counts.items() if count > PARAMETERS}

    assert counts
    assert too_many == {}

"""Names say what a thing is, and none hides a library."""

from importlib.metadata import packages_distributions

import pytest

from tests.support.source_tree import PRODUCT, modules

VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "manager", "base", "misc"}


def test_no_module_or_folder_bears_a_vague_name() -> None:
    """A module that is called ``utils`` is one that nobody finds anything in."""
    parts = {part for module in modules(*PRODUCT, "tests") for part in module.place.split("/")}

    vague = {part for part in parts if part.removesuffix(".py") in VAGUE}

    assert vague == set()


def test_no_module_bears_the_name_of_an_installed_library() -> None:
    """A file called ``cuda.py`` beside a script is imported in the place of the library."""
    installed = set(packages_distributions()) - {*PRODUCT, "tests"}
    ours = {module.path.stem for module in modules(*PRODUCT, "tests")} - {"__init__", "__main__"}

    assert "prefect" in installed
    assert ours & installed == set()


@pytest.mark.parametrize("suffix", ["_task", "_flow"])
def test_no_function_says_what_its_decorator_says(suffix: str) -> None:
    """``fit`` is a task because it is decorated as one, not because it is called ``fit_task``."""
    named = [
        f"{module.place}:{name}"
        for module in modules(*PRODUCT)
        for name, _ in module.functions()
        if name.endswith(suffix) and not name.endswith(f".{suffix}") and name != suffix
    ]

    assert named == []

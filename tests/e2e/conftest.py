"""A small model for each module, deployed to the stack that the session shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.small_model import Declared, write_model
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def declared(stack: Stack, models: Path, request: pytest.FixtureRequest) -> Declared:
    """The model of a module: its ``MODEL``, and what it declares besides as ``SECTIONS``."""
    from deployments.apply import deploy

    found = Declared(
        name=request.module.MODEL,
        folder=write_model(models, request.module.MODEL, **getattr(request.module, "SECTIONS", {})),
        environment={**stack.environment, "PERENNIAL_MODELS": str(models)},
    )
    with found.entered():
        deploy(found.name)
    return found


@pytest.fixture
def model(declared: Declared) -> Iterator[str]:
    """The name of the module's model; the test runs in its environment."""
    with declared.entered():
        yield declared.name

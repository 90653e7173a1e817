"""Every model of the repository is declared without a mistake, down to what it imports."""

import json

import pytest

from deployments.apply import check
from deployments.reference import render
from infra.settings import PROJECT
from tasks.spec import ModelSpec, declared_models, load_spec

MODELS = declared_models(PROJECT / "deployments")


@pytest.fixture(params=MODELS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    """The declaration of each model in turn."""
    return load_spec(request.param, PROJECT / "deployments")


def test_the_repository_declares_its_two_models() -> None:
    """The flagship, and the control in which every retrain is a false alarm."""
    assert MODELS == ("employment", "flights")


def test_a_declared_model_loads_and_what_it_names_imports(spec: ModelSpec) -> None:
    """Typos fail here and at ``perennial deploy``, not at night."""
    check(spec)


def test_every_table_of_a_model_has_a_suite_that_is_json(spec: ModelSpec) -> None:
    """A suite is data; one that holds no expectation would pass everything."""
    folder = PROJECT / "expectations" / spec.name
    suites = {name: table.suite or name for name, table in spec.data.tables.items()}

    read = {
        name: json.loads((folder / f"{suite}.json").read_text()) for name, suite in suites.items()
    }

    assert all(suite["expectations"] for suite in read.values())


def test_the_data_of_a_model_are_in_the_repository(spec: ModelSpec) -> None:
    """The main job needs no download."""
    paths = [spec.folder / table.path for table in spec.data.tables.values()]

    assert [path for path in paths if not path.is_file()] == []


def test_schedules_of_the_repository_are_declared_paused(spec: ModelSpec) -> None:
    """A worker left running starts nothing dated today on data of years ago."""
    assert [schedule for schedule in spec.schedules if schedule.active] == []


def test_the_reference_of_the_declaration_is_as_the_code() -> None:
    """``python -m deployments.reference > docs/declaration.md`` renews it."""
    written = (PROJECT / "docs" / "declaration.md").read_text("utf-8")

    assert written == render()

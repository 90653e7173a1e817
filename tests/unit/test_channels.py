"""Channels that nobody could be told by are found at deploy, by `up` and by the doctor."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments import cli
from deployments.channels import untold
from tests.support.small_model import write_model
from tests.support.stack import surroundings

_RULES: list[object] = [
    {"on": ["ask"], "to": ["team", "oncall"]},
    {"on": ["rollback"], "to": ["oncall"]},
]
_HOOK = "json://127.0.0.1:1/hook"


@pytest.fixture
def _one_model(tmp_path: Path) -> None:
    write_model(tmp_path / "models", "small", alerts=_RULES)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """A home, and the models beside it."""
    return {
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "PERENNIAL_MODELS": str(tmp_path / "models"),
    }


@pytest.mark.usefixtures("_one_model")
def test_a_channel_that_nobody_configured_is_told_once_with_those_who_name_it(
    places: dict[str, str],
) -> None:
    """One that is configured is not mentioned."""
    with surroundings({**places, "PERENNIAL_ALERTS": json.dumps({"team": _HOOK})}):
        [said] = untold(["small"])

    assert said.startswith("The alerts of small go to the channel 'oncall', which PERENNIAL_ALERTS")


@pytest.mark.usefixtures("_one_model")
def test_where_every_channel_is_there_nothing_is_said(places: dict[str, str]) -> None:
    """The usual case, and that of a model that tells nobody."""
    with surroundings({**places, "PERENNIAL_ALERTS": json.dumps({"team": _HOOK, "oncall": _HOOK})}):
        assert list(untold(["small"])) == []


def test_a_declaration_that_cannot_be_read_hides_no_other(
    places: dict[str, str], tmp_path: Path
) -> None:
    """What it names is not known, and that is said."""
    write_model(tmp_path / "models", "small", alerts=_RULES)
    write_model(tmp_path / "models", "wrong").joinpath("model.yaml").write_text("[]")
    with surroundings(places):
        said = list(untold(["small", "wrong"]))

    assert [each.split()[0] for each in said] == ["Who", "The", "The"]
    assert said[0].startswith("Who is told of wrong is not known.")


@pytest.mark.usefixtures("_one_model")
def test_the_doctor_looks_at_the_channels(places: dict[str, str]) -> None:
    """A wrong address fails, a missing channel is a note: it may be known where workers run."""
    wrong = {"team": "pigeon://loft/s3cret"}
    with surroundings({**places, "PERENNIAL_ALERTS": json.dumps(wrong)}):
        done = CliRunner().invoke(cli.build(), ["doctor", "--json"])

    found = [each for each in json.loads(done.stdout)["checks"] if each["name"] == "alerts"]
    assert [each["verdict"] for each in found] == ["fail", "warn"]
    assert "channel 'team'" in found[0]["finding"]
    assert "channel 'oncall'" in found[1]["finding"]
    assert "s3cret" not in done.output

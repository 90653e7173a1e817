"""Columns that a declaration names and the model does not have: refused before anything runs."""

from pathlib import Path
from typing import Any

import pytest

from deployments.apply import check
from infra.errors import ConfigError
from tasks.spec import load_spec
from tests.support.homes import environment
from tests.support.small_model import write_model

_KNOWN = "known are ride, x, z, place"


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"monitoring": {"rosters": [{"column": "plaec"}]}},
            "monitoring.rosters names plaec, which is no column of the model; did you mean place?",
        ),
        (
            {"monitoring": {"slices": {"columns": ["place", "sight"]}}},
            f"monitoring.slices names sight, which is no column of the model; {_KNOWN}",
        ),
        (
            {"monitoring": {"may_stand_still": ["ride"]}},
            "monitoring.may_stand_still names ride, which is no column of the model; known are x",
        ),
        (
            {"evaluation": {"metric": "roc_auc", "slices": ["plaec"]}},
            "evaluation.slices names plaec, which is no column of the model; did you mean place?",
        ),
        (
            {"evaluation": {"metric": "roc_auc", "sensitive": ["sex"]}},
            f"evaluation.sensitive names sex, which is no column of the model; {_KNOWN}",
        ),
        (
            {"monitoring": {"rosters": [{"column": "x"}]}},
            "monitoring.rosters: x is no categorical feature, so that nothing says who belongs to",
        ),
    ],
)
def test_a_column_that_the_model_does_not_have_is_refused(
    tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    """With what was perhaps meant, when the declaration is read."""
    write_model(tmp_path, "rides", **sections)

    with pytest.raises(ConfigError) as caught:
        load_spec("rides", tmp_path)

    assert said in str(caught.value.args[0])


def test_features_and_columns_of_the_key_may_be_named(tmp_path: Path) -> None:
    """A roster of a number is one where its names are given."""
    write_model(
        tmp_path,
        "rides",
        monitoring={
            "rosters": [{"column": "place"}, {"column": "ride", "names": ["7"]}],
            "slices": {"columns": ["place", "ride"]},
            "may_stand_still": ["place"],
        },
    )

    assert len(load_spec("rides", tmp_path).monitoring.rosters) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"names stands\.csv: There is no file at .*stands\.csv\. Put the file into"),
        (b"name\nhill\n", r"stands\.csv has no column place"),
        (b"place\nh\xfcgel\n", r"stands\.csv is not UTF-8: byte 7 does not fit"),
    ],
)
def test_a_file_of_a_roster_that_is_none_fails_at_deploy(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """Otherwise the first verdict would fail, a month later."""
    roster = {"column": "place", "file": "stands.csv"}
    folder = write_model(tmp_path, "rides", monitoring={"rosters": [roster]})
    if content is not None:
        (folder / "stands.csv").write_bytes(content)

    with (
        environment({"PERENNIAL_MODELS": str(tmp_path)}),
        pytest.raises(ConfigError, match=said),
    ):
        check(load_spec("rides"))

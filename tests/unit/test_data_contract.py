"""Suites: read in full or refused, judged by what each expectation declares."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from infra.errors import ConfigError
from tasks.data.batch import Batch
from tasks.data.contract import check_contract, read_suite
from tasks.data.spec import TableSpec
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.source_tree import ROOT

SPEC = TableSpec(path="x.csv", key=("id",), columns={"id": "int", "size": "int"})
BETWEEN = "expect_column_values_to_be_between"


def _expectation(kind: str = BETWEEN, meta: object = None, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    kwargs = {"column": "size", "max_value": 10} | kwargs
    return {"type": kind, "kwargs": kwargs, "meta": meta or {"on_failure": "quarantine"}}


def _suite(folder: Path, *expectations: object) -> Path:
    path = folder / "things.json"
    path.write_text(json.dumps({"name": "things", "expectations": expectations}))
    return path


def _batch(sizes: list[int | None]) -> Batch:
    index = pd.RangeIndex(1, len(sizes) + 1)
    frame = pd.DataFrame({"id": range(len(sizes)), "size": sizes}, index=index).astype("Int64")
    return Batch("things", SPEC, frame, delivered=len(sizes))


def _checked(folder: Path, sizes: list[int | None], *expectations: object) -> Batch:
    batch = _batch(sizes)
    suite = read_suite(_suite(folder, *expectations), set(SPEC.columns))
    check_contract(batch, batch.frame, suite)
    return batch


@pytest.mark.parametrize(
    ("expectation", "says"),
    [
        (_expectation("expect_column_values_to_be_betwen"), "knows no"),
        (_expectation("nonsense"), "knows no"),
        (_expectation(max_valu=3), "is refused"),
        (_expectation(column="sise"), "nobody declares"),
        (_expectation(meta={"on_failure": "explode"}), "needs meta.on_failure"),
        (_expectation(meta={"says": "x"}), "needs meta.on_failure"),
        (_expectation(meta={"on_failure": "warn", "on_most": "hold"}), "meta.on_most is not known"),
        (_expectation(meta={"on_failure": "warn", "when_most": "shrug"}), "is no ending"),
        (_expectation("expect_column_quantile_values_to_be_between"), "cannot be used"),
        ({"type": BETWEEN}, "it must have"),
        ("text", "it must have"),
    ],
)
def test_a_mistake_in_a_suite_is_an_error_that_names_its_place(
    expectation: object, says: str, tmp_path: Path
) -> None:
    """Great Expectations drops some of these silently; here each one is told."""
    with pytest.raises(ConfigError, match=says) as caught:
        read_suite(_suite(tmp_path, _expectation(), expectation), set(SPEC.columns))

    assert "things.json, expectation 2" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json"])
def test_a_file_that_is_no_suite_is_an_error(text: str, tmp_path: Path) -> None:
    """An empty contract would let everything through."""
    path = tmp_path / "things.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match="is no suite"):
        read_suite(path, set(SPEC.columns))


def test_rows_that_break_a_rule_are_set_aside_and_named(tmp_path: Path) -> None:
    """The others go on; empty cells break no rule of values."""
    batch = _checked(tmp_path, [1, 50, None, 7, 60], _expectation())

    (finding,) = batch.findings
    assert finding.ending is Ending.QUARANTINE
    assert finding.rows == 2
    assert finding.examples == ("row 2: size = '50'", "row 5: size = '60'")
    assert batch.frame.index.tolist() == [1, 3, 4]


def test_when_most_rows_break_a_rule_none_of_them_is_wrong(tmp_path: Path) -> None:
    """Then the unit has changed: the batch is held, whole."""
    meta = {"on_failure": "quarantine", "when_most": "hold"}

    batch = _checked(tmp_path, [40, 50, 60, 7], _expectation(meta=meta))

    assert [finding.ending for finding in batch.findings] == [Ending.HOLD]
    assert len(batch.frame) == 4


@pytest.mark.parametrize("ending", ["warn", "hold", "reject"])
def test_a_rule_of_the_whole_table_ends_as_it_declares(ending: str, tmp_path: Path) -> None:
    """With the value that was seen."""
    rule = _expectation("expect_column_mean_to_be_between", {"on_failure": ending, "says": "few"})

    batch = _checked(tmp_path, [40, 50, 60], rule)

    (finding,) = batch.findings
    assert finding.ending.value == ending
    assert finding.message == "size: few; it is 50."


def test_an_expectation_that_cannot_be_computed_is_a_mistake_of_the_suite(tmp_path: Path) -> None:
    """A failure inside Great Expectations is never a failed row."""
    rule = _expectation("expect_column_values_to_match_regex", regex="(", max_value=None)
    del rule["kwargs"]["max_value"]

    with pytest.raises(ConfigError, match="cannot be computed"):
        _checked(tmp_path, [1, 2], rule)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "expectations").glob("*/*.json")), ids=lambda path: path.stem
)
def test_every_suite_of_the_repository_is_read_in_full(path: Path) -> None:
    """Each one belongs to a declared table and keeps as many expectations as its file has."""
    tables = load_spec(path.parent.name).data.tables
    listed = json.loads(path.read_text())["expectations"]
    observed = {e["kwargs"]["column"] for e in listed if e["kwargs"]["column"].startswith("_")}

    suite = read_suite(path, {*tables[path.stem].columns, *observed})

    assert len(suite.suite.expectations) == len(listed) > 0

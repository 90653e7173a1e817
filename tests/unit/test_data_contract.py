"""Suites: read in full or refused, judged by what each expectation declares."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from infra.errors import ConfigError
from tasks.data.batch import Batch
from tasks.data.contract import check_contract
from tasks.data.spec import TableSpec
from tasks.data.suites import read_suite
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.source_tree import ROOT

SPEC = TableSpec(path="x.csv", key=("id",), columns={"id": "int", "size": "int"})
WARN = {"on_failure": "warn"}
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
    suite = read_suite(_suite(folder, *expectations), SPEC.columns)
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
        read_suite(_suite(tmp_path, _expectation(), expectation), SPEC.columns)

    assert "things.json, expectation 2" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json"])
def test_a_file_that_is_no_suite_is_an_error(text: str, tmp_path: Path) -> None:
    """An empty contract would let everything through."""
    path = tmp_path / "things.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match="is no suite"):
        read_suite(path, SPEC.columns)


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
    assert finding.message == (
        "Expected: few. Found: the mean of size is 50, where at most 10 is fine."
    )


def test_an_expectation_that_cannot_be_computed_is_a_mistake_of_the_suite(tmp_path: Path) -> None:
    """A failure inside Great Expectations is never a failed row."""
    rule = _kind("column_values_to_match_regex", column="_unseen", regex="a")
    suite = read_suite(_suite(tmp_path, rule), {"id": "int", "_unseen": None})
    batch = _batch([1, 2])

    with pytest.raises(ConfigError, match="cannot be computed"):
        check_contract(batch, batch.frame, suite)


def _kind(kind: str, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """An expectation about the size, with these arguments and no others."""
    kwargs = {"column": "size"} | kwargs
    return {"type": f"expect_{kind.removeprefix('expect_')}", "kwargs": kwargs, "meta": WARN}


REGEX, AMONG = "column_values_to_match_regex", "column_values_to_be_in_set"
BOUND, LENGTH = "column_values_to_be_between", "column_value_lengths_to_be_between"
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a regex that is none": (
        _kind(REGEX, column="name", regex="("),
        "'(' is no regular expression",
    ),
    "a regex that is a number": (
        _kind(REGEX, column="name", regex=3),
        "3 is no regular expression",
    ),
    "a regex of many": (
        _kind("column_values_to_match_regex_list", column="name", regex_list=["a", "[z-a]"]),
        "'[z-a]' is no regular expression: bad character range z-a",
    ),
    "a regex of numbers": (_kind(REGEX, regex="a"), "is about text, but size is a column of int"),
    "lengths of numbers": (_kind(LENGTH, max_value=3), "is about text"),
    "bounds exchanged": (
        _kind(BOUND, min_value=10, max_value=1),
        "min_value 10 and max_value 1 leave no value between them",
    ),
    "bounds that touch": (_kind(BOUND, min_value=1, max_value=1, strict_min=True), "no value"),
    "bounds of a statistic": (
        _kind("column_mean_to_be_between", min_value=2, max_value=1),
        "leave",
    ),
    "no bounds": (_kind(BOUND), "neither min_value nor max_value"),
    "a bound in quotes": (_kind(BOUND, min_value="1"), "min_value is '1', and no bound"),
    "a bound that is true": (_kind(BOUND, min_value=True), "min_value is True, and no bound"),
    "a bound that is infinite": (_kind(BOUND, min_value=float("inf")), "and no bound"),
    "a number for an instant": (_kind(BOUND, column="at", min_value=3), "a column of timestamp"),
    "more than all": (_kind(BOUND, min_value=1, mostly=1.5), "mostly is 1.5"),
    "less than none": (_kind(BOUND, min_value=1, mostly=-0.1), "mostly is -0.1"),
    "none at all": (_kind(BOUND, min_value=1, mostly=0), "mostly is 0;"),
    "percent": (_kind(BOUND, min_value=1, mostly="95%"), "mostly is '95%'"),
    "a set that is none": (_kind(AMONG, value_set=3), "no list of values"),
    "an empty set": (_kind(AMONG, value_set=[]), "no list of values"),
    "text among numbers": (_kind(AMONG, value_set=[1, "2"]), "value_set holds '2', but size is"),
    "numbers among text": (_kind(AMONG, column="name", value_set=[1]), "a column of string"),
    "no column": (_kind(AMONG, column=["size"], value_set=[1]), "nobody declares"),
    "an observed column": (_kind(AMONG, column="_seen", value_set=[1]), "nobody declares"),
    "no words": (
        {**_kind(BOUND, min_value=1), "meta": {"on_failure": "warn", "says": ""}},
        "meta.says is '', and no words",
    ),
    "a severity that is a list": (
        {**_kind(BOUND, min_value=1), "meta": {"on_failure": ["warn"]}},
        "needs meta.on_failure",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_no_row_could_ever_meet_is_refused_before_there_are_rows(
    mistake: str, tmp_path: Path
) -> None:
    """File, expectation, fault and what to do: at deploy, and not at night."""
    expectation, says = MISTAKES[mistake]
    columns = {**SPEC.columns, "name": "string", "at": "timestamp"}

    with pytest.raises(ConfigError) as caught:
        read_suite(_suite(tmp_path, _expectation(), expectation), columns)

    assert says in str(caught.value)
    assert f"things.json, expectation 2: {expectation['type']}" in str(caught.value)
    assert caught.value.advice


def test_the_same_expectation_twice_is_refused(tmp_path: Path) -> None:
    """Only one of the two would be mended; what follows from it does not make it another."""
    again = _expectation(meta={"on_failure": "hold", "says": "once more"})

    with pytest.raises(ConfigError, match="expectation 3: it is expectation 1 once more"):
        read_suite(_suite(tmp_path, _expectation(), _expectation(max_value=9), again), SPEC.columns)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"expectations": []}', "would let everything through"),
        ('{"expectations": {}}', "no list of expectations"),
        ('{"expectation": [1]}', "no list of expectations"),
        ('{"expectations": [], "expectations": []}', "the key 'expectations' comes twice"),
        ("[" * 100_000, "is no suite"),
        ("\ud800", "is no suite"),
    ],
)
def test_a_suite_without_expectations_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """An empty contract is a decision that nobody took."""
    path = tmp_path / "things.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    with pytest.raises(ConfigError, match=says):
        read_suite(path, SPEC.columns)


def test_a_suite_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder of its name is not the absence of a contract."""
    path = tmp_path / "things.json"
    path.mkdir()

    with pytest.raises(ConfigError, match=r"The suite .*things\.json is a folder"):
        read_suite(path, SPEC.columns)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "expectations").glob("*/*.json")), ids=lambda path: path.stem
)
def test_every_suite_of_the_repository_is_read_in_full(path: Path) -> None:
    """Each one belongs to a declared table and keeps as many expectations as its file has."""
    tables = load_spec(path.parent.name).data.tables
    listed = json.loads(path.read_text())["expectations"]
    observed = {e["kwargs"]["column"] for e in listed if e["kwargs"]["column"].startswith("_")}

    suite = read_suite(path, {**dict.fromkeys(observed), **tables[path.stem].columns})

    assert len(suite.suite.expectations) == len(listed) > 0

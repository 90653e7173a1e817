"""``perennial new`` writes a model that works as it stands."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sklearn.datasets

from deployments.cli.new import Kind, found
from deployments.new.dialect import Dialect, Written
from infra.errors import ConfigError, DataError
from infra.plugins import resolve
from tasks.data import commit, inspect, read_history, receive
from tasks.features import build_features, split_by_time
from tasks.frames import split_rows
from tasks.metrics import accuracy, encode, rmse, roc_auc
from tasks.references import Ending
from tasks.spec import load_spec
from tests.support.feature_tables import bare_home

Scores = npt.NDArray[np.float64]
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Path]:
    """An empty folder of models, in a home of its own."""
    (tmp_path / "home").mkdir()  # Prefect makes a folder in it, but not its parents
    with bare_home(tmp_path / "home", tmp_path / "models"):
        yield tmp_path / "models"


def bundled(name: str, folder: Path) -> Path:
    """One of scikit-learn's own sets as a CSV file."""
    frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    path = folder / f"{name}.csv"
    frame.to_csv(path, index=False)
    return path


def perennial(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A call of the command line as a user makes it."""
    command = [str(Path(sys.executable).parent / "perennial"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def visits(rows: int = 400) -> pd.DataFrame:
    """A file with a time, text, gaps and a column without any value."""
    return pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=rows, freq="D"),
            "size": [float(n % 50) for n in range(rows)],
            "member": [n % 3 == 0 for n in range(rows)],
            "city": [["Rome", "Oslo", None][n % 3] for n in range(rows)],
            "note": [f"visit {n}" for n in range(rows)],
            "empty": [None] * rows,
            "paid": [["no", "yes"][n % 50 > 25] for n in range(rows)],
        }
    )


def ingested(model: str, windows: list[str]) -> list[Ending]:
    """How the batches of a model end when its declared source is ingested."""
    endings = []
    for window in windows:
        data = load_spec(model).data
        delivery = receive.fn(model, data, window, AS_OF, {})
        inspection = inspect.fn(delivery, read_history.fn(model, AS_OF), data)
        commit.fn(inspection)
        endings.append(inspection.ending)
    return endings


def judged(model: str) -> tuple[pd.Series, Scores, list[str]]:
    """Labels of the holdout, what the declared trainer says of it, and its classes."""
    spec = load_spec(model)
    table = build_features.fn(read_history.fn(model, AS_OF), spec.features, spec.data)
    train, holdout = split_rows(split_by_time.fn(table, spec.training))
    columns, label = list(spec.features.columns), spec.data.label
    trainer = resolve(spec.folder, spec.training.trainer)
    estimator = trainer(spec.training.parameters, list(table.categorical), spec.training.seed)
    estimator.fit(train[columns], train[label.name])
    if label.kind == "regression":
        return holdout[label.name], estimator.predict(holdout[columns]), []
    scores = estimator.predict_proba(holdout[columns])
    return holdout[label.name], scores, [str(name) for name in estimator.classes_]


def test_a_binary_target_is_understood_and_learned(models: Path, tmp_path: Path) -> None:
    """Thirty measurements with spaces in their names, no key, no time."""
    made = found("tumours", bundled("breast_cancer", tmp_path), "target")

    endings = ingested("tumours", ["all"])

    labels, scores, _ = judged("tumours")
    assert (made.kind, made.key, made.grain, len(made.numeric)) == ("binary", ("row",), "all", 30)
    assert endings == [Ending.ACCEPT]
    assert roc_auc(labels.to_numpy(), scores[:, 1]) > 0.97


def test_a_multiclass_target_is_understood_and_learned(models: Path, tmp_path: Path) -> None:
    """Three species, numbered."""
    made = found("iris", bundled("iris", tmp_path), "target")

    endings = ingested("iris", ["all"])

    labels, scores, classes = judged("iris")
    assert made.kind == "multiclass"
    assert endings == [Ending.ACCEPT]
    assert classes == ["0", "1", "2"]
    assert accuracy(encode(labels.tolist(), classes), scores) > 0.85


def test_a_regression_target_is_understood_and_learned(models: Path, tmp_path: Path) -> None:
    """A progression of 25 to 346 is a number, though all of its values are whole."""
    made = found("diabetes", bundled("diabetes", tmp_path), "target")

    endings = ingested("diabetes", ["all"])

    labels, scores, _ = judged("diabetes")
    assert made.kind == "regression"
    assert endings == [Ending.ACCEPT]
    assert rmse(labels.to_numpy(), scores) < labels.std()


def test_rows_with_a_time_come_in_windows_and_are_judged_on_the_newest(
    models: Path, tmp_path: Path
) -> None:
    """Dates, text, gaps and booleans; prose and empty columns are left out with the reason."""
    visits().to_csv(tmp_path / "visits.csv", index=False)

    made = found("visits", tmp_path / "visits.csv", "paid", time="when")
    endings = ingested("visits", ["2024-01", "2024-02", "2024-03"])

    labels, scores, _ = judged("visits")
    assert (made.kind, made.grain, made.key) == ("binary", "month", ("row",))
    assert made.left_out == {
        "empty": "no value in any row",
        "note": "text with 400 values",
    }
    assert endings == [Ending.ACCEPT] * 3
    assert len(labels) == 31
    assert roc_auc(labels.to_numpy(), scores[:, 1]) > 0.95


def test_instants_of_a_parquet_file_and_a_key_of_its_own_are_kept(
    models: Path, tmp_path: Path
) -> None:
    """The key that was named is used, no row is numbered, instants without a zone are UTC."""
    frame = visits(120).assign(visit_id=range(1000, 1120))
    frame["when"] += pd.Timedelta(hours=7)
    frame.to_parquet(tmp_path / "visits.parquet")

    made = found("visits", tmp_path / "visits.parquet", "size", time="when", key=("visit_id",))

    spec = load_spec("visits")
    assert (made.kind, made.key) == ("regression", ("visit_id",))
    assert spec.data.tables["rows"].columns["when"] == "timestamp"
    assert ingested("visits", ["2024-01"]) == [Ending.ACCEPT]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_infinities_and_what_is_no_number_bound_nothing(
    form: str, models: Path, tmp_path: Path
) -> None:
    """The declared range is that of the finite values; rows beyond it are set aside."""
    frame = visits().drop(columns="empty").assign(heat=np.arange(400.0))
    frame.loc[[3, 5], "heat"] = [np.inf, -np.inf]
    frame.loc[7, "heat"] = np.nan
    path = tmp_path / f"visits.{form}"
    frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)

    found("visits", path, "paid", time="when")

    suite = json.loads((models / "visits" / "expectations" / "rows.json").read_text())
    ranges = {each["kwargs"]["column"]: each["kwargs"] for each in suite["expectations"]}
    assert (ranges["heat"]["min_value"], ranges["heat"]["max_value"]) == (0, 798.0)
    assert ingested("visits", ["2024-01"]) == [Ending.QUARANTINE]


def test_a_kind_that_was_named_is_taken(models: Path, tmp_path: Path) -> None:
    """Three numbers may be a quantity."""
    made = found("iris", bundled("iris", tmp_path), "target", kind=Kind.REGRESSION)

    assert load_spec("iris").data.label.kind == made.kind == "regression"


def test_the_command_prints_what_it_understood(models: Path, tmp_path: Path) -> None:
    """As JSON for machines; the folder holds what the JSON names."""
    source = bundled("iris", tmp_path)

    ran = perennial("new", "iris", "--from", str(source), "--target", "target", "--json")

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["files"] == [
        "README.md",
        "data/rows.parquet",
        "expectations/rows.json",
        "features.py",
        "model.yaml",
        "trainer.py",
    ]
    assert all((models / "iris" / name).is_file() for name in told["files"])


def test_the_command_refuses_in_a_sentence_with_what_to_do(models: Path, tmp_path: Path) -> None:
    """Exit code 2 and no traceback: the command was wrong."""
    source = bundled("iris", tmp_path)

    ran = perennial("new", "iris", "--from", str(source), "--target", "species")

    assert ran.returncode == 2
    assert ran.stderr.startswith("The file has no column species.")
    assert "sepal length (cm)" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["Iris", "2iris", "my-model", "", "cli", "demo", "a" * 41, "../x"])
def test_a_name_that_breaks_the_rules_is_refused(name: str, models: Path, tmp_path: Path) -> None:
    """Names are folders, tables and deployments at once."""
    with pytest.raises(ConfigError):
        found(name, bundled("iris", tmp_path), "target")

    assert not models.exists()


def test_a_file_is_told_by_its_bytes_and_not_by_its_name(models: Path, tmp_path: Path) -> None:
    """Packed, or under a name that says nothing: it is read as a delivery of it would be."""
    text = visits()[["size", "member"]].to_csv(index=False).encode()
    (tmp_path / "export").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text))

    made = found("packed", tmp_path / "export", "member")

    assert (made.rows, made.target, made.numeric) == (400, "member", ("size",))


def test_what_is_no_file_is_not_opened(models: Path, tmp_path: Path) -> None:
    """A pipe would be waited for: it is refused by what it is."""
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(DataError, match="a named pipe"):
        found("piped", tmp_path / "pipe.csv", "b")


def test_what_is_there_is_never_overwritten(models: Path, tmp_path: Path) -> None:
    """A second call leaves the first one's folder as it is."""
    source = bundled("iris", tmp_path)
    found("iris", source, "target")
    before = (models / "iris" / "model.yaml").read_text()

    with pytest.raises(ConfigError, match="is there already and was not touched"):
        found("iris", source, "sepal width (cm)")

    assert (models / "iris" / "model.yaml").read_text() == before


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"target": "species"}, "no column species"),
        ({"target": "paid", "key": ("city",)}, "names 3 of 400 rows"),
        ({"target": "note"}, "neither a number nor a class"),
        ({"target": "when"}, "neither a number nor a class"),
        ({"target": "paid", "time": "city"}, "no dates, instants"),
        ({"target": "paid", "time": "paid"}, "cannot be the target"),
        ({"target": "city", "kind": Kind.REGRESSION}, "regression wants numbers"),
        ({"target": "size", "kind": Kind.BINARY}, "too many for binary"),
    ],
)
def test_a_wish_that_cannot_be_true_is_refused(
    wishes: dict[str, object], message: str, models: Path, tmp_path: Path
) -> None:
    """The message says what the column holds; nothing is written."""
    visits().to_csv(tmp_path / "visits.csv", index=False)

    with pytest.raises(ConfigError, match=message):
        found("visits", tmp_path / "visits.csv", **wishes)  # type: ignore[arg-type]

    assert not (models / "visits").exists()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"sep": ";", "decimal": ",", "encoding": "utf-8"}, "semicolons between values, decimal c"),
        ({"sep": "\t", "encoding": "utf-16"}, "tabs between values, in utf-16"),
        ({"sep": "|", "encoding": "utf-8-sig"}, "pipes between values"),
    ],
    ids=["an office west of Poland", "Unicode text of a spreadsheet", "pipes behind a mark"],
)
def test_text_of_another_kind_is_told_by_itself_and_declared(
    written: dict[str, Any], told: str, models: Path, tmp_path: Path
) -> None:
    """The same rows as from plain CSV; what is delivered later may be written in the same way."""
    frame = visits().drop(columns="empty")
    frame = frame.assign(visit_id=range(400), heat=np.arange(400) / 8)
    frame.to_csv(tmp_path / "plain.csv", index=False)
    frame.to_csv(tmp_path / "other.csv", index=False, **written)
    frame.head(31).to_csv(tmp_path / "january.csv", index=False, **written)

    plain = found("plain", tmp_path / "plain.csv", "paid", time="when", key=("visit_id",))
    other = found("other", tmp_path / "other.csv", "paid", time="when", key=("visit_id",))

    rows = [pq.read_table(models / name / "data" / "rows.parquet") for name in ("plain", "other")]
    assert rows[1].equals(rows[0])
    assert plain.written == ""
    assert told in other.written
    delivered = {"rows": str(tmp_path / "january.csv")}
    delivery = receive.fn("other", load_spec("other").data, "2024-01", AS_OF, delivered)
    seen = inspect.fn(delivery, read_history.fn("other", AS_OF), load_spec("other").data)
    assert seen.ending in {Ending.ACCEPT, Ending.WARN}, seen.findings


def test_an_encoding_that_no_byte_tells_is_asked_for(models: Path, tmp_path: Path) -> None:
    """And once it is said, the words are what they were."""
    frame = visits().assign(town="Müllheim")
    frame.loc[::2, "town"] = "Köln"
    frame.to_csv(tmp_path / "visits.csv", index=False, encoding="cp1252")

    with pytest.raises(DataError, match="cp1252") as refused:
        found("visits", tmp_path / "visits.csv", "paid", time="when")
    said = Written(tmp_path / "visits.csv", Dialect(encoding="cp1252"))
    made = found("visits", said, "paid", time="when")

    assert "--encoding" in refused.value.advice
    assert made.written == "in cp1252"
    rows = pq.read_table(models / "visits" / "data" / "rows.parquet")
    assert set(rows["town"].to_pylist()) == {"Müllheim", "Köln"}


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"", DataError, "The file is empty"),
        (b"a,b\n", DataError, "has no rows"),
        (b"a,a\n1,2\n", DataError, "names a twice"),
        (b"a,b\n1\n", DataError, "cannot be read"),
        (b"a,b\n1,2\n3,2\n", DataError, "the same value in every row"),
        (b"PAR2" + b"\1" * 300, DataError, "damaged beginning"),
        (b"PAR1 and no more", DataError, "no footer"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], DataError, "gzip"),
        ("a,b\n1,2\n3,4\n".encode("utf-16"), ConfigError, "no column is left to learn"),
        (b"a,b\n1,\xe9\n3,4\n", DataError, "byte 6 in line 2 does not fit"),
        ("a,b\nMüller,2\n3,4\n".encode("latin-1"), DataError, r"cp1252 \('Müller'\)"),
        (b"a,b\n" + b"1,2\n3,4\n" * 31, DataError, "62 rows with a target 49 are left"),
        (b"\x80\x04\x95pickled.", DataError, "pickle"),
        (b'{"a": 1, "b": 2}\n', ConfigError, "JSON Lines"),
        (b"a;b,c\n1;2,0\n3;4,1\n", ConfigError, "divided by commas, semicolons"),
        (b"a;b\n1,5;2\n3.5;4\n", ConfigError, "decimal comma .'1,5'., others a point"),
        (b"_a,b\n1,2\n3,4\n", ConfigError, "_a are taken"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    content: bytes, error: type[Exception], said: str, models: Path, tmp_path: Path
) -> None:
    """Empty, headed only, ragged, of one answer, damaged, in another encoding or format."""
    (tmp_path / "rows.csv").write_bytes(content)

    with pytest.raises(error, match=said):
        found("rows", tmp_path / "rows.csv", "b")

    assert not (models / "rows").exists()

"""Stored models: equal bytes for equal models, and nothing opened that is not as recorded."""

import hashlib
import io
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from infra.errors import ConfigError, DataError, IntegrityError
from infra.models import MODEL_FILE, dump_model, load_model, predict_scores
from tasks.training.estimators import hist_gradient_boosting

ROWS = pd.DataFrame(
    {"x": np.linspace(0, 1, 200), "c": ["a", "b"] * 100}, columns=["x", "c"]
).astype({"c": "str"})
LABELS = (ROWS["x"] > 0.4).astype(int).to_numpy()


def trees(seed: int = 3) -> Any:  # noqa: ANN401 - any estimator
    """A small pipeline of ours, fitted."""
    return hist_gradient_boosting("binary", {"max_iter": 5}, ["c"], seed).fit(ROWS, LABELS)


def stored(folder: Path, model: object) -> tuple[str, str, tuple[str, ...]]:
    """A model on disk: its folder, digest and trusted types."""
    data, types = dump_model(model)
    (folder / MODEL_FILE).write_bytes(data)
    return str(folder), hashlib.sha256(data).hexdigest(), types


def test_equal_models_have_equal_bytes() -> None:
    """Addresses in memory and the time of day do not reach the file."""
    first, again = (dump_model(trees())[0] for _ in range(2))

    assert first == again


def test_a_loaded_model_says_what_the_stored_one_said(tmp_path: Path) -> None:
    """To the last bit: smaller names and a packed archive change no number."""
    model = trees()

    loaded = load_model(*stored(tmp_path, model))

    expected = predict_scores(model, ROWS, "binary")
    assert (predict_scores(loaded, ROWS, "binary") == expected).all()


def test_the_types_to_trust_are_named_one_by_one() -> None:
    """No prefix, no wildcard: what the record lists is what may be loaded."""
    _, types = dump_model(trees())

    assert "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor" in types
    assert all(not name.endswith(("*", ".")) for name in types)


def test_a_changed_file_is_not_opened(tmp_path: Path) -> None:
    """One flipped byte and the digest says so before anything is read."""
    folder, digest, types = stored(tmp_path, trees())
    path = tmp_path / MODEL_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")

    with pytest.raises(IntegrityError, match=f"but {digest[:12]} was recorded"):
        load_model(folder, digest, types)


def test_a_type_that_was_not_recorded_is_not_loaded(tmp_path: Path) -> None:
    """The right digest alone opens nothing."""
    folder, digest, _ = stored(tmp_path, trees())

    with pytest.raises(IntegrityError, match=r"untrusted types: .*TreePredictor"):
        load_model(folder, digest, ())


def test_a_file_that_is_no_archive_is_not_opened(tmp_path: Path) -> None:
    """A pickle with a recorded digest is still no skops file."""
    data = b"cos\nsystem\n(S'true'\ntR."
    (tmp_path / MODEL_FILE).write_bytes(data)

    with pytest.raises(IntegrityError, match="cannot be opened: BadZipFile"):
        load_model(str(tmp_path), hashlib.sha256(data).hexdigest(), ())


def test_a_model_that_is_gone_says_what_to_do(tmp_path: Path) -> None:
    """The path and the next step, no FileNotFoundError."""
    with pytest.raises(DataError, match=r"is gone.*Run the flow"):
        load_model(str(tmp_path / "nothing"), "0" * 64, ())


def test_a_strange_type_must_be_declared() -> None:
    """What neither scikit-learn nor the declaration names is refused when it is stored."""
    model = LogisticRegression().fit(ROWS[["x"]], LABELS)
    model.extra_ = Counter("aab")

    with pytest.raises(ConfigError, match=r"collections\.Counter.*training\.trusted_types"):
        dump_model(model)


def test_a_declared_type_is_stored_and_listed() -> None:
    """One's own types travel by name."""
    model = LogisticRegression().fit(ROWS[["x"]], LABELS)
    model.extra_ = Counter("aab")

    data, types = dump_model(model, ("collections.Counter",))

    assert "collections.Counter" in types
    assert zipfile.is_zipfile(io.BytesIO(data))


def test_what_cannot_be_stored_is_a_mistake_of_the_trainer() -> None:
    """What runs cannot be written down."""
    model = LogisticRegression().fit(ROWS[["x"]], LABELS)
    model.extra_ = (row for row in ROWS)

    with pytest.raises(ConfigError, match="A LogisticRegression cannot be stored"):
        dump_model(model)


def test_binary_scores_are_the_chance_of_the_positive_class() -> None:
    """Shape (n_rows,), rising with what makes the label true."""
    scores = predict_scores(trees(), ROWS, "binary")

    assert scores.shape == (200,)
    assert scores[-1] > 0.5 > scores[0]


def test_multiclass_scores_are_a_matrix() -> None:
    """A column for each class, adding up to one."""
    labels = np.repeat(["low", "mid", "top", "top"], 50)
    model = HistGradientBoostingClassifier(max_iter=3).fit(ROWS[["x"]], labels)

    scores = predict_scores(model, ROWS[["x"]], "multiclass")

    assert scores.shape == (200, 3)
    assert scores.sum(axis=1) == pytest.approx(1)


def test_regression_scores_are_values() -> None:
    """In the label's own unit."""
    model = LinearRegression().fit(ROWS[["x"]], ROWS["x"] * 10)

    assert predict_scores(model, ROWS[["x"]], "regression") == pytest.approx(ROWS["x"] * 10)


@pytest.mark.parametrize(("kind", "shape"), [("binary", (0,)), ("regression", (0,))])
def test_no_rows_have_no_scores(kind: str, shape: tuple[int, ...]) -> None:
    """A window without rows is no fault."""
    assert predict_scores(trees(), ROWS.iloc[:0], kind).shape == shape


def test_a_missing_feature_is_named() -> None:
    """Not a KeyError from inside the library."""
    with pytest.raises(DataError, match="lack 1 features of the model: c"):
        predict_scores(trees(), ROWS[["x"]], "binary")


def test_a_prediction_that_is_not_finite_is_refused() -> None:
    """Infinity must reach no table."""
    model = DummyRegressor(strategy="constant", constant=np.inf)
    model.constant_, model.n_outputs_ = np.array([[np.inf]]), 1

    with pytest.raises(DataError, match="200 predictions are not finite"):
        predict_scores(model, ROWS, "regression")


def test_opening_a_model_does_not_import_torch() -> None:
    """Scikit-learn's walk over its modules would, and costs 1.6 s in every process."""
    code = (
        "import sys; from infra.models import dump_model; dump_model(1); "
        "print([name for name in ('torch', 'dask.array') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"

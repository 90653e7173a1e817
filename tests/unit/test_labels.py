"""Labels as numbers: what is refused before anything is fitted or measured."""

from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from infra.errors import DataError
from tasks.data.spec import LabelSpec
from tasks.labels import comparable, learnable, targets


def label(kind: Literal["binary", "multiclass", "regression"]) -> LabelSpec:
    """A label `y` of a kind."""
    return LabelSpec(name="y", kind=kind)


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0]])
def test_binary_labels_are_zero_and_one(values: list[Any]) -> None:
    """However the table spells them."""
    assert targets(pd.DataFrame({"y": values}), label("binary")).tolist() == [1, 0]


def test_classes_are_text() -> None:
    """Numbers of classes are names, not amounts."""
    assert targets(pd.DataFrame({"y": [2, 10]}), label("multiclass")).tolist() == ["2", "10"]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1.0, None], "binary", "1 of 2 rows have no label 'y'"),
        ([None, "a"], "multiclass", "1 of 2 rows have no label 'y'"),
        ([0, 2], "binary", "Binary label 'y' holds 0, 2"),
        (["yes", "no"], "binary", "of kind binary holds no, yes"),
        ([1.0, np.inf], "regression", "not finite"),
    ],
)
def test_labels_of_another_kind_are_refused(
    values: list[Any],
    kind: Literal["binary", "multiclass", "regression"],
    message: str,
) -> None:
    """With what was found instead."""
    with pytest.raises(DataError, match=message):
        targets(pd.DataFrame({"y": values}), label(kind))


def test_a_column_that_is_not_there_is_named() -> None:
    """Not a KeyError."""
    with pytest.raises(DataError, match="no label 'y'"):
        targets(pd.DataFrame({"x": [1]}), label("binary"))


def test_a_constant_label_teaches_nothing() -> None:
    """A fit would pass, and every prediction would be the same."""
    with pytest.raises(DataError, match="is 1 in all 80 rows: nothing can be learned"):
        learnable(pd.DataFrame({"y": [1] * 80}), label("binary"))


def test_a_handful_of_rows_is_too_few() -> None:
    """The message says how many there are and how many it takes."""
    with pytest.raises(DataError, match="12 labelled rows are too few to learn from; 50"):
        learnable(pd.DataFrame({"y": [0, 1] * 6}), label("binary"))


def test_a_class_that_the_model_never_saw_gets_no_chance() -> None:
    """Its rows count, as misses."""
    frame = pd.DataFrame({"y": ["a", "new", "b"]})
    said = np.full((3, 2), 0.5)

    labels, scores = comparable(frame, label("multiclass"), ("a", "b"), said)

    assert labels.tolist() == [0, 2, 1]
    assert scores[:, 2].tolist() == [0, 0, 0]

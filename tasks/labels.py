"""Labels as numbers: what estimators are fitted on and what metrics compare."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from infra.errors import DataError, few
from tasks.metrics import Array, encode

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS: Final = 50
"""Labelled rows that a training takes at least."""


class Label(Protocol):
    """What these functions ask of a label; the declaration's `LabelSpec` has it, and more."""

    @property
    def name(self) -> str:
        """The label's column."""

    @property
    def kind(self) -> str:
        """``binary``, ``multiclass`` or ``regression``."""


@dataclass(frozen=True)
class Target:
    """A label for workers: reading a declaration would import every stage and Prefect."""

    name: str
    kind: str


def targets(rows: "pd.DataFrame", label: Label) -> npt.NDArray[Any]:
    """What an estimator is fitted on: 0 and 1, names of classes as text, or numbers.

    Raises:
        DataError: the column is missing, a label is missing, or it is not of the declared kind.
    """
    if label.name not in rows:
        raise DataError(f"The rows have no label {label.name!r}.", hint="See features.builder.")
    column = rows[label.name]
    missing = int(column.isna().sum())
    if missing:
        raise DataError(
            f"{missing} of {len(rows)} rows have no label {label.name!r}.",
            hint="The feature builder must leave label_time empty where no label is known.",
        )
    if label.kind == "multiclass":
        return column.astype(str).to_numpy(dtype=object)
    try:
        numbers: Array = column.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Label {label.name!r} of kind {label.kind} holds {few(_examples(column))}."
        ) from error
    if label.kind == "binary" and not np.isin(numbers, (0.0, 1.0)).all():
        raise DataError(f"Binary label {label.name!r} holds {few(_examples(column))}.")
    if not np.isfinite(numbers).all():
        raise DataError(f"Label {label.name!r} holds values that are not finite.")
    return numbers.astype(np.int64) if label.kind == "binary" else numbers


def learnable(rows: "pd.DataFrame", label: Label, fewest: int = FEWEST_ROWS) -> npt.NDArray[Any]:
    """`targets` of rows that are enough to learn from.

    Raises:
        DataError: as `targets`, or there are fewer rows than `fewest`, or one value only.
    """
    if len(rows) < fewest:
        raise DataError(
            f"{len(rows)} labelled rows are too few to learn from; {fewest} are the least.",
            hint="Wait for more labels, or widen training.window.",
        )
    found = targets(rows, label)
    if len(np.unique(found)) == 1:
        raise DataError(
            f"Label {label.name!r} is {found[0]} in all {len(rows)} rows: nothing can be learned.",
            hint="See how the label is made, or train on more windows.",
        )
    return found


def comparable(
    rows: "pd.DataFrame", label: Label, classes: tuple[str, ...], scores: Array
) -> tuple[Array, Array]:
    """Labels and scores as `tasks.metrics` wants them.

    A class that the model has never seen gets a column of zeros: the model gave it no chance.

    Args:
        rows: with their labels.
        label: what they are.
        classes: of the model, in the order of the columns of `scores`; unused unless multiclass.
        scores: of `infra.models.predict_scores`.
    """
    found = targets(rows, label)
    if label.kind != "multiclass":
        return found.astype(np.float64), scores
    unseen = sorted(set(found) - set(classes))
    padded = np.hstack([scores, np.zeros((len(scores), len(unseen)))])
    return encode(found, (*classes, *unseen)), padded


def _examples(column: "pd.Series[Any]") -> list[Any]:
    return sorted(column.drop_duplicates().astype(str))

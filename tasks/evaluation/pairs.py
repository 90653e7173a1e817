"""The stored predictions of a holdout, and the pairing of two models on its rows."""

import io
from typing import Final

import numpy as np
import pandas as pd

from infra.errors import DataError, IntegrityError, few
from infra.models import classes_of, load_model, predict_scores
from tasks.data.spec import LabelSpec
from tasks.evaluation.bootstrap import Paired
from tasks.frames import split_rows
from tasks.labels import comparable
from tasks.metrics import Array
from tasks.references import Fitted, Split

PREDICTION, BASELINE = "prediction", "baseline"
_OF_CLASS: Final = ":"


def predictions_file(
    rows: pd.DataFrame,
    label: LabelSpec,
    said: dict[str, Array],
    classes: dict[str, tuple[str, ...]],
) -> bytes:
    """Parquet of the holdout: key, label, and what the model and the baseline said of each row.

    For a multiclass label `prediction` and `baseline` are the likeliest class, and
    ``prediction:CLASS`` and ``baseline:CLASS`` the probabilities.

    Args:
        rows: key columns and the label.
        label: what is predicted.
        said: by `PREDICTION` and `BASELINE`, scores of the rows.
        classes: by the same names, the classes of multiclass scores.
    """
    frame = rows.copy()
    for name, scores in said.items():
        if label.kind != "multiclass":
            frame[name] = scores
            continue
        names = np.array(classes[name], dtype=object)
        frame[name] = names[scores.argmax(axis=1)]
        for place, one in enumerate(names):
            frame[f"{name}{_OF_CLASS}{one}"] = scores[:, place]
    data: bytes = frame.to_parquet(index=False)
    return data


def stored_scores(
    frame: pd.DataFrame, name: str, label: LabelSpec
) -> tuple[Array, tuple[str, ...]]:
    """What `predictions_file` kept of the model or the baseline: scores, and their classes."""
    if label.kind != "multiclass":
        return frame[name].to_numpy(dtype=np.float64), ()
    start = f"{name}{_OF_CLASS}"
    columns = [column for column in frame if str(column).startswith(start)]
    classes = tuple(str(column).removeprefix(start) for column in columns)
    return frame[columns].to_numpy(dtype=np.float64), classes


def paired(predictions: bytes, label: LabelSpec, split: Split, incumbent: Fitted | None) -> Paired:
    """Challenger and incumbent on the same rows.

    Args:
        predictions: the challenger's `predictions_file`.
        label: what is predicted.
        split: the challenger's, whose holdout the incumbent predicts anew.
        incumbent: the champion; the baseline takes its place if there is none.

    Raises:
        DataError: the rows lack features that the incumbent was trained on.
        IntegrityError: the stored predictions are of other rows, or the incumbent's model is not
            the one that was recorded.
    """
    frame = pd.read_parquet(io.BytesIO(predictions))
    challenger, classes = stored_scores(frame, PREDICTION, label)
    if incumbent is None:
        other, other_classes = stored_scores(frame, BASELINE, label)
    else:
        other, other_classes = _of_incumbent(frame, label, split, incumbent)
    together = tuple(sorted({*classes, *other_classes}))
    labels, challenger = comparable(frame, label, together, _widened(challenger, classes, together))
    _, other = comparable(frame, label, together, _widened(other, other_classes, together))
    return Paired(kind=label.kind, labels=labels, challenger=challenger, incumbent=other)


def _of_incumbent(
    frame: pd.DataFrame, label: LabelSpec, split: Split, incumbent: Fitted
) -> tuple[Array, tuple[str, ...]]:
    gone = [name for name in incumbent.split.table.features if name not in split.table.features]
    if gone:
        raise DataError(
            f"The champion needs {few(gone)}, which the features no longer hold: champion and "
            "challenger cannot be compared on the same rows.",
            hint="Keep those features until a champion without them is in charge.",
        )
    _, rows = split_rows(split)
    key = list(split.table.key)
    if not rows[key].reset_index(drop=True).equals(frame[key]):
        raise IntegrityError("The stored predictions are of other rows than the holdout's.")
    model = load_model(incumbent.uri, incumbent.digest, incumbent.trusted_types)
    scores = predict_scores(model, rows[list(incumbent.split.table.features)], label.kind)
    return scores, classes_of(model) if label.kind == "multiclass" else ()


def _widened(scores: Array, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """Columns in the order of `wanted`; zeros for a class that the model does not know."""
    if not wanted:
        return scores
    wide = np.zeros((len(scores), len(wanted)))
    wide[:, [wanted.index(name) for name in classes]] = scores
    return wide

"""What a built Bento is asked, and whether its answers are those of the stored model."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from infra.errors import DataError, IntegrityError
from infra.models import classes_of, load_model, predict_scores
from tasks.frames import split_rows
from tasks.packaging.spec import ServingSpec
from tasks.references import Candidate

_OK, _FIRST_REFUSAL, _FIRST_FAILURE = 200, 400, 500

Rows = list[dict[str, Any]]


class Questions(BaseModel):
    """Rows in batches, a row that must be refused, and the answers that are expected."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    tag: str
    version: int
    batches: list[Rows]
    broken: dict[str, Any]
    left_out: str
    classes: tuple[str, ...]
    scores: Any


def questions(candidate: Candidate, serving: ServingSpec, kind: str) -> Questions:
    """Holdout rows, spread evenly, with the predictions that the stored model makes of them.

    Raises:
        DataError: the holdout has no rows.
        IntegrityError: the stored model is not the registered one.
    """
    features = list(candidate.fitted.split.table.features)
    holdout = split_rows(candidate.fitted.split)[1][features]
    if holdout.empty:
        raise DataError(f"The holdout of version {candidate.version} has no rows.")
    wanted = min(serving.smoke_rows, len(holdout))
    chosen = holdout.iloc[np.linspace(0, len(holdout) - 1, wanted).astype("int64")]
    fitted = candidate.fitted
    model = load_model(fitted.uri, fitted.digest, fitted.trusted_types)
    rows = plain_rows(chosen)
    size = min(serving.max_batch_size, max(1, wanted // 2))
    return Questions(
        tag=f"version {candidate.version} of {candidate.model}",
        version=candidate.version,
        batches=[rows[start : start + size] for start in range(0, len(rows), size)],
        broken={name: value for name, value in rows[0].items() if name != features[0]},
        left_out=features[0],
        classes=classes_of(model) if kind == "multiclass" else (),
        scores=predict_scores(model, chosen, kind),
    )


def plain_rows(frame: pd.DataFrame) -> Rows:
    """Rows as JSON carries them: null for what is missing."""
    plain = frame.astype("object").where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def judge_answers(
    asked: Questions, answers: list[tuple[int, Any]], refusal: tuple[int, Any], tolerance: float
) -> str:
    """A sentence with numbers that says how the Bento did.

    Raises:
        IntegrityError: an answer is none, another version's, or too far from the offline one; or
            the broken row was not refused.
    """
    failed = [status for status, _ in answers if status != _OK]
    if failed:
        raise IntegrityError(
            f"The Bento of {asked.tag} answered {len(failed)} of {len(answers)} requests with "
            f"status {failed[0]}."
        )
    given = [answer for _, batch in answers for answer in batch]
    others = {answer["version"] for answer in given} - {asked.version}
    if others:
        raise IntegrityError(f"The Bento of {asked.tag} says that it is version {min(others)}.")
    difference = _largest_difference(asked, given)
    if not difference <= tolerance:  # NaN is no agreement
        raise IntegrityError(
            f"The Bento of {asked.tag} differs from the stored model by up to {difference:.3g} in "
            f"{len(given)} rows; {tolerance:.3g} is allowed.",
            hint="The served and the trained model are not the same: compare their libraries.",
        )
    if not _FIRST_REFUSAL <= refusal[0] < _FIRST_FAILURE:
        raise IntegrityError(
            f"The Bento of {asked.tag} answered a row without {asked.left_out!r} with status "
            f"{refusal[0]} where it should have refused it."
        )
    return (
        f"{len(given)} holdout rows in {len(answers)} requests: largest difference from the "
        f"offline predictions {difference:.3g} (allowed {tolerance:.3g}); a row without "
        f"{asked.left_out!r} was refused with status {refusal[0]}."
    )


def _largest_difference(asked: Questions, given: Rows) -> float:
    served: npt.NDArray[np.float64]
    if asked.classes:
        served = np.array(
            [[answer["probabilities"][name] for name in asked.classes] for answer in given]
        )
    else:
        served = np.array([answer["prediction"] for answer in given], dtype="float64")
    if served.shape != asked.scores.shape:
        return float("inf")
    return float(np.abs(served - asked.scores).max())

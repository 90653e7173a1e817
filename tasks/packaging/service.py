"""The service inside a Bento: answers rows of features with predictions of one version.

It is copied into every Bento with the modules that it imports, and reads what it serves from
``declaration.json`` beside it.
"""

from pathlib import Path
from typing import Annotated, Any

import bentoml
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, create_model

from infra.models import classes_of, load_model, predict_scores

_Number = Annotated[float, Field(allow_inf_nan=False)]


class Declaration(BaseModel):
    """What a Bento serves, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    tag: str
    digest: str = Field(description="SHA-256 of model.skops.")
    trusted_types: tuple[str, ...]
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    kind: str = Field(description="binary, multiclass or regression.")
    max_batch_size: int
    max_latency_ms: int


class About(BaseModel):
    """Who answers here."""

    model: str
    version: int
    tag: str
    digest: str


class Answer(BaseModel):
    """The prediction for one row."""

    prediction: float | str
    probabilities: dict[str, float] | None = None
    version: int


def row_type(declared: Declaration) -> type[BaseModel]:
    """The type of a row: every declared feature must be there, perhaps null, and nothing else."""
    fields: dict[str, Any] = {
        name: (str | None if name in declared.categorical else _Number | None, ...)
        for name in declared.features
    }
    return create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)


def frame_of(rows: list[BaseModel], declared: Declaration) -> pd.DataFrame:
    """Rows typed as our tables give them to training: text for categories, float64 for all else.

    Returns:
        Shape (n_rows, n_features), columns in the declared order.
    """
    columns = {
        name: pd.Series(
            [getattr(row, name) for row in rows],
            dtype="str" if name in declared.categorical else "float64",
        )
        for name in declared.features
    }
    return pd.DataFrame(columns, columns=list(declared.features))


def make_service(folder: Path) -> Any:  # noqa: ANN401 - BentoML ships no types
    """The service of a Bento's folder, with ``model/`` and ``declaration.json`` in it."""
    text = (folder / "declaration.json").read_text(encoding="utf-8")
    declared = Declaration.model_validate_json(text)
    row: Any = row_type(declared)

    class Answers:
        """Predictions of one version."""

        def __init__(self) -> None:
            self.model = load_model(str(folder / "model"), declared.digest, declared.trusted_types)

        @bentoml.api(  # type: ignore[untyped-decorator] # BentoML ships no types
            batchable=True,
            max_batch_size=declared.max_batch_size,
            max_latency_ms=declared.max_latency_ms,
        )
        def predict(self, rows: list[row]) -> list[Answer]:
            """The prediction for each row."""
            scores = predict_scores(self.model, frame_of(rows, declared), declared.kind)
            if declared.kind != "multiclass":
                return [
                    Answer(prediction=float(score), version=declared.version) for score in scores
                ]
            names = classes_of(self.model)
            return [
                Answer(
                    prediction=names[int(chances.argmax())],
                    probabilities=dict(zip(names, map(float, chances), strict=True)),
                    version=declared.version,
                )
                for chances in scores
            ]

        @bentoml.api  # type: ignore[untyped-decorator] # BentoML ships no types
        def about(self) -> About:
            """Which version answers."""
            return About.model_validate(declared.model_dump(include=set(About.model_fields)))

    return bentoml.service(name=declared.model, workers=1)(Answers)
